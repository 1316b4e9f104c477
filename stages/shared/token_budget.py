"""
Select texts up to a token budget, by a pass over the whole corpus before its partitions are processed.

Each text gets a pseudo-random number (its lot) by hash, and texts are selected in order of their lots until
the next would exceed the target. The selection does not depend on the partitions, and a higher target
includes the texts of a lower one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

import datagen.stage
from datagen.request import Reject
from datagen.schema import fraction
from datagen.stage import Context, Partitions
from datagen.store.parquet import write_table

Reader: TypeAlias = Callable[[Sequence[str] | None], pa.Table]  # reads columns of a partition; None: all
LOTS = pa.schema([("lot", pa.float64()), ("length", pa.float64())])


class TokenTarget(datagen.stage.Options):
    """A token budget and its tokenizer."""

    tokenizer: str = Field(
        "",
        description="The target's tokenizer: a checkpoint folder or a tokenizer.json, relative to the recipe",
    )
    max_total_tokens: int | None = Field(
        None, ge=0, description="Maximum tokens of all texts together; a random sample by hash is kept"
    )

    @model_validator(mode="after")
    def _counted(self) -> "TokenTarget":
        if self.max_total_tokens is not None and not self.tokenizer:
            raise ValueError("max_total_tokens needs a tokenizer")
        return self


def survey(
    partitions: Partitions, look: Callable[[Reader], pa.Table], context: Context, name: str
) -> list[Path]:
    """Write a table about each partition, on all workers; return the paths in order."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    paths = [context.scratch / f"{name}-{number:05d}.parquet" for number in range(len(partitions))]
    context.each(partial(_note, look), list(zip(partitions.readers, paths, strict=True)))
    return paths


def _note(look: Callable[[Reader], pa.Table], task: tuple[Reader, Path]) -> None:
    reader, path = task
    write_table(look(reader), path)


def lot(name: str, seed: int) -> float:
    """Return the lot of a text, in [0, 1)."""
    return fraction("target", str(seed), name)


def lots(drawn: Sequence[float], lengths: Sequence[float]) -> pa.Table:
    """Build a table of texts' lots and lengths."""
    return pa.table([pa.array(drawn, pa.float64()), pa.array(lengths, pa.float64())], schema=LOTS)


def last_lot(
    partitions: Partitions, look: Callable[[Reader], pa.Table], target: float, context: Context
) -> float:
    """
    Return the highest selected lot.

    Parameters
    ----------
    partitions
        All partitions.
    look
        Returns the lots and lengths (`lots`) of a partition's texts.
    target
        Maximum sum of the lengths.
    context
        The running stage.

    Returns
    -------
    float
        -1 if no text fits.
    """
    noted = [pq.read_table(path) for path in survey(partitions, look, context, "lots")]
    table = pa.concat_tables([LOTS.empty_table(), *noted])
    drawn = table["lot"].to_numpy()
    order = np.argsort(drawn, kind="stable")
    taken = int(np.searchsorted(np.cumsum(table["length"].to_numpy()[order]), target, side="right"))
    return float(drawn[order[taken - 1]]) if taken else -1.0


def over_target(drawn: float, last: float) -> Reject:
    """Return the rejection of a text beyond the target."""
    return Reject("over the token target", f"lot {drawn:.4f}, above the last selected {max(last, 0):.4f}")
