"""
The lease on a recipe's folder: one run at a time may write to it.

On one machine, an operating system lock on a file decides, so that the lease ends with its holder, even if
the holder is killed. Shared file systems often do not show such locks to other machines. So the holder also
touches the file regularly: a lease of another machine that has not been touched for a minute has expired.

A file without a holder's line, such as one that a crash left full of zeros, is free to whoever has the lock:
every holder writes its line at once.

The file keeps its size and is overwritten in place, so that `datagen clean` can take it on a full disk.
"""

import errno
import fcntl
import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from datagen.errors import UserError
from datagen.paths import regular
from datagen.store.disk import file_error
from datagen.store.parquet import UNFINISHED

TOUCH_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
SIZE = 256  # minimum size of the file in bytes
HOLDER = re.compile(r"process \d+ on (?P<machine>.+) since \S+")
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # errors of a file system without locks


@contextmanager
def lease(home: Path) -> Iterator[None]:
    """
    Hold the lease on a recipe's folder while the block runs.

    Raises
    ------
    UserError
        If another run holds it; names the holder and the time.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError) as error:  # for example in /proc, or in place of a file
        raise file_error(error, home) from error
    path = home / ".lease"
    try:
        handle = os.open(regular(path), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise file_error(error, path) from error
    with os.fdopen(handle, "r+", encoding="utf-8", errors="replace") as file:  # damage is not a holder
        _take(file, home)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            _overwrite(file, f"process {os.getpid()} on {platform.node()} since {now}")
        except OSError as error:
            raise file_error(error, path) from error
        ended = threading.Event()
        toucher = threading.Thread(target=_touch, args=[file, ended], name="lease", daemon=True)
        toucher.start()
        try:
            yield
        finally:
            ended.set()
            toucher.join()
            with suppress(OSError):  # without a process that touches it, it expires
                _overwrite(file, "")


def _overwrite(file: TextIO, holder: str) -> None:
    """Write the holder over the file's content; spaces mean that there is none."""
    file.seek(0)
    file.write(holder.ljust(SIZE))
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def _take(file: TextIO, home: Path) -> None:
    """Take the lease, or fail and name its holder."""
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
    content = file.read().strip()
    holder = HOLDER.fullmatch(content)
    if not held and (holder or (content and not locks)):
        # With the lock, a holder on this machine is dead.
        elsewhere = not locks or holder is None or holder["machine"] != platform.node()
        held = elsewhere and _age(file, home) < EXPIRE_SECONDS
    if held:
        raise UserError(
            f"{home} is held by another run ({holder[0] if holder else 'just started'}). "
            "Wait for it to end, or stop it and run again to resume. If it died on another machine, its "
            f"lease expires after {EXPIRE_SECONDS:.0f} seconds"
        )


def _age(file: TextIO, home: Path) -> float:
    """Return the seconds since the holder touched the file, by the clock of the file system."""
    probe = home / f"{UNFINISHED}now-{uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime - os.fstat(file.fileno()).st_mtime
    finally:
        probe.unlink()


def _touch(file: TextIO, ended: threading.Event) -> None:
    while not ended.wait(TOUCH_SECONDS):
        with suppress(OSError):  # a file server that is briefly unavailable
            os.utime(file.fileno())
