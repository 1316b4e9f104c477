"""
Reworded test items.

Rows are compared with items as vectors (`datagen.stages.shared.similarity.vectors`): their questions, and the
lines of their texts, since an exercise in a reading text is one line among many. Near pairs are verified: a
paraphrase keeps the names, numbers, signs and negations of the item, and adds no negation
(`datagen.stages.shared.language.anchor_terms`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.context import Each
from datagen.stages.shared.language.anchor_terms import negations, subjects
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Numbers
from datagen.stages.shared.similarity.sketch import Reader
from datagen.stages.shared.similarity.vectors import Embedder, Vectors, learn

LONGEST = 64  # maximum words of an item or line; longer ones are not questions
BLOCK = 1024  # lines compared at once


@dataclass(frozen=True)
class Reworded:
    """Items to find in reworded form: names, vectors, anchor terms, and the embedder."""

    names: list[str]
    vectors: Vectors
    terms: list[frozenset[str]]
    embedder: Embedder

    @classmethod
    def of(
        cls,
        texts: Sequence[tuple[str, str]],
        readers: Sequence[Reader],
        model: str,
        shortest: int,
        path: Path,
        each: Each,
    ) -> "Reworded":
        """
        Embed the items of `shortest` to `LONGEST` words; `texts` are pairs of name and text.

        A vocabulary learned for that from rows and items is written to `path`.
        """
        column = pa.array([text for _, text in texts], pa.string())
        fit = _fit(column, shortest)
        column = column.filter(fit)
        columns = [*(partial(_lines_of, reader, shortest) for reader in readers), partial(_same, column)]
        embedder = learn(model, columns, path, each)
        names = [name for (name, _), fits in zip(texts, fit.to_pylist(), strict=True) if fits]
        return cls(names, embedder.embed(column), subjects(column), embedder)

    def find(self, rows: pa.Table, shortest: int, threshold: float) -> dict[int, str]:
        """Find the rows that contain a reworded item: row -> name of the item, and the words."""
        owners, lines = _lines(rows, shortest)
        vectors, leaks = self.embedder.embed(lines), dict[int, str]()
        for start in range(0, len(vectors), BLOCK):
            near = vectors[start : start + BLOCK] @ self.vectors.T
            line_numbers, item_numbers = np.nonzero(near >= threshold)
            terms = subjects(lines.slice(start, BLOCK))
            for line, number in zip(line_numbers.tolist(), item_numbers.tolist(), strict=True):
                row, added = int(owners[start + line]), terms[line] - self.terms[number]
                if row not in leaks and self.terms[number] <= terms[line] and not added & negations():
                    text = lines[start + line].as_py()
                    leaks[row] = f"rewords {self.names[number]} (cosine {near[line, number]:.3f}): {text}"
        return leaks


def _same(column: pa.Array) -> pa.Array:
    return column


def _lines_of(reader: Reader, shortest: int) -> pa.Array:
    return _lines(reader(["question", "text"]), shortest)[1]


def _lines(rows: pa.Table, shortest: int) -> tuple[Numbers, pa.Array]:
    """Select the questions, and lines of texts, that may be questions: the row of each, and its text."""
    owners, lines = [np.empty(0, np.int64)], [pa.array([], pa.string())]
    for name in ("question", "text"):
        if name in rows.column_names:
            column = pc.fill_null(rows[name].combine_chunks(), "")
            cut = pc.split_pattern(column, "\n") if name == "text" else pc.split_pattern(column, "\0")
            parts = pc.list_flatten(cut)
            fit = _fit(parts, shortest)
            owners.append(pc.list_parent_indices(cut).filter(fit).to_numpy())
            lines.append(parts.filter(fit))
    return np.concatenate(owners), pa.concat_arrays(lines)


def _fit(texts: pa.Array, shortest: int) -> pa.Array:
    lengths = words(texts, symbols=False).lengths
    return pa.array((lengths >= shortest) & (lengths <= LONGEST))
