"""
Taking over a complete stage of an earlier run, when nothing that its result depends on has changed.

The *key* of a stage hashes all of that by content: the code, the options and the files that they name, the
tables that the stage reads, and for a stage that asks, the model. Paths and dates of files are not part of
it. A stage with the key of a complete stage of an earlier run is not made again: its files are linked, their
digests compared with those written when it was made, and the folder takes its name as a whole.

A stage that asked a model is taken over only when every request has its answer. One with rejected requests
is taken over while the server and its settings are the same, unless the server may have been fixed.
"""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from datagen.engines.identity import circumstances
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.registry import BUILT_IN, installed_stages
from datagen.recipe.sections import OpenAIModel
from datagen.recipe.wiring import tables_before, wire
from datagen.request import Identity, Usage
from datagen.run.content import code, named_content, own_code
from datagen.run.folder import Run, related_runs
from datagen.schema import content_id
from datagen.stage import Context, MapStage, ModelStage, Options, SourceStage, Stage
from datagen.store.completions import link
from datagen.store.digests import Each, differences, is_sealed, sealed
from datagen.store.parquet import PARTS, RECORD, UNFINISHED, Damaged, finish_folder, write_json

Record = dict[str, Any]
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
    reads: Sequence[Record]
    before: Sequence[Record]


def step_of(
    recipe: Recipe,
    name: str,
    run_folder: Path,
    models: Mapping[str, Identity],
    records: Mapping[str, Record],
) -> Step:
    """
    Describe a stage that is due.

    Parameters
    ----------
    recipe, name
        The recipe, and the stage's name in it.
    run_folder
        The folder of the run that it is due in.
    models
        Role -> model.
    records
        Stage -> record of the stages before it.
    """
    stage, options = recipe.step(name)
    reads = [records[source] for source in wire(_steps(recipe))[name]]
    return Step(
        name, stage, options, context_of(recipe, name, run_folder, models), reads, list(records.values())
    )


def context_of(recipe: Recipe, name: str, run_folder: Path, models: Mapping[str, Identity]) -> Context:
    """Return the context that a stage runs in; the parameters are those of `step_of`."""
    stage, _ = recipe.step(name)
    there = {
        kind: [run_folder / "stages" / other for other in names]
        for kind, names in tables_before(_steps(recipe))[name].items()
    }
    context = replace(recipe.context(name, run_folder), tables=there)
    return replace(context, model=models[stage.role]) if isinstance(stage, ModelStage) else context


def _steps(recipe: Recipe) -> list[tuple[str, str, str]]:
    return [(name, stage.takes, stage.gives) for name, stage, _ in recipe.line()]


def sees_only_its_tables(recipe: Recipe, name: str) -> bool:
    """Tell whether a stage is one of datagen's that look at nothing of the run but their tables."""
    return _place(recipe, name) in SEES_TABLES


def _place(recipe: Recipe, name: str) -> str:
    """Return the import string of a stage."""
    use = str((recipe.stages[name] or {}).get("use", name))
    return installed_stages().get(use, use)


def may_stay(step: Step, earlier: Iterable[Run]) -> bool:
    """
    Tell whether a stage that is made again may give the same table as in an earlier run.

    That is possible when it read the same tables there. What follows it may then be taken over, which is
    known only when it is complete.
    """
    tables = [_tables(record) for record in step.reads]
    return any(
        _record(run, step.name)
        and [_tables(_record(run, record["stage"])) for record in step.reads] == tables
        for run in earlier
    )


def foresee(recipe: Recipe, home: Path, models: Mapping[str, Identity]) -> dict[str, str]:
    """
    Tell of each stage from which run it would be taken over.

    Returns
    -------
    Stage -> name of the run; "" where it would be made again. Behind such a stage nothing is certain: what
    reads its table is taken over after all when the table comes out the same.
    """
    earlier = related_runs(home)[::-1]
    found: dict[str, str] = {}
    records: dict[str, Record] = {}
    sure = True
    for name in recipe.stages:
        chosen: tuple[Run, Record] | None = None
        if sure:
            step = step_of(recipe, name, home / LAST, models, records)
            if key := key_of(step, recipe, models):
                known = [(run, _record(run, name)) for run in earlier]
                fit = (
                    pair for pair in known if pair[1].get("key") == key and _answered(pair[1], step, False)
                )
                chosen = next(fit, None)
        found[name] = chosen[0].folder.name if chosen else ""
        sure = chosen is not None
        records[name] = chosen[1] if chosen else {}
    return found


