"""
Reads files in a child process that may crash, hang or take too much memory: then only one file is dropped.

No library that reads PDF or Office files is safe from a hostile one, and a worker that dies takes its
partition with it. So each worker has a child for it, and another when that one is killed. What the child was
at when it ended is not known for sure, and it may have died of what it had read before: so a new one goes on
from the last row that came, one row at a time, and the file at which it ends again is dropped.
"""

import atexit
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import psutil
import pyarrow as pa

from datagen.request import Reject
from datagen.stages.sources.ingest import child
from datagen.stages.sources.ingest.convert import SCHEMA, dropped
from datagen.stages.sources.ingest.record import File, Limits

POLL_SECONDS = 0.1  # between looks at the child's memory and time
START_SECONDS = 120.0
CRASH_SECONDS = 5.0  # from a broken connection to the end of the process
SMALL_FILE_SECONDS, SECONDS_A_MB = 15.0, 3.0
IDLE_SHARE = 5  # times the limit of time, by the clock: what waits for the disk or a busy machine is no hang
KEPT_SHARE = 0.5  # of the memory limit: a child that holds more after a task is ended
START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"


class ChildEnded(Exception):
    """
    A child that was killed or crashed.

    `why` is the reason to drop what it died of; `place` is the file that it died of and how many rows were
    made of that, None where it may have died of a file before.
    """

    def __init__(self, reason: str, detail: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(reason, detail)
        self.why, self.place = Reject(reason, detail), place


class Child:
    """A process that reads files, and what it may take."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._files: Sequence[File] = ()
        ours, theirs = Pipe()
        with tempfile.TemporaryFile() as shared:
            shared.truncate(child.PLACE.size)
            self._current = mmap.mmap(shared.fileno(), child.PLACE.size)
            self._start(ours, theirs, shared.fileno())

    def _start(self, ours: Connection, theirs: Connection, shared: int) -> None:
        limits = self.limits
        command = [sys.executable, "-c", START.format(child.__name__), json.dumps(sys.path)]
        self._process = subprocess.Popen(
            [*command, str(limits.memory_mb), str(theirs.fileno()), str(shared)],
            pass_fds=[theirs.fileno(), shared],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
        )
        theirs.close()
        self._connection = ours
        if not ours.poll(START_SECONDS):
            self.end()
            raise RuntimeError(f"the process that reads files did not start: {' '.join(command[:2])} ...")
        ours.recv_bytes()
        self._process_info = psutil.Process(self._process.pid)

    def work(self, task: child.Task) -> Iterator[bytes]:
        """
        Give it a task and yield its messages.

        Raises
        ------
        ChildEnded
            When it crashed, or had to be killed.
        """
        self._files = task.files
        child.PLACE.pack_into(self._current, 0, task.first, 0)  # not the place of the task before
        try:
            self._connection.send(task)
            while message := self._next():
                yield message
        except (EOFError, OSError) as error:
            raise self._crashed() from error

    @property
    def swollen(self) -> bool:
        """Whether it holds so much memory that another one should do the next task."""
        try:
            return self._rss() > KEPT_SHARE * self.limits.memory_mb * 1e6
        except psutil.Error:
            return True

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._current.close()

    def _next(self) -> bytes:
        """Wait for a message; kill the child when it takes too long for it, or too much memory."""
        megabytes = self.limits.memory_mb
        started, worked = time.monotonic(), None
        while not self._connection.poll(POLL_SECONDS):
            try:
                rss, now = self._rss(), sum(self._process_info.cpu_times()[:2])
            except psutil.Error:
                continue  # it has ended, which the connection tells next
            worked = now if worked is None else worked
            place = child.PLACE.unpack_from(self._current)
            seconds = seconds_for(self._files[place[0]].size, self.limits)
            if now - worked > seconds or time.monotonic() - started > IDLE_SHARE * seconds:
                self._process.kill()
                limited = f"over {seconds:.3g} seconds; see stages.ingest.seconds"
                raise ChildEnded("took too long", limited, place)
            if rss > megabytes * 1e6:
                self._process.kill()
                raise self._out_of_memory()
        return self._connection.recv_bytes()

    def _out_of_memory(self) -> ChildEnded:
        return ChildEnded("out of memory", f"over {self.limits.memory_mb} MB; see stages.ingest.memory_mb")

    def _rss(self) -> int:
        return int(self._process_info.memory_info().rss)

    def _crashed(self) -> ChildEnded:
        try:
            status = self._process.wait(CRASH_SECONDS)  # it may not have ended quite
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status == child.OUT_OF_MEMORY:
            return self._out_of_memory()
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return ChildEnded("reader crashed", f"the process that read it ended with {name}")


def seconds_for(size: int, limits: Limits) -> float:
    """
    Give the processor time for a file of so many bytes.

    All of it is for large files: a small one that takes long is damaged or hostile.
    """
    return min(limits.seconds, SMALL_FILE_SECONDS + SECONDS_A_MB * size / 1e6)


_idle: list[Child] = []
_lock = threading.Lock()  # a worker may have several threads


@atexit.register
def end_children() -> None:
    """End the idle children of this process."""
    while _idle:
        _idle.pop().end()


@contextmanager
def _child(limits: Limits) -> Iterator[Child]:
    """Lend a child; one that did not come to the end of its task, or grew, is ended."""
    with _lock:
        reader = next((idle for idle in _idle if idle.limits == limits), None)
        if reader:
            _idle.remove(reader)
    reader = reader or Child(limits)
    try:
        yield reader
    except BaseException:
        reader.end()
        raise
    if reader.swollen:
        reader.end()
    else:
        _idle.append(reader)


def read_files(files: Sequence[File], limits: Limits, redact: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """
    Read files in order, each of which leaves at least one row, with the given kinds of values redacted.

    Returns
    -------
    batches of `datagen.stages.sources.ingest.convert.SCHEMA`
    """
    first = skip = 0
    careful = False
    slow: dict[int, tuple[Reject, int]] = {}  # file that takes too long -> why, and the rows before that
    while first < len(files):
        last_file = min((number for number in slow if number >= first), default=None)
        end, stop = (len(files), None) if last_file is None else (last_file + 1, slow[last_file][1])
        begun = first
        try:
            with _child(limits) as reader:
                for message in reader.work(child.Task(files[:end], first, skip, careful, redact, stop)):
                    if len(message) == child.BEGIN.size:
                        (begun,) = child.BEGIN.unpack(message)
                        continue
                    batch = pa.ipc.open_stream(message).read_next_batch()
                    last = batch["file"][-1].as_py()
                    same = sum(batch["file"].to_numpy() == last)
                    first, skip = last, int(same) + (skip if last == first else 0)
                    begun = max(begun, last)
                    yield batch
            if last_file is not None:
                yield _lost(files, last_file, slow[last_file][0])
            first, skip = end, 0
        except ChildEnded as ended:
            if ended.place is not None:
                number, made = ended.place
                slow[number] = (ended.why, min(made, slow.get(number, (None, made))[1]))
                continue
            if careful:
                yield _lost(files, begun, ended.why)
                first, skip = begun + 1, 0
            careful = not careful


def _lost(files: Sequence[File], number: int, why: Reject) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dropped(files[number], why) | {"file": number}], SCHEMA)
