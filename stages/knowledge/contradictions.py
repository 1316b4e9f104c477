"""
Drop questions that the target does not know if it knows the same question in other words.

Refusing one and answering the other is contradictory supervision, and makes models refuse too much (CRaFT,
AAAI 2025, on R-Tuning, arXiv 2311.09677). The answer takes precedence: an unknown question is dropped if a
similar one was answered correctly at least once. Questions are compared as in
`datagen.stages.shared.similarity.alike`, over all partitions and on all workers, without stop words and
endings: similar questions differ by added words, while a replaced name makes another question. No row is
dropped because of a row that is itself dropped, so order and chains do not matter.

With ``by: entropy`` labels do not depend on correctness: the half of the questions whose samples agree most
is known, the other half unknown (the unsupervised form of R-Tuning). Questions that the target knows but can
be misled about stay known: they call for correction, not refusal (WACK, arXiv 2410.22071).
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

import datagen.stage
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.similarity import near_duplicates
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.ngrams import Numbers
from datagen.stages.shared.similarity.pairs import Work
from datagen.stages.shared.similarity.sketch import Reader, Sketches
from datagen.store.parquet import write_json

JUDGED = ["id", "label", "accuracy", "entropy", "misled"]


class Options(datagen.stage.Options):
    """When questions count as the same, and how they are labelled."""

    alike: float = Field(0.75, gt=0.5, le=1, description="Minimum ROUGE-L of questions that ask the same")
    by: Literal["answers", "entropy"] = Field(
        "answers",
        description="Label by right answers, or by entropy: the half whose samples agree most is known",
    )


@dataclass(frozen=True)
class Resolved:
    """The labels of a partition, and its dropped rows: row -> id of the known question."""

    labels: list[str]
    dropped: dict[int, str]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Resolved]:
    """Find the questions that are alike, and decide which unknown ones to drop."""
    if not len(partitions):
        return
    parts = [table.select(JUDGED) for table in partitions.columns(JUDGED)]
    probes = pa.concat_tables(parts)
    if options.by == "entropy":
        probes = probes.set_column(1, "label", [_by_entropy(probes)])
    dropped = _contradictions(probes, partitions, options, context)
    report(probes, len(dropped), context)
    start = 0
    for part in parts:
        in_part = {row - start: name for row, name in dropped.items() if start <= row < start + len(part)}
        yield Resolved(probes["label"].slice(start, len(part)).to_pylist(), in_part)
        start += len(part)


def report(probes: pa.Table, dropped: int, context: Context) -> None:
    """Write how much the target knows to ``report.json``."""
    labels = Counter(probes["label"].to_pylist())
    shares = {label: round(count / len(probes), 4) for label, count in labels.most_common()}
    misled = Counter(probes["misled"].to_pylist())
    figures = {"questions": len(probes), "labels": dict(labels.most_common()), "shares": shares}
    figures |= {"misled": misled[True], "not misled": misled[False], "known in other words": dropped}
    write_json(figures, context.output / "report.json")


def apply(rows: pa.Table, resolved: Resolved, options: Options, context: Context) -> Outcome:
    """Label the rows, and drop the unknown ones that are known in other words."""
    place = rows.schema.get_field_index("label")
    labelled = rows.set_column(place, "label", pa.array(resolved.labels, pa.string()))
    known_as = [resolved.dropped.get(row) for row in range(len(rows))]
    reasons = [None if name is None else "known in other words" for name in known_as]
    return Outcome.split(labelled, reasons, [None if name is None else f"as {name}" for name in known_as])


def _by_entropy(rows: pa.Table) -> pa.Array:
    """Label the lower half, and questions with a misled answer, as known; ties are broken by a draw."""
    draws = np.array([fraction("entropy", name) for name in rows["id"].to_pylist()])
    entropy = rows["entropy"].to_numpy()
    labels = np.full(len(rows), "unknown", object)
    labels[np.lexsort((draws, entropy))[: len(rows) // 2]] = "known"
    labels[pc.fill_null(rows["misled"], False).to_numpy(zero_copy_only=False)] = "known"
    return pa.array(labels, pa.string())


def _contradictions(
    probes: pa.Table, partitions: Partitions, options: Options, context: Context
) -> dict[int, str]:
    """Find the unknown questions to drop, each with the id of a similar answered one."""
    left, right = _alike(partitions, options, context)
    unknown = pc.equal(probes["label"], "unknown").to_numpy()
    answered = pc.equal(probes["label"], "known").to_numpy()
    if options.by == "answers":
        answered |= ~unknown & (probes["accuracy"].to_numpy() > 0)
    pairs = [
        (int(row), str(probes["id"][int(match)]))
        for row, match in zip(np.concatenate([left, right]), np.concatenate([right, left]), strict=True)
        if unknown[row] and answered[match]
    ]
    return dict(sorted(pairs, reverse=True))  # of several matches the first by id


def _alike(partitions: Partitions, options: Options, context: Context) -> tuple[Numbers, Numbers]:
    """Return pairs of rows whose questions are alike, including equal ones."""
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    criteria = Criteria(short_threshold=options.alike)
    questions = Partitions([partial(_questions, Languages(context), reader) for reader in partitions.readers])
    paths = near_duplicates.sketch_all(questions, context.scratch, criteria, context)
    work = Work(tuple(paths), 0, context.scratch, criteria)
    (copies, best), _ = near_duplicates.find_equal(work, context)
    pairs = near_duplicates.find_alike(work, context)
    groups = np.arange(len(Sketches(paths)))
    groups[copies] = best
    return _spread(groups, pairs.left, pairs.right)


def _spread(groups: Numbers, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
    """
    Expand pairs of groups into pairs of their rows.

    `groups` holds for every row the row that it copies; the rows of a group are also pairs.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=len(groups))
    starts = np.cumsum(sizes) - sizes
    several = np.flatnonzero(sizes > 1)
    left, right = np.concatenate([left, several]), np.concatenate([right, several])
    counts = sizes[left] * sizes[right]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = np.repeat(sizes[right], counts)
    lefts = order[np.repeat(starts[left], counts) + within // np.maximum(wide, 1)]
    rights = order[np.repeat(starts[right], counts) + within % np.maximum(wide, 1)]
    return lefts[lefts != rights], rights[lefts != rights]


def _questions(languages: Languages, reader: Reader, names: Sequence[str] | None) -> pa.Table:
    """Read a partition as refusals, of which only the questions are compared."""
    rows = reader(["id", "question", "lineage"])
    questions = [_essentials(row["question"] or "", languages.of(row)) for row in rows.to_pylist()]
    place = rows.schema.get_field_index("question")
    rows = rows.set_column(place, "question", pa.array(questions, pa.string()))
    return rows.append_column("kind", pa.array(["refusal"] * len(rows), pa.string()))


def _essentials(question: str, language: Language) -> str:
    """Stem a question and remove its stop words, except question words and negations."""
    significant = (language.open_ended - language.auxiliary) | language.negations
    words = words_of(question)
    kept = [language.stem(word) for word in words if word not in language.stop or word in significant]
    return " ".join(kept or words)


stage = WholeStage(
    name="resolve_contradictions",
    summary="drop unknown questions that are known in other words",
    takes="probes",
    gives="probes",
    run=run,
    apply=apply,
    options=Options,
)
