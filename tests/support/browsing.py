"""`datagen browse` in a process."""

import contextlib
import re
import subprocess
import sys


@contextlib.contextmanager
def browsing(run, labels):
    """Start `datagen browse`; yield the address that it prints and the process."""
    command = [sys.executable, "-m", "datagen", "browse", str(run), "--labels", str(labels), "--rows", "12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(m[0] for line in process.stdout if (m := re.search(r"http://\S+", line))), process
        finally:
            process.terminate()
