"""
Make a hand-off available under a path that `datasets` can load.

`datasets` interprets a path as a glob pattern and as a chain of file systems, so it loads nothing from a path
with brackets, stars or ``::``. Such a hand-off is checked in a temporary folder.
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
    """Yield the folder itself, or a temporary one with a plain name and the same files."""
    if PLAIN.fullmatch(str(folder)):
        yield folder
        return
    log.warning(
        f"{str(folder.parent)!r} contains characters that the datasets library interprets as a pattern: move "
        "the hand-off to a folder with another name before training"
    )
    with tempfile.TemporaryDirectory(prefix="datagen-handoff-") as temporary:
        copy = Path(temporary) / folder.name
        shutil.copytree(folder, copy, copy_function=_link_or_copy)
        yield copy


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
