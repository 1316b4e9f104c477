"""Detect changed files of complete stages: their digests are recorded at the end of a stage."""

import logging
import shutil
from pathlib import Path

from datagen.errors import UserError
from datagen.run.folder import Run, read_record
from datagen.store.digests import Each, differences, digests, is_sealed, sealed
from datagen.store.parquet import RECORD, UNFINISHED, finish_folder, write_json
from datagen.store.record import StageRecord

SHOWN = 3  # differences listed for a damaged stage

log = logging.getLogger(__name__)


def complete_stage(unfinished: Path, folder: Path, record: StageRecord, each: Each) -> StageRecord:
    """Write a stage's record with the digests of its files, and move the stage to its final folder."""
    record["files"] = digests(unfinished, each)
    record = sealed(record)
    write_json(record, unfinished / RECORD)
    finish_folder(unfinished, folder)
    return record


def drop_damaged(run: Run, each: Each) -> None:
    """
    Find the first stage whose files have changed since they were written; drop it and all later stages.

    They are run again. Answers of models are stored elsewhere and are not paid for again.
    """
    line = list(run.manifest["stages"])
    for place, name in enumerate(line):
        later = [other for other in line[place:] if run.stage_folder(other).exists()]
        damage = _damage(run.stage_folder(name), each)
        if damage and later:
            shown = "; ".join(damage[:SHOWN])
            shown += f"; {len(damage) - SHOWN} more" if len(damage) > SHOWN else ""
            log.warning(
                f"stage {name} of {run.folder} is damaged: {shown}. "
                f"Run again: {', '.join([name, *(other for other in later if other != name)])}"
            )
            for other in reversed(later):  # the last first, so that the remaining stages are always intact
                removed = run.stage_folder(other).with_name(UNFINISHED + other)
                run.stage_folder(other).replace(removed)
                shutil.rmtree(removed)
        if damage:
            return


def _damage(folder: Path, each: Each) -> list[str]:
    """List what is wrong with a stage's folder."""
    if not folder.exists():
        return ["it is missing"]
    try:
        record = read_record(folder / RECORD)
    except UserError as error:
        return [str(error)]
    if not is_sealed(record) or not isinstance(record.get("files"), dict):
        return [f"{RECORD} was altered"]
    return differences(folder, record["files"], each)
