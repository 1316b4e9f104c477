"""
Settle the border: drop a question that the target does not know where it knows the same in other words.

To refuse the one and answer the other is contradictory supervision, and makes models refuse too much
(CRaFT, AAAI 2025, on R-Tuning, arXiv 2311.09677). The answer wins: the unknown question goes when one alike
was answered correctly even once. Questions are alike as in `datagen.stages.shared.similarity.alike`, over
all partitions and on all workers, but for stop words and endings: one is the other with words added, and a
replaced name makes it another question. No row goes because of one that goes itself, so order and chains
change nothing.

With ``by: entropy`` the labels are set without regard to whether answers are correct: the half of the
questions whose samples agree most is known, the other unknown (the unsupervised form of R-Tuning). What the
target knows but can be misled about stays known: it is corrected and never refused (WACK, arXiv
2410.22071).
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
    """How alike questions must be, and by what they are told apart."""

    alike: float = Field(0.75, gt=0.5, le=1, description="ROUGE-L from which two questions ask the same")
    by: Literal["answers", "entropy"] = Field(
        "answers", description="Labels by right answers, or by entropy: the half that agrees most is known"
    )


@dataclass(frozen=True)
class Settled:
    """What becomes of a partition: its labels, and for each row that goes the one that it goes for."""

    labels: list[str]
    gone: dict[int, str]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Settled]:
    """Find the questions that are alike, and decide which unknown ones go."""
    if not len(partitions):
        return
    parts = [table.select(JUDGED) for table in partitions.columns(JUDGED)]
    known = pa.concat_tables(parts)
    if options.by == "entropy":
        known = known.set_column(1, "label", [_by_entropy(known)])
    gone = _gone(known, partitions, options, context)
    report(known, len(gone), context)
    start = 0
    for part in parts:
        mine = {row - start: name for row, name in gone.items() if start <= row < start + len(part)}
        yield Settled(known["label"].slice(start, len(part)).to_pylist(), mine)
        start += len(part)


def report(known: pa.Table, gone: int, context: Context) -> None:
    """Write down how much the target knows."""
    labels = Counter(known["label"].to_pylist())
    shares = {label: round(count / len(known), 4) for label, count in labels.most_common()}
    misled = Counter(known["misled"].to_pylist())
    said = {"questions": len(known), "labels": dict(labels.most_common()), "shares": shares}
    said |= {"misled": misled[True], "not misled": misled[False], "known in other words": gone}
    write_json(said, context.output / "report.json")


def apply(rows: pa.Table, settled: Settled, options: Options, context: Context) -> Outcome:
    """Label the rows, and drop the unknown ones that are known in other words."""
    place = rows.schema.get_field_index("label")
    labelled = rows.set_column(place, "label", pa.array(settled.labels, pa.string()))
    reasons = ["known in other words" if row in settled.gone else None for row in range(len(rows))]
    details = [f"as {settled.gone[row]}" if row in settled.gone else None for row in range(len(rows))]
    return Outcome.split(labelled, reasons, details)


def _by_entropy(rows: pa.Table) -> pa.Array:
    """Label the lower half known, and what the target was misled about; ties are ordered by a draw."""
    draws = np.array([fraction("entropy", name) for name in rows["id"].to_pylist()])
    entropy = rows["entropy"].to_numpy()
    labels = np.full(len(rows), "unknown", object)
    labels[np.lexsort((draws, entropy))[: len(rows) // 2]] = "known"
    labels[pc.fill_null(rows["misled"], False).to_numpy(zero_copy_only=False)] = "known"
    return pa.array(labels, pa.string())


def _gone(known: pa.Table, partitions: Partitions, options: Options, context: Context) -> dict[int, str]:
    """Say which unknown questions go, each with the id of one that is answered."""
    one, other = _alike(partitions, options, context)
    unknown = pc.equal(known["label"], "unknown").to_numpy()
    answered = pc.equal(known["label"], "known").to_numpy()
    if options.by == "answers":
        answered |= ~unknown & (known["accuracy"].to_numpy() > 0)
    pairs = [
        (int(row), str(known["id"][int(mate)]))
        for row, mate in zip(np.concatenate([one, other]), np.concatenate([other, one]), strict=True)
        if unknown[row] and answered[mate]
    ]
    return dict(sorted(pairs, reverse=True))  # of several mates the first by id


def _alike(partitions: Partitions, options: Options, context: Context) -> tuple[Numbers, Numbers]:
    """Pair the rows whose questions are alike; equal ones too."""
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    how = Criteria(short_threshold=options.alike)
    asked = Partitions([partial(_questions, Languages(context), reader) for reader in partitions.readers])
    paths = near_duplicates.sketch_all(asked, context.scratch, how, context)
    work = Work(tuple(paths), 0, context.scratch, how)
    (copies, best), _ = near_duplicates.find_equal(work, context)
    found = near_duplicates.find_alike(work, context)
    groups = np.arange(len(Sketches(paths)))
    groups[copies] = best
    return _spread(groups, found.left, found.right)


def _spread(groups: Numbers, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
    """
    Turn pairs of groups into pairs of their rows.

    `groups` says for every row which row it is a copy of; the rows of a group are pairs, too.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=len(groups))
    starts = np.cumsum(sizes) - sizes
    several = np.flatnonzero(sizes > 1)
    left, right = np.concatenate([left, several]), np.concatenate([right, several])
    counts = sizes[left] * sizes[right]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = np.repeat(sizes[right], counts)
    one = order[np.repeat(starts[left], counts) + within // np.maximum(wide, 1)]
    other = order[np.repeat(starts[right], counts) + within % np.maximum(wide, 1)]
    return one[one != other], other[one != other]


def _questions(languages: Languages, reader: Reader, names: Sequence[str] | None) -> pa.Table:
    """Read a partition such that its questions alone are compared, as those of refusals are by dedup."""
    rows = reader(["id", "question", "lineage"])
    asked = [_essentials(row["question"] or "", languages.of(row)) for row in rows.to_pylist()]
    place = rows.schema.get_field_index("question")
    rows = rows.set_column(place, "question", pa.array(asked, pa.string()))
    return rows.append_column("kind", pa.array(["refusal"] * len(rows), pa.string()))


def _essentials(question: str, language: Language) -> str:
    """Leave out the stop words of a question but those that say what it asks for, and cut off endings."""
    telling = (language.open_ended - language.auxiliary) | language.negations
    said = words_of(question)
    left = [language.stem(word) for word in said if word not in language.stop or word in telling]
    return " ".join(left or said)


stage = WholeStage(
    name="resolve_contradictions",
    summary="drop unknown questions that are known in other words",
    takes="probes",
    gives="probes",
    run=run,
    apply=apply,
    options=Options,
)
