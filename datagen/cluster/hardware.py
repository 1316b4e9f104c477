"""Cores, memory and accelerators of this machine."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil


def core_ids() -> list[int]:
    """List the cores that this process may use (its CPU affinity)."""
    return sorted(os.sched_getaffinity(0))


def cores() -> int:
    """Count the cores that this process may use."""
    return len(core_ids())


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory."""

    total: int
    available: int


# Memory limit and usage of a container, in control groups version 2 and 1.
LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def memory() -> Memory:
    """Return the main memory, or the container's share of it."""
    now = psutil.virtual_memory()
    for limit, usage in LIMITS:
        try:
            allowed, used = int(Path(limit).read_text()), int(Path(usage).read_text())
        except (OSError, ValueError):  # another version, or "max": no limit
            continue
        if allowed < now.total:
            return Memory(allowed, max(0, min(now.available, allowed - used)))
    return Memory(now.total, now.available)


BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # in the flags of x86 and the features of ARM


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """
    Check whether the processor multiplies matrices in bfloat16.

    Other processors emulate it: with AVX2 only, single precision is three to six times as fast.
    """
    for line in cpuinfo.read_text().splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return not BFLOAT16.isdisjoint(flags.split())
    return False


def gpus() -> list[str]:
    """List the NVIDIA GPUs by name, from the driver's files, without loading a CUDA library."""
    names = []
    for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in card.read_text().splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names
