"""
The child process that reads files, and its messages.

It receives the files of a task and sends their rows as Arrow batches, every 50 milliseconds or megabyte, so
that plain text is almost as fast as if the parent read it. It limits its own memory, and ends with its
parent.
"""

import ctypes
import mmap
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection

import pyarrow as pa

from datagen.rows import Fields
from datagen.stages.sources.ingest.convert import SCHEMA, rows
from datagen.stages.sources.ingest.record import File

BEGIN = struct.Struct("<i")  # message before a file is read: its number
PLACE = struct.Struct("<ii")  # in shared memory: the file being read, and the number of its rows so far
DONE = b""
OUT_OF_MEMORY = 40  # exit status

BATCH_BYTES, BATCH_SECONDS = 1_000_000, 0.05
IDLE_SECONDS = 60.0  # time without a task after which it ends
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Task:
    """
    Files to read.

    Parameters
    ----------
    files
        All files of the task.
    first, skip
        The file to begin with, and the number of its rows that were sent earlier.
    careful
        Send each row at once, and announce each file, because an earlier process died of an unknown file.
    redact
        Kinds of personal data and secrets to replace.
    stop
        Rows of the last file after which to stop; None: read all of it.
    """

    files: Sequence[File]
    first: int = 0
    skip: int = 0
    careful: bool = False
    redact: Sequence[str] = ()
    stop: int | None = None


def serve(connection: Connection, current: mmap.mmap) -> None:
    """Process tasks until none arrives for a while; `current` shows the parent the file being read."""
    while connection.poll(IDLE_SECONDS):
        for message in _messages(connection.recv(), current):
            connection.send_bytes(message)
        connection.send_bytes(DONE)


def _messages(task: Task, current: mmap.mmap) -> Iterator[bytes]:
    batch: list[Fields] = []
    size, sent = 0, time.monotonic()
    skip = task.skip
    for number in range(task.first, len(task.files)):
        PLACE.pack_into(current, 0, number, 0)
        if task.careful:
            yield BEGIN.pack(number)
        file_rows = rows(task.files[number], task.redact)
        stop = task.stop if number == len(task.files) - 1 else None
        for count, row in enumerate(islice(file_rows, stop), start=1):
            PLACE.pack_into(current, 0, number, count)
            if skip:
                skip -= 1
                if time.monotonic() - sent > 1:
                    yield BEGIN.pack(number)  # a sign of life
                    sent = time.monotonic()
                continue
            batch.append(row | {"file": number})
            size += len(str(row.get("text") or ""))
            if task.careful or size > BATCH_BYTES or time.monotonic() - sent > BATCH_SECONDS:
                yield _batch(batch)
                batch, size, sent = [], 0, time.monotonic()
        skip = 0
    if batch:
        yield _batch(batch)


def _batch(batch: list[Fields]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist(batch, SCHEMA))
    result: bytes = sink.getvalue().to_pybytes()
    return result


def main() -> None:
    """Serve the parent; the arguments are the memory limit, the connection and the shared memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    memory, descriptor, shared = map(int, sys.argv[-3:])
    current = mmap.mmap(shared, PLACE.size)
    _limit_memory(memory)
    connection = Connection(descriptor)
    connection.send_bytes(DONE)  # it has started
    try:
        serve(connection, current)
    except (EOFError, OSError):  # the parent has ended, or closed the connection
        os._exit(0)
    except MemoryError:  # while sending rows; while reading, it becomes a dropped row
        os._exit(OUT_OF_MEMORY)


def _limit_memory(megabytes: int) -> None:
    """Let allocations fail beyond this much memory in addition to the current usage."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere only the parent enforces the limit
        with open("/proc/self/status") as status:  # noqa: PTH123
            used = next(int(line.split()[1]) for line in status if line.startswith("VmData:")) * 1024
        limit = used + megabytes * 1_000_000
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
