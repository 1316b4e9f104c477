"""LaTeX, by pandoc: the only reader that keeps sections, macros and notes."""

import shutil
import subprocess
from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record, unusual


def read(file: File) -> Iterator[Record]:
    """Read the document; what it includes from other files is not read."""
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        raise Reject(
            "needs pandoc", "install pandoc (pandoc.org) to read LaTeX, and see that it is on the PATH"
        )
    text, encoding = file.text()
    done = subprocess.run(  # its time is bounded with that of the reader
        [pandoc, "--sandbox", "--from=latex", "--to=html", "--standalone", "--mathjax"],
        input=text.encode("utf-8", "replace"),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Reject("unreadable file", f"pandoc: {said[0] if said else done.returncode}")
    markdown, title = read_webpage(done.stdout.decode("utf-8", "replace"), whole=True)
    yield Record(markdown, title, metadata=unusual(encoding))
