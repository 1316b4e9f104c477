"""
Token targets: which texts of a corpus are taken, decided before its partitions are worked on.

With a target for the tokens of all texts together, each text draws a lot by hash, and texts are taken by
their lots until the next would pass the target. The choice does not depend on partitions, and a higher target
keeps the texts of a lower one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

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
    """What stages that write reading texts share: a target of tokens, what counts them, and the domain."""

    domain: str = Field("", description="What the corpus is about, such as law: kept in each row's metadata")

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
    """Write a table about each partition, on all workers; return the files in order of the partitions."""
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


class Taken(NamedTuple):
    """The highest lot that is taken, -1 where not one fits, and the length of all that are."""

    last: float
    length: float


def take_lots(
    partitions: Partitions, look: Callable[[Reader], pa.Table], target: float, context: Context
) -> Taken:
    """
    Take texts by their lots until the next would pass the target.

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
    """
    noted = [pq.read_table(path) for path in survey(partitions, look, context, "lots")]
    table = pa.concat_tables([LOTS.empty_table(), *noted])
    drawn = table["lot"].to_numpy()
    order = np.argsort(drawn, kind="stable")
    lengths = np.cumsum(table["length"].to_numpy()[order])
    taken = int(np.searchsorted(lengths, target, side="right"))
    return Taken(float(drawn[order[taken - 1]]), float(lengths[taken - 1])) if taken else Taken(-1.0, 0.0)


OVER_TARGET = "over the token target"


def over_target(drawn: float, last: float) -> Reject:
    """Say of a text that the target was reached before its turn."""
    return Reject(OVER_TARGET, f"drew {drawn:.4f}, and the last one taken {max(last, 0):.4f}")
