"""Peak memory of a command and all its processes, for the benchmarks that measure it."""

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

INTERVAL = 0.1  # seconds between two samples


@dataclass(frozen=True)
class Finished:
    """A command that has ended, and its peaks in MiB: all processes together, and the largest of them."""

    output: str
    peak_mib: int
    largest_mib: int


@dataclass
class Memory:
    """Samples the memory of a process and its children while they run."""

    process: psutil.Process
    peak: int = 0
    largest: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample until `stop` is called or the process ends."""
        while not self._done.wait(INTERVAL):
            try:
                family = [self.process, *self.process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            sizes = [_pss(process) for process in family]
            self.peak, self.largest = max(self.peak, sum(sizes)), max(self.largest, *sizes)

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()


def run_measured(command: Sequence[str]) -> Finished:
    """
    Run a command to its end.

    Raises
    ------
    SystemExit
        If the command fails, with the end of its output.
    """
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory = Memory(psutil.Process(child.pid))
    watching = threading.Thread(target=memory.watch)
    watching.start()
    output, errors = child.communicate()
    memory.stop()
    watching.join()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output[-2000:]}\n{errors[-4000:]}")
    return Finished(output, memory.peak // 2**20, memory.largest // 2**20)


def _pss(process: psutil.Process) -> int:
    """Memory of a process in bytes, shared pages divided among the processes that share them."""
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:  # the process has ended
        return 0
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
