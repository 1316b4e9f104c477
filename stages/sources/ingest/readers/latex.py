"""LaTeX, converted by pandoc, the only reader that handles sections, macros and notes."""

import shutil
import subprocess
from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record, unusual


def read(file: File) -> Iterator[Record]:
    """Read the document, without the files that it includes."""
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        raise Reject(
            "needs pandoc", "to read LaTeX, install pandoc (pandoc.org) and make sure that it is on the PATH"
        )
    text, encoding = file.text()
    done = subprocess.run(  # the reader's time limit includes it
        [pandoc, "--sandbox", "--from=latex", "--to=html", "--standalone", "--mathjax"],
        input=text.encode("utf-8", "replace"),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Reject("unreadable file", f"pandoc: {errors[0] if errors else done.returncode}")
    markdown, title = read_webpage(done.stdout.decode("utf-8", "replace"), whole=True)
    yield Record(markdown, title, metadata=unusual(encoding))
