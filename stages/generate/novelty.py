"""
Keep new questions: not too similar to a seed, a question of an earlier stage, or a question already kept.

Similarity is ROUGE-L F1 over words (`datagen.stages.shared.similarity.novelty`). Questions are processed in
order, and the first of a group of similar ones is kept, up to `target`. The figures compare the diversity of
the questions before and after, by the share of distinct pairs of words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity import novelty
from datagen.stages.shared.similarity.ngrams import Hashes, ngrams
from datagen.stages.shared.similarity.novelty import Like, Novelty
from datagen.store.parquet import parts, read_part

EARLIER = ("seeds", "examples")  # tables that questions are compared with, in addition to each other


class Options(datagen.stage.Options):
    """How new a question must be, and how many to keep."""

    most: float = Field(
        novelty.MOST, gt=0, lt=1, description="Maximum ROUGE-L F1 with any kept question or instruction"
    )
    target: int | None = Field(
        None, ge=1, description="Maximum number of questions to keep; left out: all new ones"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Compare all questions in order."""
    kept = Novelty(options.most)
    names = []  # of the kept texts, for the details of drops
    for kind in EARLIER:
        for path in (path for folder in context.tables.get(kind, ()) for path in parts(folder)):
            table = read_part(path, ["id", "question"])
            table = table.filter(table["question"].is_valid())
            kept.keep(table["question"].to_pylist())
            names += [f"{kind[:-1]} {id_}" for id_ in table["id"].to_pylist()]
    before, after, remaining = _Pairs(), _Pairs(), options.target
    for number, table in enumerate(partitions):
        ids, texts = table["id"].to_pylist(), table["question"].to_pylist()
        reasons: list[str | None] = []
        details: list[str | None] = []
        matches = kept.judge(texts)
        names += [f"question {id_}" for id_, match in zip(ids, matches, strict=True) if match is None]
        for match in matches:
            over_target = match is None and remaining == 0
            if match is None and remaining:
                remaining -= 1
            reasons.append("not new" if match else "over the target" if over_target else None)
            details.append(
                _detail(match, names) if match else f"{options.target} are kept" if over_target else None
            )
        outcome = Outcome.split(table, reasons, details)
        before.add(texts)
        after.add(outcome.kept["question"].to_pylist())
        last = number == len(partitions) - 1
        figures = before.figures("before") | after.figures("after") if last else {}
        yield replace(outcome, figures=figures)


def _detail(match: Like, names: Sequence[str]) -> str:
    return f"ROUGE-L {match.score:.2f} with {names[match.kept]}"


class _Pairs:
    """Counts all and distinct pairs of words (distinct-2 of Li et al. 2016, arXiv 1510.03055)."""

    def __init__(self) -> None:
        self._texts, self._all = 0, 0
        self._distinct: Hashes = np.zeros(0, np.uint64)

    def add(self, texts: Sequence[str]) -> None:
        """Count the pairs of some texts."""
        tokens = words(pa.array(texts, pa.string()), symbols=False)
        hashes: Hashes = ngrams(tokens.hashes, tokens.lengths, 2)[0]
        self._texts += len(texts)
        self._all += len(hashes)
        self._distinct = np.union1d(self._distinct, hashes)

    def figures(self, when: str) -> dict[str, int]:
        """Return the counts."""
        return {
            f"questions {when}": self._texts,
            f"word pairs {when}": self._all,
            f"distinct word pairs {when}": len(self._distinct),
        }


stage = WholeStage(
    name="novelty",
    summary="keep questions that differ from all kept ones, by ROUGE-L",
    takes="questions",
    gives="questions",
    run=run,
    options=Options,
)
