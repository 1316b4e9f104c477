"""
Read files in a child process that may crash, hang or take too much memory; then only one file is dropped.

No library for PDF or Office files is safe from hostile files, and a worker that dies loses its partition. So
each worker reads files in a child process, and starts another if that one ends. Which file killed the child
is not certain; it may be an earlier one. So the new child continues after the last received row, one row at a
time, and the file at which it dies again is dropped.
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
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import psutil
import pyarrow as pa

from datagen.request import Reject
from datagen.stages.sources.ingest import child
from datagen.stages.sources.ingest.convert import SCHEMA, dropped
from datagen.stages.sources.ingest.record import File, Limits

POLL_SECONDS = 0.1  # between checks of the child's memory and time
START_SECONDS = 120.0
CRASH_SECONDS = 5.0  # from a broken connection to the end of the process
SMALL_FILE_SECONDS, SECONDS_A_MB = 15.0, 3.0
IDLE_SHARE = 5  # limit of the time in which it neither works nor waits for a processor, by the time limit
KEPT_SHARE = 0.5  # of the memory limit: a child that uses more after a task is ended
START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"


class ChildEnded(Exception):
    """
    A child that was killed or crashed.

    `why` is the reason for the drop; `place` is the file that killed it and the number of its rows so far, or
    None if it may have died of an earlier file.
    """

    def __init__(self, reason: str, detail: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(reason, detail)
        self.why, self.place = Reject(reason, detail), place


class Child:
    """A process that reads files within limits."""

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
        Send it a task and yield its messages.

        Raises
        ------
        ChildEnded
            If it crashed, or was killed for exceeding a limit.
        """
        self._files = task.files
        child.PLACE.pack_into(self._current, 0, task.first, 0)  # overwrites that of the previous task
        try:
            self._connection.send(task)
            while message := self._next():
                yield message
        except (EOFError, OSError) as error:
            raise self._crashed() from error

    @property
    def alive(self) -> bool:
        """Whether its process is running."""
        return self._process.poll() is None

    @property
    def swollen(self) -> bool:
        """Whether it uses so much memory that the next task needs a new child."""
        try:
            return self._rss() > KEPT_SHARE * self.limits.memory_mb * 1e6
        except psutil.Error:
            return True

    def end(self) -> None:
        """Kill it."""
        self._kill()
        self._process.wait()
        self._connection.close()
        self._current.close()

    def _next(self) -> bytes:
        """Wait for a message; kill the child if it takes too long or too much memory."""
        megabytes = self.limits.memory_mb
        worked = last = None
        idle, checked = 0.0, time.monotonic()
        while not self._connection.poll(POLL_SECONDS):
            try:
                rss, now, runnable = self._usage()
            except psutil.Error:
                continue  # it has ended; the connection reports it next
            worked = now if worked is None else worked
            elapsed, checked = time.monotonic() - checked, time.monotonic()
            if now == last and not runnable:  # not merely waiting for a processor
                idle += elapsed
            last = now
            place = child.PLACE.unpack_from(self._current)
            seconds = seconds_for(self._files[place[0]].whole_size, self.limits)
            if now - worked > seconds or idle > IDLE_SHARE * seconds:
                self._kill()
                detail = f"over {seconds:.3g} seconds; see stages.ingest.seconds"
                raise ChildEnded("took too long", detail, place)
            if rss > megabytes * 1e6:
                self._kill()
                raise self._out_of_memory()
        return self._connection.recv_bytes()

    def _out_of_memory(self) -> ChildEnded:
        return ChildEnded("out of memory", f"over {self.limits.memory_mb} MB; see stages.ingest.memory_mb")

    def _usage(self) -> tuple[int, float, bool]:
        """Return memory in bytes, processor time in seconds, and whether it runs: with its programs."""
        mine = self._process_info
        rss, seconds = self._rss(), sum(mine.cpu_times()[:4])  # with the programs that have ended
        runs = mine.status() == psutil.STATUS_RUNNING
        for program in [] if runs else self._programs():
            rss += program.memory_info().rss
            seconds += sum(program.cpu_times()[:2])
            runs = runs or program.status() == psutil.STATUS_RUNNING
        return rss, seconds, runs

    def _programs(self) -> list[psutil.Process]:
        """Find the programs that it runs and waits for, such as pandoc."""
        try:
            return list(self._process_info.children(recursive=True))
        except psutil.Error:
            return []

    def _kill(self) -> None:
        programs = self._programs()
        self._process.kill()
        for program in programs:
            with suppress(psutil.Error):
                program.kill()

    def _rss(self) -> int:
        return int(self._process_info.memory_info().rss)

    def _crashed(self) -> ChildEnded:
        try:
            status = self._process.wait(CRASH_SECONDS)  # it may still be ending
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status == child.OUT_OF_MEMORY:
            return self._out_of_memory()
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return ChildEnded("reader crashed", f"the process that read it ended with {name}")


def seconds_for(size: int, limits: Limits) -> float:
    """
    Return the time limit for a file by its size in bytes.

    Only large files get the full limit: a small file that takes long is damaged or hostile.
    """
    return min(limits.seconds, SMALL_FILE_SECONDS + SECONDS_A_MB * size / 1e6)


_idle: list[Child] = []
_lock = threading.Lock()  # a worker may have several threads


@atexit.register
def end_children() -> None:
    """End the idle children of this process."""
    while _idle:
        _idle.pop().end()


def _idle_child(limits: Limits) -> Child | None:
    """Take an idle child with these limits; discard those that have ended, such as by the OOM killer."""
    with _lock:
        for reader in [idle for idle in _idle if idle.limits == limits]:
            _idle.remove(reader)
            if reader.alive:
                return reader
            reader.end()
    return None


@contextmanager
def _child(limits: Limits) -> Iterator[Child]:
    """Lend a child; end it afterwards if it did not complete its task or uses too much memory."""
    reader = _idle_child(limits) or Child(limits)
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
    Read files in order and redact these kinds of values; each file gives at least one row.

    Returns
    -------
    batches of `datagen.stages.sources.ingest.convert.SCHEMA`
    """
    first = skip = 0
    careful = False
    slow: dict[int, tuple[Reject, int]] = {}  # file that takes too long -> reason, and its rows until then
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
                number, rows = ended.place
                slow[number] = (ended.why, min(rows, slow.get(number, (None, rows))[1]))
                continue
            if careful:
                yield _lost(files, begun, ended.why)
                first, skip = begun + 1, 0
            careful = not careful


def _lost(files: Sequence[File], number: int, why: Reject) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dropped(files[number], why) | {"file": number}], SCHEMA)
