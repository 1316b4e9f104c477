"""What this machine can run, and what is missing for the rest."""

import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata

import datagen
from datagen.cluster import hardware
from datagen.engines import bundled
from datagen.engines.vllm import environment
from datagen.recipe.model import Recipe
from datagen.recipe.profiles import read_profile
from datagen.recipe.sections import ScriptedModel
from datagen.report.findings import Finding, in_order, show

GIB = 2**30
# Names of models that reason before each answer.
REASONS = re.compile(
    r"\b(?:r1|qwq|qwen-?3|o\d|gpt-oss|magistral|thinking|reasoner|reasoning)\b", re.IGNORECASE
)
BUNDLED_NEEDS = 4 * GIB  # vLLM with the bundled model, its cache and the workers beside it


def diagnose(recipe: Recipe | None = None) -> bool:
    """Print the diagnosis and a recipe's profiles; return whether the bundled model can be run here."""
    findings = list(examine(recipe))
    show(f"datagen {datagen.__version__}", findings)
    able = in_order(findings)
    print(
        "This machine runs any recipe, the bundled model included."
        if able
        else "Stages without a model run here. For a recipe with one, fix the lines marked ✗, "
        "or name a server with engine: openai."
    )
    return able


def examine(recipe: Recipe | None = None) -> Iterator[Finding]:
    """Check the machine, the engine, the bundled model, and a recipe's models. Loads no engine."""
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
    if recipe:
        yield from _profiles(recipe)


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


def _profiles(recipe: Recipe) -> Iterator[Finding]:
    """Report the profile of each role's model, and whether its reasoning leaves room for answers."""
    for role in recipe.models.roles:
        choice, model = recipe.profile(role), recipe.models.role(role)
        told = read_profile(choice.name, recipe.prompt_folder)
        yield Finding(f"profile of {role}", f"{choice.name} ({choice.why}): {told.summary}")
        if not isinstance(model, ScriptedModel) and model.thinking is None and REASONS.search(model.model):
            yield Finding(
                f"reasoning of {role}",
                f"{model.model} seems to reason before it answers, within max_tokens",
                False,
                f"set models.{role}.thinking: off, or the tokens that it may think",
            )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
