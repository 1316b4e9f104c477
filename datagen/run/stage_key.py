"""
The key of a stage: a hash of everything that its result depends on.

It includes, by content, the code, the options and the files that they name, the tables that the stage reads,
and for a model stage, the model. Paths and dates of files are not included.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath

from datagen.recipe.model import Recipe
from datagen.recipe.registry import BUILT_IN, installed_stages
from datagen.recipe.wiring import tables_before, wire
from datagen.request import Identity
from datagen.run.content import code, named_content, own_code, prompts_content
from datagen.schema import content_id
from datagen.stage import Context, MapStage, ModelStage, Options, SourceStage, Stage
from datagen.store.parquet import PARTS
from datagen.store.record import StageRecord

SEES_TABLES = {stage.import_string for stage in BUILT_IN if not stage.sees_run}


@dataclass(frozen=True)
class Step:
    """
    A stage that is due.

    Parameters
    ----------
    name, stage, options, context
        As in the recipe.
    reads
        Records of the stages whose tables it takes.
    before
        Records of all stages before it.
    """

    name: str
    stage: Stage
    options: Options
    context: Context
    reads: Sequence[StageRecord]
    before: Sequence[StageRecord]


def step_of(
    recipe: Recipe,
    name: str,
    run_folder: Path,
    models: Mapping[str, Identity],
    records: Mapping[str, StageRecord],
) -> Step:
    """
    Collect what the key and the context of a stage depend on.

    Parameters
    ----------
    recipe, name
        The recipe, and the stage's name in it.
    run_folder
        The folder of the run.
    models
        Role -> model.
    records
        Stage -> record, of the stages before it.
    """
    stage, options = recipe.step(name)
    reads = [records[source] for source in wire(_steps(recipe))[name]]
    return Step(
        name, stage, options, context_of(recipe, name, run_folder, models), reads, list(records.values())
    )


def context_of(recipe: Recipe, name: str, run_folder: Path, models: Mapping[str, Identity]) -> Context:
    """Return the context that a stage runs in; the parameters are those of `step_of`."""
    stage, _ = recipe.step(name)
    tables = {
        kind: [run_folder / "stages" / other for other in names]
        for kind, names in tables_before(_steps(recipe))[name].items()
    }
    context = replace(recipe.context(name, run_folder), tables=tables)
    return replace(context, model=models[stage.role]) if isinstance(stage, ModelStage) else context


def _steps(recipe: Recipe) -> list[tuple[str, str, str]]:
    return [(name, stage.takes, stage.gives) for name, stage, _ in recipe.line()]


def sees_only_its_tables(recipe: Recipe, name: str) -> bool:
    """Check whether a stage is a built-in one that reads nothing of the run except its tables."""
    return _place(recipe, name) in SEES_TABLES


def _place(recipe: Recipe, name: str) -> str:
    """Return the import string of a stage."""
    use = str((recipe.stages[name] or {}).get("use", name))
    return installed_stages().get(use, use)


def outside(recipe: Recipe, name: str) -> str:
    """Hash the files that a stage may read at any time: own code, prompts, and files that options name."""
    stage, options = recipe.step(name)
    return content_id(
        own_code(_place(recipe, name), recipe.folder),
        named_content(options.model_dump(mode="json"), recipe.folder),
        "" if isinstance(stage, SourceStage) else prompts_content(recipe.prompt_folder),
    )


def key_of(step: Step, recipe: Recipe, models: Mapping[str, Identity]) -> str:
    """Hash the dependencies of a stage's result; "" if they are unknown."""
    stage, options, context = step.stage, step.options.model_dump(mode="json"), step.context
    place = _place(recipe, step.name)
    parts = [code(), outside(recipe, step.name), step.name, _json(options)]
    parts += [str(recipe.seed), _json(recipe.lists)]
    if isinstance(stage, SourceStage):
        if stage.digest is None:
            return ""
        parts += [stage.digest(step.options, context), str(context.partition_bytes)]
    else:
        parts.append(_json(list(stage.kinds)))
        parts += [_json(tables_of(record)) for record in step.reads]
        for kind, folders in sorted(context.tables.items()):
            names = [folder.name for folder in folders]
            parts += [kind, *(_json(tables_of(record)) for record in step.before if record["stage"] in names)]
    if isinstance(stage, ModelStage):
        parts += [stage.role, context.model.name, context.model.revision]
    if place not in SEES_TABLES and not isinstance(stage, SourceStage):
        parts += [
            recipe.model_dump_json(
                exclude={
                    "budget",
                    "prices",
                    "min_rows",
                    "min_task_rows",
                    "gates",
                    "cluster",
                    "models",
                }
            )
        ]
        parts += [_json({role: asdict(identity) for role, identity in models.items()})]
        parts += [_json([record["stage"], record.get("files")]) for record in step.before]
    if not isinstance(stage, ModelStage | MapStage | SourceStage) and stage.digest is not None:
        parts.append(stage.digest(step.options, context))
    return content_id(*parts)


def tables_of(record: StageRecord) -> list[list[str]]:
    """List the partitions of a stage's table with their digests."""
    return sorted(
        [name, digest]
        for name, digest in record.get("files", {}).items()
        if "/" not in name and PurePath(name).match(PARTS)
    )


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
