"""What this machine can run, and what is missing for the rest."""

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

import rich.console
from rich.table import Table

import datagen
from datagen.cluster import hardware
from datagen.engines import bundled
from datagen.engines.vllm import environment
from datagen.recipe.model import Recipe
from datagen.recipe.profiles import read_profile
from datagen.recipe.sections import ScriptedModel

GIB = 2**30
# Names of models that reason before each answer.
REASONS = re.compile(
    r"\b(?:r1|qwq|qwen-?3|o\d|gpt-oss|magistral|thinking|reasoner|reasoning)\b", re.IGNORECASE
)
BUNDLED_NEEDS = 4 * GIB  # vLLM with the bundled model, its cache and the workers beside it


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis. `ok` is None for what is merely said."""

    what: str
    found: str
    ok: bool | None = None
    fix: str = ""


def diagnose(recipe: Recipe | None = None) -> bool:
    """Print the diagnosis and a recipe's profiles; tell whether the bundled model can run here."""
    findings = [*examine(), *(_profiles(recipe) if recipe else ())]
    table = Table(title=f"datagen {datagen.__version__}", title_justify="left", show_header=False)
    for finding in findings:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[finding.ok]
        fix = f"\n[yellow]{finding.fix}[/]" if finding.fix and finding.ok is False else ""
        table.add_row(mark, finding.what, finding.found + fix)
    out = rich.console.Console(highlight=False)
    out.print(table)
    able = all(finding.ok is not False for finding in findings)
    out.print(
        "This machine runs any recipe, the bundled model included."
        if able
        else "Stages without a model run here. For a recipe with one, mend the lines marked ✗, "
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
        f"the bundled model wants {BUNDLED_NEEDS // GIB} GiB free",
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
        return Finding("bundled model", "installed; it is prepared when it is first used", True)
    return Finding("bundled model", "not installed", False, "install the lock: make .venv/ready")


def _profiles(recipe: Recipe) -> Iterator[Finding]:
    """Say which profile each role's model has, and whether its reasoning will leave room for answers."""
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
