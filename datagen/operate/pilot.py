"""
A pilot: the whole recipe on a random sample of its passages.

It runs in a folder of its own beside the recipe's runs, ``<recipe>.pilot``, and never becomes a release. The
recipe's runs take over its answers, and it takes over theirs. What it makes of the sample tells what a run
will make of all passages (`datagen.operate.plan`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.run.folder import PILOT, Run
from datagen.run.progress import Watcher
from datagen.run.runner import run
from datagen.schema import content_id
from datagen.stage import Context, Outcome, Partitions, WholeStage

NAME = "pilot"  # of the stage that draws the sample
OUTSIDE = "outside the pilot"
LEFT_OUT = ("handoff",)  # stages that publish


class Options(datagen.stage.Options):
    """How large the sample is."""

    passages: int = Field(200, ge=1, description="Passages that are drawn by hash")


def draw(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Keep a random sample of all passages."""
    seed = str(context.seed)
    ids = [name for table in partitions.columns(["id"]) for name in table["id"].to_pylist()]
    chosen = set(sorted(ids, key=lambda name: content_id(NAME, seed, name))[: options.passages])
    for table in partitions:
        reasons = [None if name in chosen else OUTSIDE for name in table["id"].to_pylist()]
        yield Outcome.split(table, pa.array(reasons, pa.string()), pa.nulls(len(table), pa.string()))


sample = WholeStage(NAME, "keep a random sample of the passages", "passages", "passages", draw, Options)


def pilot_of(recipe: Recipe, passages: int) -> Recipe:
    """
    Write the recipe of a pilot: the same stages on a sample of the passages, without the hand-off.

    Raises
    ------
    UserError
        When no stage makes anything of passages.
    """
    line = recipe.line()
    users = [at for at, (_, stage, _) in enumerate(line) if stage.takes == "passages" != stage.gives]
    if not users:
        raise UserError("a pilot needs a stage that makes something of passages, such as instruct")
    stages: dict[str, dict[str, Any] | None] = {}
    for at, (name, stage, _) in enumerate(line):
        if at == users[0]:
            stages[NAME] = {"use": f"{__name__}:sample", "passages": passages}
        if stage.name not in LEFT_OUT:
            stages[name] = recipe.stages[name]
    changed = {"name": f"{recipe.name}{PILOT}", "stages": stages, "min_rows": {}, "gates": []}
    return recipe.model_copy(update=changed)


def run_pilot(recipe: Recipe, outputs: Path, passages: int, watcher: Watcher) -> Run:
    """Run a recipe on a sample of its passages."""
    return run(pilot_of(recipe, passages), outputs, watcher)
