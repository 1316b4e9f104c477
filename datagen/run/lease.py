"""
Who may write to a recipe's folder: one run at a time.

On one machine the operating system's lock on a file decides, so that the lease ends with its holder,
however that ends. On a file system that several machines share, many systems keep such a lock to
themselves. So the holder also touches the file as long as it lives, and the others believe that: a lease
of another machine's that has not been touched for a minute has expired.
"""

import errno
import fcntl
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from datagen.errors import UserError
from datagen.store.disk import file_error
from datagen.store.parquet import UNFINISHED

TOUCH_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # of a file system that has none


@contextmanager
def lease(home: Path) -> Iterator[None]:
    """
    Hold a recipe's folder for one run at a time.

    Raises
    ------
    UserError
        When another run holds it: who, and since when.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError) as error:  # such as in /proc, or where a file stands
        raise file_error(error, home) from error
    with (home / ".lease").open("a+") as file:
        _take(file, home)
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {platform.node()} since {now}")
        file.flush()
        os.fsync(file.fileno())
        ended = threading.Event()
        toucher = threading.Thread(target=_touch, args=[file, ended], name="lease", daemon=True)
        toucher.start()
        try:
            yield
        finally:
            ended.set()
            toucher.join()
            file.truncate(0)


def _take(file: TextIO, home: Path) -> None:
    """Take the lease, or tell the user who has it."""
    locks = held = False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locks = True
    except BlockingIOError:
        held = True
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    file.seek(0)
    holder = file.read().strip()
    if not held and holder:
        # We have the lock, so no process of this machine is alive that had it.
        elsewhere = not locks or f" on {platform.node()} since " not in holder
        held = elsewhere and _age(file, home) < EXPIRE_SECONDS
    if held:
        raise UserError(
            f"{home} is held by another run ({holder or 'just started'}). "
            "Wait for it to end, or stop it and run again: it goes on where it stopped. "
            f"Of one that died on another machine, the lease expires after {EXPIRE_SECONDS:.0f} seconds"
        )


def _age(file: TextIO, home: Path) -> float:
    """Seconds since the holder touched the file, by the clock of the file system."""
    beside = home / f"{UNFINISHED}now-{uuid4().hex}"
    beside.touch()
    try:
        return beside.stat().st_mtime - os.fstat(file.fileno()).st_mtime
    finally:
        beside.unlink()


def _touch(file: TextIO, ended: threading.Event) -> None:
    while not ended.wait(TOUCH_SECONDS):
        with suppress(OSError):  # a file server that is away for a moment
            os.utime(file.fileno())
