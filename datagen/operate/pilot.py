"""
A pilot: the whole recipe on a random sample of its passages.

It runs in a separate folder, ``<recipe>.pilot``, and never becomes a release. The recipe's runs reuse its
answers, and it reuses theirs. `datagen.operate.plan` extrapolates from its result to all passages.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.run.folder import PILOT, Run
from datagen.run.progress import Watcher
from datagen.run.runner import run
from datagen.schema import content_id
from datagen.stage import Context, Outcome, Partitions, WholeStage

NAME = "pilot"  # name of the sampling stage
OUTSIDE = "outside the pilot"
EXCLUDED = ("handoff",)  # stages that publish


class Options(datagen.stage.Options):
    """Size of the sample."""

    passages: int = Field(200, ge=1, description="Number of passages, sampled by hash")


def draw(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Keep a random sample of all passages."""
    seed = str(context.seed)
    ids = [id_ for table in partitions.columns(["id"]) for id_ in table["id"].to_pylist()]
    sampled = set(sorted(ids, key=lambda id_: content_id(NAME, seed, id_))[: options.passages])
    for table in partitions:
        reasons = [None if id_ in sampled else OUTSIDE for id_ in table["id"].to_pylist()]
        yield Outcome.split(table, pa.array(reasons, pa.string()), pa.nulls(len(table), pa.string()))


sample = WholeStage(NAME, "keep a random sample of the passages", "passages", "passages", draw, Options)


def pilot_of(recipe: Recipe, passages: int) -> Recipe:
    """
    Return the recipe of a pilot: the same stages on a sample of the passages, without the hand-off.

    Raises
    ------
    UserError
        If no stage produces anything from passages.
    """
    line = recipe.line()
    consumers = [at for at, (_, stage, _) in enumerate(line) if stage.takes == "passages" != stage.gives]
    if not consumers:
        raise UserError("a pilot needs a stage that produces something from passages, such as instruct")
    stages: dict[str, JsonObject | None] = {}
    for position, (name, stage, _) in enumerate(line):
        if position == consumers[0]:
            stages[NAME] = {"use": f"{__name__}:sample", "passages": passages}
        if stage.name not in EXCLUDED:
            stages[name] = recipe.stages[name]
    changes = {
        "name": f"{recipe.name}{PILOT}",
        "stages": stages,
        "min_rows": {},
        "min_task_rows": {},
        "gates": [],
    }
    return recipe.model_copy(update=changes)


def run_pilot(recipe: Recipe, outputs: Path, passages: int, watcher: Watcher) -> Run:
    """Run a recipe on a sample of its passages."""
    return run(pilot_of(recipe, passages), outputs, watcher)
