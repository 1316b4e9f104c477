"""What this machine has: cores, memory, accelerators."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil


def core_ids() -> list[int]:
    """List the cores that this process may use: its CPU affinity, not all that the machine has."""
    return sorted(os.sched_getaffinity(0))


def cores() -> int:
    """Count the cores that this process may use."""
    return len(core_ids())


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory."""

    total: int
    available: int


def memory() -> Memory:
    """Ask the operating system for the main memory."""
    now = psutil.virtual_memory()
    return Memory(now.total, now.available)


def gpus() -> list[str]:
    """List the NVIDIA GPUs by name, from the driver's own files: no CUDA library is loaded."""
    names = []
    for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in card.read_text().splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names
