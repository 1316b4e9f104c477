"""
Write more pairs for tasks with fewer rows than their targets, about the passages that are covered least.

Balance is steered by results, not by weights: the stage counts the rows of each task that all earlier stages
left. A task below its target is asked about as many further passages as its yield so far (rows per passage
asked) makes necessary. Passages of the documents with the fewest rows come first, within a document those
with the fewest rows, so that rows spread over documents and positions. No passage is asked the same task
again. The yield is an estimate: use the stage a second time to come closer.

Memory holds the id, document and number of rows of every passage.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, PositiveInt, model_validator

from datagen.request import Reject
from datagen.schema import content_id
from datagen.stage import Context, ModelStage, Partitions
from datagen.stages.exercises.declared import Declaration
from datagen.stages.exercises.rounds import ask, count_rounds, follow
from datagen.stages.generate import instruct
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.token_budget import Reader
from datagen.store.parquet import UNFINISHED, parts, read_part

PLACES = pa.schema([(name, pa.string()) for name in ("task", "passage_id", "document_id")])
MOST = 10  # passages asked for each missing row, at most

Candidate = tuple[str, str, frozenset[str]]  # id of a passage, its document, the tasks that suit it


class Options(instruct.Options):
    """How many rows each task should have."""

    targets: dict[str, PositiveInt] = Field(
        min_length=1, description="Rows that each task should have, such as comparison: 500"
    )
    tasks: dict[str, float | Declaration] = Field(
        {}, description="Declarations of the tasks of your own that have a target (docs/written.md)"
    )

    @model_validator(mode="before")
    @classmethod
    def _name_tasks(cls, options: object) -> object:
        """Make every task with a target one of the tasks."""
        if not isinstance(options, Mapping) or not isinstance(options.get("targets"), Mapping):
            return options
        declared = options.get("tasks") or {}
        if unused := [name for name in declared if name not in options["targets"]]:
            raise ValueError(f"the task {unused[0]!r} has no target; add it to targets, or remove it")
        return {**options, "tasks": dict.fromkeys(options["targets"], 1.0) | dict(declared)}

    @model_validator(mode="after")
    def _assigns(self) -> "Options":
        if self.per_passage or self.share < 1:
            raise ValueError("targets decide which passages are used: remove share and per_passage")
        return self


class Assigned(Options):
    """Options with the tasks of each passage, as `prepare` assigned them."""

    assigned: dict[str, list[str]]

    def sampled(self, passage_id: str, seed: int) -> bool:
        """Check whether a passage has a task."""
        return passage_id in self.assigned

    def draw(self, passage_id: str, seed: int) -> list[str]:
        """Return the tasks of a passage."""
        return self.assigned.get(passage_id, [])

    def unsampled(self) -> Reject:
        """Return the reason why a passage has no task."""
        return Reject("not needed", "the targets are met without it")


@dataclass
class Coverage:
    """
    What the earlier stages asked and kept.

    Parameters
    ----------
    asked
        Task -> passages that it was asked about.
    rows
        Task -> its rows.
    of_document, of_passage
        Number of rows.
    """

    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    rows: Counter[str] = field(default_factory=Counter)
    of_document: Counter[str] = field(default_factory=Counter)
    of_passage: Counter[str] = field(default_factory=Counter)

    def passages_for(self, task: str, target: int) -> int:
        """Return the number of passages that the task needs in order to reach its target."""
        missing = max(0, target - self.rows[task])
        return ceil(missing * min(MOST, (len(self.asked[task]) + 1) / (self.rows[task] + 1)))

    def least_covered(self, passages: Sequence[Candidate], seed: int) -> list[Candidate]:
        """Order passages: each document's least covered ones first, in turn with those of other documents."""
        drawn = sorted(passages, key=lambda passage: content_id("balance", str(seed), passage[0]))
        drawn.sort(key=lambda passage: self.of_passage[passage[0]])
        turns = Counter(self.of_document)
        ranked: list[tuple[int, int, Candidate]] = []
        for passage in drawn:
            ranked.append((turns[passage[1]], len(ranked), passage))
            turns[passage[1]] += 1
        return [passage for _, _, passage in sorted(ranked)]

    def add(self, passage: Candidate) -> None:
        """Count the row that a passage is expected to give."""
        self.of_passage[passage[0]] += 1
        self.of_document[passage[1]] += 1


def prepare(partitions: Partitions, options: Options, context: Context) -> Options:
    """Assign passages to the tasks that miss their targets."""
    coverage = read_coverage(context)
    names = {key: options.task(key, context.folder).name for key in options.tasks}
    needed = {key: coverage.passages_for(names[key], target) for key, target in options.targets.items()}
    suited = context.each(partial(_suited, options=options, context=context), partitions.readers)
    passages = [passage for part in suited for passage in part]
    assigned: dict[str, list[str]] = defaultdict(list)
    for key, count in needed.items():
        asked = coverage.asked[names[key]]
        free = [passage for passage in passages if key in passage[2] and passage[0] not in asked]
        for passage in coverage.least_covered(free, context.seed)[:count]:
            assigned[passage[0]].append(key)
            coverage.add(passage)
    return Assigned.model_construct(**dict(options), assigned=dict(assigned))


def read_coverage(context: Context) -> Coverage:
    """Count the rows in the tables of examples, and the passages that earlier stages asked."""
    coverage = Coverage()
    for folder in context.tables.get("examples", ()):
        for path in parts(folder):
            rows = _instructions(path)
            for name, counts in (
                ("task", coverage.rows),
                ("passage_id", coverage.of_passage),
                ("document_id", coverage.of_document),
            ):
                counts.update(
                    {item["values"]: item["counts"] for item in pc.value_counts(rows[name]).to_pylist()}
                )
    for folder in sorted((context.run_folder / "stages").iterdir()):
        if not folder.name.startswith(UNFINISHED):
            for path in (*parts(folder), *parts(folder / "dropped")):
                for pair in _instructions(path).group_by(["task", "passage_id"]).aggregate([]).to_pylist():
                    coverage.asked[pair["task"]].add(pair["passage_id"])
    return coverage


def _instructions(path: Path) -> pa.Table:
    """Read task, passage and document of a table's instructions about passages; none if it has other rows."""
    if not {"kind", "task", "lineage"} <= {*pq.read_schema(path).names}:
        return PLACES.empty_table()
    table = read_part(path, ["kind", "task", "lineage"])
    origin = {name: pc.struct_field(table["lineage"], name) for name in ("passage_id", "document_id")}
    rows = pa.table({"task": table["task"], **origin})
    about_passages = pc.and_(pc.is_valid(rows["task"]), pc.is_valid(rows["passage_id"]))
    return rows.filter(pc.and_(pc.equal(table["kind"], "instruction"), about_passages))


def _suited(reader: Reader, options: Options, context: Context) -> list[Candidate]:
    """List the passages of a partition with the tasks that suit each."""
    tasks = {key: options.task(key, context.folder) for key in options.targets}
    languages = Languages(context)
    return [
        (
            row["id"],
            row["document_id"],
            frozenset(key for key, task in tasks.items() if task.suits(passage)),
        )
        for row in reader(None).to_pylist()
        if (passage := Passage(row, languages.of(row)))
    ]


stage = ModelStage(
    name="balance",
    summary="write more pairs for tasks below their targets, about the least covered passages",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    rounds=count_rounds,
    read=instruct.read,
    prepare=prepare,
    options=Options,
)
