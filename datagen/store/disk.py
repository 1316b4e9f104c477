"""
What a file system refuses, told to the user.

A disk that is full, a folder that cannot be written and a name that is too long are met anywhere: in our
own writes, and in those of libraries, which wrap the error in one of their own. So the errors are recognised
where a task or a command ends, by the cause behind them.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from datagen.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Error -> what to do about it.
ADVICE = {
    **dict.fromkeys(FULL, "Make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Allow it or change --outputs"),
    errno.ENAMETOOLONG: "Use a shorter path, such as another folder for --outputs",
    errno.ENOTDIR: "Name a folder",
    errno.EISDIR: "Name a file, or move the folder away",
    errno.EEXIST: "Move it away",
    errno.ELOOP: "Mend the link",
    errno.EIO: "Mend the disk",
    errno.ESTALE: "Mount the folder again",
    errno.EMFILE: "Allow more open files (ulimit -n)",
    errno.ENFILE: "Close other programs",
}


@contextmanager
def told() -> Iterator[None]:
    """
    Tell the user what the file system refused.

    Raises
    ------
    UserError
        In place of any error that comes from a full disk, a missing permission and the like.
    """
    try:
        yield
    except Exception as error:
        if cause := _cause(error):
            raise refused(cause) from error
        raise


def telling(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; tell what the file system refused it."""
    with told():
        return function(*arguments)


def refused(error: OSError, path: object = None) -> UserError:
    """Say what was refused, where, and what to do."""
    path = path or error.filename
    what = os.strerror(error.errno or 0)
    where = f"{path} could not be read or written: {what}" if path else f"the file system refused: {error}"
    advice = ADVICE.get(error.errno or 0, "Name another folder with --outputs")
    return UserError(f"{where}. {advice} and run the same command again: it goes on where it stopped")


def _cause(error: BaseException) -> OSError | None:
    """Find the refusal behind an error, if there is one and nobody has told of it yet."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and not isinstance(current, UserError):
        if isinstance(current, OSError) and current.errno in ADVICE:
            return current
        seen.append(current)
        current = current.__cause__ or current.__context__
    return None
