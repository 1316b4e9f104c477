"""
The process that reads files: what it is told, and what it sends back.

It is given the files of a task and sends their rows as Arrow batches, every 50 milliseconds or megabyte, so
that plain text costs little more than if it were read on the spot. It limits its own memory, and ends with
its parent.
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

from datagen.stages.sources.ingest.convert import SCHEMA, Row, rows
from datagen.stages.sources.ingest.record import File

BEGIN = struct.Struct("<i")  # a message of this size: the file that it begins to read
PLACE = struct.Struct("<ii")  # in shared memory: the file being read, and how many rows were made of it
DONE = b""
OUT_OF_MEMORY = 40  # exit status

BATCH_BYTES, BATCH_SECONDS = 1_000_000, 0.05
IDLE_SECONDS = 60.0  # without a task, after which it ends
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
        The file to begin with, and how many of its rows have been sent before.
    careful
        Send each row as it is made, and say which file is begun: a process died, and it is not known of what.
    redact
        Kinds of personal data and secrets that are replaced.
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
    """Read tasks until there are no more for a while; `current` tells the parent the file being read."""
    while connection.poll(IDLE_SECONDS):
        for message in _messages(connection.recv(), current):
            connection.send_bytes(message)
        connection.send_bytes(DONE)


def _messages(task: Task, current: mmap.mmap) -> Iterator[bytes]:
    batch: list[Row] = []
    size, sent = 0, time.monotonic()
    skip = task.skip
    for number in range(task.first, len(task.files)):
        PLACE.pack_into(current, 0, number, 0)
        if task.careful:
            yield BEGIN.pack(number)
        made = rows(task.files[number], task.redact)
        stop = task.stop if number == len(task.files) - 1 else None
        for count, row in enumerate(islice(made, stop), start=1):
            PLACE.pack_into(current, 0, number, count)
            if skip:
                skip -= 1
                if time.monotonic() - sent > 1:
                    yield BEGIN.pack(number)  # a sign of life
                    sent = time.monotonic()
                continue
            batch.append(row | {"file": number})
            size += len(row.get("text") or "")
            if task.careful or size > BATCH_BYTES or time.monotonic() - sent > BATCH_SECONDS:
                yield _batch(batch)
                batch, size, sent = [], 0, time.monotonic()
        skip = 0
    if batch:
        yield _batch(batch)


def _batch(made: list[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist(made, SCHEMA))
    result: bytes = sink.getvalue().to_pybytes()
    return result


def main() -> None:
    """Serve the parent; the arguments are the memory it may take, the connection and the shared memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    memory, descriptor, shared = map(int, sys.argv[-3:])
    current = mmap.mmap(shared, PLACE.size)
    _limit_memory(memory)
    connection = Connection(descriptor)
    connection.send_bytes(DONE)  # it has started
    try:
        serve(connection, current)
    except (EOFError, OSError):  # the parent is gone, or needs it no more
        os._exit(0)
    except MemoryError:  # while it wrote rows; reading them ends with one row of that reason
        os._exit(OUT_OF_MEMORY)


def _limit_memory(megabytes: int) -> None:
    """Let an allocation fail that would take more than so much on top of what the process has now."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the parent's watch alone holds the limit
        with open("/proc/self/status") as status:  # noqa: PTH123
            own = next(int(line.split()[1]) for line in status if line.startswith("VmData:")) * 1024
        limit = own + megabytes * 1_000_000
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
