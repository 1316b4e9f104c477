"""
Looking through a whole corpus before its partitions are worked on: up to which lot texts are taken.

Where the tokens of all texts together have a target, each text draws a lot by hash, and texts are taken by
their lots until the next would pass the target. Which ones these are does not depend on how they are parted,
and a higher target keeps those of a lower one.
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

Reader: TypeAlias = Callable[[Sequence[str] | None], pa.Table]  # of a partition; None: all columns
LOTS = pa.schema([("lot", pa.float64()), ("length", pa.float64())])


class TokenTarget(datagen.stage.Options):
    """A target of tokens, and what they are counted with."""

    tokenizer: str = Field(
        "",
        description="The target's tokenizer: bundled, a checkpoint's folder, a tokenizer.json or "
        "tokenizer.model (relative to the recipe), or a hub's id",
    )
    max_total_tokens: int | None = Field(
        None, ge=0, description="Tokens of all texts together, at most; the rest is left out, drawn by lot"
    )

    @model_validator(mode="after")
    def _counted(self) -> "TokenTarget":
        if self.max_total_tokens is not None and not self.tokenizer:
            raise ValueError("max_total_tokens needs a tokenizer")
        return self


def survey(
    partitions: Partitions, look: Callable[[Reader], pa.Table], context: Context, name: str
) -> list[Path]:
    """Have a table written about each partition, on all workers; return where they are, in order."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    paths = [context.scratch / f"{name}-{number:05d}.parquet" for number in range(len(partitions))]
    context.each(partial(_note, look), list(zip(partitions.readers, paths, strict=True)))
    return paths


def _note(look: Callable[[Reader], pa.Table], task: tuple[Reader, Path]) -> None:
    reader, path = task
    write_table(look(reader), path)


def lot(name: str, seed: int) -> float:
    """Draw the lot, in [0, 1), of a text."""
    return fraction("target", str(seed), name)


def lots(drawn: Sequence[float], lengths: Sequence[float]) -> pa.Table:
    """Make the table of the lots of some texts and of their lengths."""
    return pa.table([pa.array(drawn, pa.float64()), pa.array(lengths, pa.float64())], schema=LOTS)


def last_lot(
    partitions: Partitions, look: Callable[[Reader], pa.Table], target: float, context: Context
) -> float:
    """
    Find the highest lot that is taken: texts are taken by their lots until the next would pass the target.

    Parameters
    ----------
    partitions
        All of them.
    look
        Gives the lots and lengths (`lots`) of a partition's texts.
    target
        What the lengths add up to, at most.
    context
        The running stage.

    Returns
    -------
    float
        -1 where not one fits.
    """
    noted = [pq.read_table(path) for path in survey(partitions, look, context, "lots")]
    table = pa.concat_tables([LOTS.empty_table(), *noted])
    drawn = table["lot"].to_numpy()
    order = np.argsort(drawn, kind="stable")
    taken = int(np.searchsorted(np.cumsum(table["length"].to_numpy()[order]), target, side="right"))
    return float(drawn[order[taken - 1]]) if taken else -1.0


def over_target(drawn: float, last: float) -> Reject:
    """Say of a text that the target was reached before its turn."""
    return Reject("over the token target", f"drew {drawn:.4f}, and the last one taken {max(last, 0):.4f}")