def key_of(step: Step, recipe: Recipe, models: Mapping[str, Identity]) -> str:
    """Hash what the result of a stage depends on; "" when that cannot be told."""
    stage, options, context = step.stage, step.options.model_dump(mode="json"), step.context
    place = _place(recipe, step.name)
    parts = [code(), own_code(place, recipe.folder), step.name, _json(options)]
    parts += [named_content(options, recipe.folder), str(recipe.seed), _json(recipe.lists)]
    if isinstance(stage, SourceStage):
        if stage.digest is None:
            return ""
        parts += [stage.digest(step.options, context), str(context.partition_bytes)]
    else:
        parts += [_prompts(recipe), _json(list(stage.kinds))]
        parts += [_json(_tables(record)) for record in step.reads]
        for kind, folders in sorted(context.tables.items()):
            names = [folder.name for folder in folders]
            parts += [kind, *(_json(_tables(record)) for record in step.before if record["stage"] in names)]
    if isinstance(stage, ModelStage):
        parts += [stage.role, context.model.name, context.model.revision]
    if place not in SEES_TABLES and not isinstance(stage, SourceStage):
        parts += [recipe.model_dump_json(exclude={"budget", "min_rows", "gates", "cluster", "models"})]
        parts += [_json({role: asdict(who) for role, who in models.items()})]
        parts += [_json([record["stage"], record.get("files")]) for record in step.before]
    if not isinstance(stage, ModelStage | MapStage | SourceStage) and stage.digest is not None:
        parts.append(stage.digest(step.options, context))
    return content_id(*parts)


def take_over(
    step: Step, key: str, earlier: Iterable[Run], target: Path, each: Each, retry_errors: bool = False
) -> Record | None:
    """
    Take over the newest sound stage with this key.

    Parameters
    ----------
    step, key
        The stage that is due.
    earlier
        Runs of the recipe, the newest first.
    target
        Where its folder is to be.
    each
        Calls a function for each path.
    retry_errors
        Whether rejected requests are to be asked again.

    Returns
    -------
    The record of the stage, None when no earlier run has it.
    """
    if not key:
        return None
    for run in earlier:
        record = _record(run, step.name)
        if record.get("key") != key or not _answered(record, step, retry_errors):
            continue
        started = time.monotonic()
        source, beside = run.stage_folder(step.name), target.with_name(UNFINISHED + step.name)
        try:
            for name in record["files"]:
                link(source / name, beside / name)
            if not differences(beside, record["files"], each):
                bring_along = getattr(step.stage, "take_over", None)
                if bring_along is not None:
                    bring_along(run.folder, step.options, replace(step.context, output=beside))
                record = _taken(record, run, time.monotonic() - started)
                write_json(record, beside / RECORD)
                finish_folder(beside, target)
                return record
        except (FileNotFoundError, Damaged):
            pass
        shutil.rmtree(beside, ignore_errors=True)
    return None


def _record(run: Run, name: str) -> Record:
    """Read the record of a stage; {} where there is none that is sound."""
    try:
        record = run.stage_record(name)
    except UserError:
        return {}
    sound = record is not None and is_sealed(record) and isinstance(record.get("files"), dict)
    return record if record is not None and sound else {}


def _answered(record: Record, step: Step, retry_errors: bool) -> bool:
    """Tell whether nothing would be asked if the stage was made again."""
    if not isinstance(step.stage, ModelStage):
        return True
    asked = record.get("requests", {})
    if asked.get("failed") or record.get("damage"):
        return False
    if not asked.get("rejected"):
        return True
    model = step.context.models.role(step.stage.role)
    same = record.get("circumstances") == circumstances(model)
    return same and not retry_errors and not isinstance(model, OpenAIModel)


def _taken(record: Record, run: Run, seconds: float) -> Record:
    """Write the record of a stage that was taken over: the same, but that nothing was spent on it."""
    record = {**record, "taken_over": run.folder.name, "seconds": round(seconds, 3)}
    if "requests" in record:
        spent = asdict(Usage()) | {"reused": record["requests"]["asked"]}
        record["requests"] = {**record["requests"], **spent}
    return sealed(record)


def _tables(record: Record) -> list[list[str]]:
    """List the partitions of a stage's table with their digests."""
    return sorted(
        [name, digest]
        for name, digest in record.get("files", {}).items()
        if "/" not in name and PurePath(name).match(PARTS)
    )


def _prompts(recipe: Recipe) -> str:
    own = recipe.prompt_folder
    found = sorted(own.rglob("*.yaml")) if own else []
    return content_id(*(text for path in found for text in (path.name, path.read_text(encoding="utf-8"))))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
