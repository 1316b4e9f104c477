"""
Report file system errors to the user.

A full disk, a missing permission or an overlong name can surface anywhere, including in libraries, which wrap
the error in their own classes. The errors are therefore recognised at the end of a task or command, by their
cause.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from datagen.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Error number -> what to do.
T = TypeVar("T")

ADVICE = {
    **dict.fromkeys(FULL, "Make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Allow it or change --outputs"),
    errno.ENAMETOOLONG: "Use a shorter path, such as another folder for --outputs",
    errno.ENOTDIR: "Use a folder",
    errno.EISDIR: "Use a file, or move the folder",
    errno.EEXIST: "Move it away",
    errno.ELOOP: "Fix the link",
    errno.EIO: "Check the disk",
    errno.ESTALE: "Mount the folder again",
    errno.EMFILE: "Allow more open files (ulimit -n)",
    errno.ENFILE: "Close other programs",
}


@contextmanager
def translate_file_errors() -> Iterator[None]:
    """
    Raise file system errors as messages for the user.

    Raises
    ------
    UserError
        Instead of any error caused by a full disk, a missing permission or the like.
    """
    try:
        yield
    except Exception as error:
        if cause := _cause(error):
            raise file_error(cause) from error
        raise


def translating_file_errors(function: Callable[..., T], *arguments: object) -> T:
    """Call a function within `translate_file_errors`."""
    with translate_file_errors():
        return function(*arguments)


def file_error(error: OSError, path: object = None) -> UserError:
    """Build the message for the user: what failed, where, and what to do."""
    path = path or error.filename
    reason = os.strerror(error.errno) if error.errno else error
    failure = f"{path} could not be read or written: {reason}" if path else f"file system error: {error}"
    advice = ADVICE.get(error.errno or 0, "Choose another folder with --outputs")
    return UserError(f"{failure}. {advice} and run the same command again to resume")


def _cause(error: BaseException) -> OSError | None:
    """Find the file system error behind an error, unless a `UserError` has already reported it."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and not isinstance(current, UserError):
        if isinstance(current, OSError) and current.errno in ADVICE:
            return current
        seen.append(current)
        current = current.__cause__ or current.__context__
    return None
