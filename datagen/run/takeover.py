"""
Take over a complete stage of an earlier run if none of its dependencies has changed.

A stage with the same key (`datagen.run.stage_key`) as a complete stage of an earlier run is not run again:
its files are linked, their digests are compared with the recorded ones, and the folder is renamed as a whole.

A model stage is taken over only if every request has an answer. A stage with rejected requests is taken over
while the engine and its settings are the same, but not for a server, which may have been fixed.
"""

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from datagen.engines.identity import circumstances
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.roles import OpenAIModel
from datagen.request import Identity, Usage
from datagen.run.folder import Run, related_runs
from datagen.run.stage_key import Step, key_of, step_of, tables_of
from datagen.stage import ModelStage
from datagen.store.digests import Each, differences, is_sealed, sealed
from datagen.store.parquet import RECORD, UNFINISHED, Damaged, finish_folder, link, write_json
from datagen.store.record import StageRecord

LAST = "~"  # sorts behind the names of runs


def may_stay(step: Step, earlier: Iterable[Run]) -> bool:
    """
    Check whether a stage that must be run again may give the same table as in an earlier run.

    That is possible if it read the same tables there. Then later stages may be taken over, which is known
    only when it is complete.
    """
    tables = [tables_of(record) for record in step.reads]
    return any(
        _record(run, step.name)
        and [tables_of(_record(run, record["stage"])) for record in step.reads] == tables
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
