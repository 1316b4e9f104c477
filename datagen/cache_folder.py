"""The folder for what is computed once per user, such as the bundled models."""

import os
import stat
import tempfile
from pathlib import Path

from datagen.errors import UserError
from datagen.paths import expanded


def cache_folders() -> list[Path]:
    """
    List the folders in which cached files may be, the one to write to last.

    ``$DATAGEN_CACHE``, otherwise the user's cache folder. If that cannot be written, as in a container
    without a home, files are written to a private folder in the temporary folder.

    Raises
    ------
    UserError
        If other users can write to the folder in the temporary folder.
    """
    if folder := os.environ.get("DATAGEN_CACHE"):
        return [expanded(folder)]
    usual = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "datagen"
    return [usual] if _is_writable(usual) else [usual, _temporary()]


def cache_folder() -> Path:
    """Return the folder to write cached files to."""
    return cache_folders()[-1]


def _is_writable(folder: Path) -> bool:
    if not folder.is_absolute():  # the user has no home
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"datagen-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UserError(
            f"{folder} can be written by other users, so no model is read from it. Set DATAGEN_CACHE to a "
            "folder of your own"
        )
    return folder
