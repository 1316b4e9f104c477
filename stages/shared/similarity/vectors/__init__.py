"""
Texts as vectors, such that texts on the same matters are near each other: what select and dedup compare by.

Without a network, either

* no model: words, pairs of words and runs of letters, by TF-IDF
  (`datagen.stages.shared.similarity.vectors.tfidf`). It sees shared wording in any script, and no synonyms;
  or
* a checkpoint (`datagen.stages.shared.similarity.vectors.hidden_states`): ``encoder`` or a folder with a
  sentence encoder; or a language model, in a folder or ``bundled``, which was not trained to place texts.

All but an encoder learn a little from all texts first (how common each run is; where the middle of all
vectors lies), so vectors are compared only with those of the same `Embedder`.

Coordinates are multiples of 2**-11. The product of two vectors is then a multiple of 2**-22 below 4, which
float32 holds exactly: it is the same in whatever order and in whatever blocks it is summed, on every machine,
and what is decided by it does not depend on the order of rows or on partitions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.context import in_turn
from datagen.engines.identity import resolve
from datagen.errors import UserError
from datagen.recipe.sections import VllmModel
from datagen.stages.shared.similarity.vectors import encoder, hidden_states, tfidf

Vectors = npt.NDArray[np.float32]
Texts: TypeAlias = pa.Array | pa.ChunkedArray
Column = Callable[[], Texts]  # reads the texts of a partition

STEPS = 2**11  # of a coordinate, from 0 to 1


@dataclass(frozen=True)
class Embedder:
    """
    Makes vectors of texts; small enough to be sent to workers.

    Parameters
    ----------
    checkpoint
        Folder of the model; "": none, runs of words and letters.
    learnt
        File of what was learnt from all texts (`learn`).
    """

    checkpoint: str
    learnt: Path

    def embed(self, texts: Texts) -> Vectors:
        """
        Make a vector of each text of a column.

        Returns
        -------
        Float32, one row a text, of length 1 (to 0.2 %); a null or a text without a word gives zeros.
        """
        learnt = _load(self.learnt, self.learnt.stat().st_mtime_ns)
        if self.checkpoint:
            return _on_grid(hidden_states.embed(texts, learnt, self.checkpoint))
        return _on_grid(tfidf.embed(texts, learnt))


def learn(
    model: str,
    columns: Sequence[Column],
    path: Path,
    each: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] = in_turn,
) -> Embedder:
    """
    Look at all texts once and give what embeds them.

    Parameters
    ----------
    model
        "" (none), ``encoder``, ``bundled``, ``bundled-chat`` or a checkpoint's folder.
    columns
        Functions that read the texts, a partition each.
    path
        Where what is learnt is written, as NumPy's .npy.
    each
        Calls a function for each item: `datagen.stage.Context.each`, for all workers.

    Raises
    ------
    UserError
        When the model is not installed and not a folder with a checkpoint.
    """
    if not model:
        counts = each(partial(_of_column, tfidf.count), columns)
        np.save(path, tfidf.weights(sum(counts, start=tfidf.count(pa.array([], pa.string())))))
        return Embedder("", path)
    folder = str(encoder.bundled()) if model == encoder.NAME else resolve(VllmModel(model=model))
    if not Path(folder).is_dir():
        raise UserError(
            f"{model!r} is not on this machine, and for embeddings nothing is downloaded. "
            "Name a folder with a checkpoint, encoder or bundled"
        )
    if (middle := hidden_states.middle_of_encoder(folder)) is not None:
        np.save(path, middle)
        return Embedder(folder, path)
    sums = each(partial(_of_column, partial(hidden_states.add_up, folder=folder)), columns)
    np.save(path, hidden_states.middle(sums))
    return Embedder(folder, path)


def text_of(rows: pa.Table) -> pa.ChunkedArray:
    """
    Write what a row is compared by: its text, or its question and answer; of a refusal the question alone.

    Parameters
    ----------
    rows
        Examples or passages: of ``kind``, ``question``, ``answer`` and ``text`` the columns that there are.
    """
    columns = {name: rows[name] for name in rows.column_names if name in ("question", "answer", "text")}
    column = {name: pc.fill_null(values, "") for name, values in columns.items()}
    if "answer" in column and "kind" in rows.column_names:
        column["answer"] = pc.if_else(pc.equal(rows["kind"], "refusal"), "", column["answer"])
    parts = [column[name] for name in ("text", "question", "answer") if name in column]
    return pc.binary_join_element_wise(*parts, "\n")


def _of_column(function: Callable[[Texts], Any], column: Column) -> Any:
    return function(column())


@lru_cache(maxsize=2)
def _load(path: Path, _written: int) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = np.load(path)
    return result


def _on_grid(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Bring vectors to length 1 and their coordinates to the grid."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    result: Vectors = (np.rint(unit * STEPS) / STEPS).astype(np.float32)
    return result
