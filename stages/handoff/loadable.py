"""
A hand-off where `datasets` can load it.

`datasets` reads a path as a pattern and as a chain of file systems, so it loads nothing from a folder with
brackets, stars or ``::`` on its way. Such a hand-off is checked in a folder of another name.
"""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PLAIN = re.compile(r"(?!.*::)(?!.*://)[^\[\]{}*?!\\#%&<>|\x00-\x1f]*")


@contextmanager
def loadable(folder: Path) -> Iterator[Path]:
    """Give the folder itself, or one of a plain name with the same files as long as the block lasts."""
    if PLAIN.fullmatch(str(folder)):
        yield folder
        return
    log.warning(
        f"{str(folder.parent)!r} has characters that the library datasets takes for a pattern: move the "
        "hand-off to a folder of another name before training"
    )
    with tempfile.TemporaryDirectory(prefix="datagen-handoff-") as temporary:
        place = Path(temporary) / folder.name
        shutil.copytree(folder, place, copy_function=_link_or_copy)
        yield place


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
