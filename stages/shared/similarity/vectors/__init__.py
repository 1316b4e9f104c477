"""
Text embeddings, for select and dedup: texts about the same subject have similar vectors.

No network is needed. The vectors come from

* no model: TF-IDF of words, pairs of words and letter n-grams
  (`datagen.stages.shared.similarity.vectors.tfidf`), which captures shared wording in any script, but not
  synonyms; or
* a checkpoint (`datagen.stages.shared.similarity.vectors.hidden_states`): ``encoder`` or a folder with a
  sentence encoder; or a language model, in a folder or ``bundled``, which was not trained for embeddings.

All except an encoder are fitted to the texts first (the frequency of each n-gram; the mean of all vectors),
so only vectors of the same `Embedder` are comparable.

Coordinates are multiples of 2**-11. The product of two vectors is then a multiple of 2**-22 below 4, which
float32 represents exactly: the sum is the same in any order, in any blocks and on every machine, so results
do not depend on the order of rows or on partitions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.context import Each, in_turn
from datagen.engines.identity import resolve
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.stages.shared.similarity.vectors import encoder, hidden_states, tfidf

Vectors = npt.NDArray[np.float32]
Texts: TypeAlias = pa.Array | pa.ChunkedArray
Column = Callable[[], Texts]  # reads the texts of a partition

T = TypeVar("T")

STEPS = 2**11  # grid steps per unit of a coordinate


@dataclass(frozen=True)
class Embedder:
    """
    Embeds texts; small enough to be sent to workers.

    Parameters
    ----------
    checkpoint
        Folder of the model; "": TF-IDF without a model.
    learned
        File of the parameters fitted to all texts (`learn`).
    """

    checkpoint: str
    learned: Path

    def embed(self, texts: Texts) -> Vectors:
        """
        Embed each text of a column.

        Returns
        -------
        Float32, one row per text, of length 1 (to 0.2 %); zeros for null and for texts without words.
        """
        learned = _load(self.learned, self.learned.stat().st_mtime_ns)
        if self.checkpoint:
            return _on_grid(hidden_states.embed(texts, learned, self.checkpoint))
        return _on_grid(tfidf.embed(texts, learned))


def learn(
    model: str,
    columns: Sequence[Column],
    path: Path,
    each: Each = in_turn,
) -> Embedder:
    """
    Fit an embedder to all texts.

    Parameters
    ----------
    model
        "" (none), ``encoder``, ``bundled``, ``bundled-chat`` or the folder of a checkpoint.
    columns
        Functions that read the texts of one partition each.
    path
        File for the fitted parameters, in NumPy's .npy format.
    each
        Calls a function for each item: `datagen.stage.Context.each` uses all workers.

    Raises
    ------
    UserError
        If the model is neither installed nor a folder with a checkpoint.
    """
    if not model:
        counts = each(partial(_of_column, tfidf.count), columns)
        np.save(path, tfidf.weights(sum(counts, start=tfidf.count(pa.array([], pa.string())))))
        return Embedder("", path)
    folder = str(encoder.bundled()) if model == encoder.NAME else resolve(VllmModel(model=model))
    if not Path(folder).is_dir():
        raise UserError(
            f"{model!r} is not on this machine, and models for embeddings are not downloaded. "
            "Give a folder with a checkpoint, encoder or bundled"
        )
    if (middle := hidden_states.middle_of_encoder(folder)) is not None:
        np.save(path, middle)
        return Embedder(folder, path)
    sums = each(partial(_of_column, partial(hidden_states.add_up, folder=folder)), columns)
    np.save(path, hidden_states.middle(sums))
    return Embedder(folder, path)


def text_of(rows: pa.Table) -> pa.ChunkedArray:
    """
    Return the text by which each row is compared.

    That is its text, or its question and answer; for a refusal, only the question.

    Parameters
    ----------
    rows
        Examples or passages, with any of the columns ``kind``, ``question``, ``answer`` and ``text``.
    """
    columns = {name: rows[name] for name in rows.column_names if name in ("question", "answer", "text")}
    column = {name: pc.fill_null(values, "") for name, values in columns.items()}
    if "answer" in column and "kind" in rows.column_names:
        column["answer"] = pc.if_else(pc.equal(rows["kind"], "refusal"), "", column["answer"])
    parts = [column[name] for name in ("text", "question", "answer") if name in column]
    return pc.binary_join_element_wise(*parts, "\n")


def _of_column(function: Callable[[Texts], T], column: Column) -> T:
    return function(column())


@lru_cache(maxsize=2)
def _load(path: Path, _written: int) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = np.load(path)
    return result


def _on_grid(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Normalise vectors to length 1 and round their coordinates to the grid."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    result: Vectors = (np.rint(unit * STEPS) / STEPS).astype(np.float32)
    return result
