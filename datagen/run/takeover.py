"""
Take over a complete stage of an earlier run if none of its dependencies has changed.

The *key* of a stage hashes its dependencies by content: the code, the options and the files that they name,
the tables that the stage reads, and for a model stage, the model. Paths and dates of files are not included.
A stage with the same key as a complete stage of an earlier run is not run again: its files are linked, their
digests are compared with the recorded ones, and the folder is renamed as a whole.

A model stage is taken over only if every request has an answer. A stage with rejected requests is taken over
while the engine and its settings are the same, but not for a server, which may have been fixed.
"""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath

from datagen.engines.identity import circumstances
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.registry import BUILT_IN, installed_stages
from datagen.recipe.roles import OpenAIModel
from datagen.recipe.wiring import tables_before, wire
from datagen.request import Identity, Usage
from datagen.run.content import code, named_content, own_code, prompts_content
from datagen.run.folder import Run, related_runs
from datagen.schema import content_id
from datagen.stage import Context, MapStage, ModelStage, Options, SourceStage, Stage
from datagen.store.digests import Each, differences, is_sealed, sealed
from datagen.store.parquet import PARTS, RECORD, UNFINISHED, Damaged, finish_folder, link, write_json
from datagen.store.record import StageRecord

LAST = "~"  # sorts behind the names of runs
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


def may_stay(step: Step, earlier: Iterable[Run]) -> bool:
    """
    Check whether a stage that must be run again may give the same table as in an earlier run.

    That is possible if it read the same tables there. Then later stages may be taken over, which is known
    only when it is complete.
    """
    tables = [_tables(record) for record in step.reads]
    return any(
        _record(run, step.name)
        and [_tables(_record(run, record["stage"])) for record in step.reads] == tables
        for run in earlier
    )


def foresee(recipe: Recipe, home: Path, models: Mapping[str, Identity]) -> dict[str, str]:
    """
    Predict for each stage from which run it would be taken over.

    Returns
    -------
    Stage -> name of the run; "" if it would be run again. After such a stage, stages may be taken over
    although "" is predicted: those that read its table are, if the table is the same again.
    """
    earlier = related_runs(home)[::-1]
    sources: dict[str, str] = {}
    records: dict[str, StageRecord] = {}
    sure = True
    for name in recipe.stages:
        chosen: tuple[Run, StageRecord] | None = None
        if sure:
            step = step_of(recipe, name, home / LAST, models, records)
            if key := key_of(step, recipe, models):
                candidates = [(run, _record(run, name)) for run in earlier]
                fit = (
                    (run, record)
                    for run, record in candidates
                    if record.get("key") == key and _answered(record, step, False)
                )
                chosen = next(fit, None)
        sources[name] = chosen[0].folder.name if chosen else ""
        sure = chosen is not None
        records[name] = chosen[1] if chosen else {}
    return sources


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
        parts += [_json(_tables(record)) for record in step.reads]
        for kind, folders in sorted(context.tables.items()):
            names = [folder.name for folder in folders]
            parts += [kind, *(_json(_tables(record)) for record in step.before if record["stage"] in names)]
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


def take_over(
    step: Step, key: str, earlier: Iterable[Run], target: Path, each: Each, retry_errors: bool = False
) -> StageRecord | None:
    """
    Take over the newest intact stage with this key.

    Parameters
    ----------
    step, key
        The stage that is due.
    earlier
        Runs of the recipe, the newest first.
    target
        Final path of its folder.
    each
        Calls a function for each path.
    retry_errors
        Whether to retry rejected requests.

    Returns
    -------
    The record of the stage; None if no earlier run has it.
    """
    if not key:
        return None
    for run in earlier:
        record = _record(run, step.name)
        if record.get("key") != key or not _answered(record, step, retry_errors):
            continue
        started = time.monotonic()
        source, unfinished = run.stage_folder(step.name), target.with_name(UNFINISHED + step.name)
        try:
            for name in record["files"]:
                link(source / name, unfinished / name)
            if not differences(unfinished, record["files"], each):
                stage_take_over = getattr(step.stage, "take_over", None)
                if stage_take_over is not None:
                    stage_take_over(run.folder, step.options, replace(step.context, output=unfinished))
                record = _taken_over(record, run, time.monotonic() - started)
                write_json(record, unfinished / RECORD)
                finish_folder(unfinished, target)
                return record
        except (FileNotFoundError, Damaged):
            pass
        shutil.rmtree(unfinished, ignore_errors=True)
    return None


def _record(run: Run, name: str) -> StageRecord:
    """Read the record of a stage; {} if there is no intact one."""
    try:
        record = run.stage_record(name)
    except UserError:
        return {}
    intact = record is not None and is_sealed(record) and isinstance(record.get("files"), dict)
    return record if record is not None and intact else {}


def _answered(record: StageRecord, step: Step, retry_errors: bool) -> bool:
    """Check whether running the stage again would send no request."""
    if not isinstance(step.stage, ModelStage):
        return True
    requests = record.get("requests", {})
    if requests.get("failed") or record.get("damage"):
        return False
    if not requests.get("rejected"):
        return True
    model = step.context.models.role(step.stage.role)
    same = record.get("circumstances") == circumstances(model)
    return same and not retry_errors and not isinstance(model, OpenAIModel)


def _taken_over(record: StageRecord, run: Run, seconds: float) -> StageRecord:
    """Return the record of a stage that was taken over: the same, but with nothing spent."""
    record = {**record, "taken_over": run.folder.name, "seconds": round(seconds, 3)}
    if "requests" in record:
        spent = asdict(Usage()) | {"reused": record["requests"]["asked"]}
        record["requests"] = {**record["requests"], **spent}
    return sealed(record)


def _tables(record: StageRecord) -> list[list[str]]:
    """List the partitions of a stage's table with their digests."""
    return sorted(
        [name, digest]
        for name, digest in record.get("files", {}).items()
        if "/" not in name and PurePath(name).match(PARTS)
    )


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
