"""The record of a complete stage, ``stage.json`` in its folder."""

from collections.abc import Iterable
from typing import TypedDict

from datagen.json_types import JsonObject


class StageModel(TypedDict):
    """The model that a stage sent its requests to."""

    role: str
    name: str
    revision: str
    licence: str


class StageRecord(TypedDict, total=False):
    """The record of a stage: its settings, rows kept and dropped, and cost."""

    stage: str
    summary: str
    options: JsonObject
    takes: str  # kind of table; "" for a source
    gives: str
    reads: list[str]  # the stages whose tables it read
    rows_in: int
    passed_by: int  # rows of kinds that it does not process
    rows_out: int
    dropped: dict[str, int]  # reason -> rows
    made: dict[str, int]  # product -> examples that the stage made
    lost: dict[str, int]  # product -> examples that it dropped from those made by earlier stages
    seconds: float
    notices: list[str]
    figures: dict[str, int]
    model: StageModel  # this and the following of model stages only
    requests: dict[str, int]  # asked, reused, failed and rejected ones, and the usage of this run
    cost: dict[str, int]  # rows asked about, and the usage for them, no matter which run paid
    pace: float  # answers per second
    circumstances: str  # hash of the possible causes of rejections outside the request
    damage: list[str]  # unreadable files of completions
    key: str  # hash of the dependencies of its result; see `datagen.run.stage_key`
    taken_over: str  # name of the run that it was taken over from
    files: dict[str, str]  # path in its folder -> digest
    sha256: str  # seal of the record


def latest_examples(records: Iterable[StageRecord]) -> list[StageRecord]:
    """Select the tables of examples that no complete stage has refined: of a finished run, its hand-off."""
    examples = [record for record in records if record.get("gives") == "examples"]
    refining = (record for record in examples if record.get("takes") == "examples")
    refined = {name for record in refining for name in record.get("reads", [])}
    return [record for record in examples if record["stage"] not in refined]
