"""What this machine can run, and what is missing for the rest."""

import os
import platform
from collections.abc import Iterator
from importlib import metadata

import datagen
from datagen.cluster import hardware
from datagen.engines import bundled
from datagen.engines.vllm import environment
from datagen.report.findings import Finding, in_order, show

GIB = 2**30
BUNDLED_NEEDS = 4 * GIB  # vLLM with the bundled model, its cache and the workers beside it


def diagnose() -> bool:
    """Print the diagnosis; return whether the bundled model can be run here."""
    findings = list(examine())
    show(f"datagen {datagen.__version__}", findings)
    able = in_order(findings)
    print(
        "This machine runs any recipe, the bundled model included."
        if able
        else "Stages without a model run here. For a recipe with one, fix the lines marked ✗, "
        "or name a server with engine: openai."
    )
    return able


def examine() -> Iterator[Finding]:
    """Check the machine, the engine and the bundled model. Loads no engine."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("cores", f"{hardware.cores()} to be used of {os.cpu_count()}")
    memory = hardware.memory()
    yield Finding(
        "memory",
        f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f}",
        memory.available > BUNDLED_NEEDS,
        f"the bundled model needs {BUNDLED_NEEDS // GIB} GiB free",
    )
    gpus = hardware.gpus()
    yield Finding("GPU", ", ".join(gpus) or "none: vLLM runs on the CPU")
    yield from _engine(bool(gpus))
    yield _bundled()


def _engine(gpu: bool) -> Iterator[Finding]:
    wanted = "gpu" if gpu else "cpu"
    for package in ("vllm", "vllm-cpu"):
        if version := _version(package):
            yield Finding("engine", f"{package} {version}", True)
            break
    else:
        fix = "make .venv/ready installs it from the lock" if not gpu else f"pip install 'datagen[{wanted}]'"
        yield Finding("engine", "vLLM is not installed", False, fix)
        return
    if not gpu:
        cores = environment(hardware.core_ids()).get("VLLM_CPU_OMP_THREADS_BIND", "vLLM's own choice")
        yield Finding("engine threads", f"bound to the cores {cores}")


def _bundled() -> Finding:
    folder = bundled.folder_of("bundled")
    if folder.is_dir():
        return Finding("bundled model", f"prepared in {folder}", True)
    if bundled.installed():
        return Finding("bundled model", "installed; prepared on first use", True)
    return Finding("bundled model", "not installed", False, "install the locked packages: make .venv/ready")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
