"""Paths that a user wrote."""

import os
import stat
from pathlib import Path

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def expanded(path: str) -> Path:
    """Expand a leading ``~``, unless the user is unknown."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError)


def not_a_file(path: Path) -> str:
    """Describe what stands where a file should; "" if it is a file."""
    if path.is_file():
        return ""
    if path.is_dir():
        return "a folder"
    if not path.exists():
        return "a link to nothing" if path.is_symlink() else "missing"
    return KINDS.get(stat.S_IFMT(path.stat().st_mode), "not a file")


def regular(path: Path) -> Path:
    """
    Return the path of a file that can be read to its end; a missing file or a folder is left to its reader.

    Opening a pipe waits for its writer, and a device may have no end.

    Raises
    ------
    OSError
        If it is a pipe, a socket or a device.
    """
    if path.exists() and (kind := KINDS.get(stat.S_IFMT(path.stat().st_mode))):
        raise OSError(f"it is {kind}, not a file")
    return path
