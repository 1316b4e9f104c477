"""
Token targets: select the texts of a corpus before its partitions are processed.

With a target for the tokens of all texts together, each text draws a lot by hash, and texts are taken in the
order of their lots until the next would exceed the target. The selection does not depend on partitions, and a
higher target keeps the texts of a lower one.
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
    """Options of the stages that write reading texts: a token target, its tokenizer, and the domain."""

    domain: str = Field("", description="Domain of the corpus, such as law; stored in each row's metadata")

    tokenizer: str = Field(
        "",
        description="The target's tokenizer: bundled, a checkpoint folder, a tokenizer.json or "
        "tokenizer.model (relative to the recipe), or a Hub id",
    )
    max_total_tokens: int | None = Field(
        None, ge=0, description="Maximum tokens of all texts together; texts are sampled by hash up to it"
    )

    @model_validator(mode="after")
    def _counted(self) -> "TokenTarget":
        if self.max_total_tokens is not None and not self.tokenizer:
            raise ValueError("max_total_tokens needs a tokenizer")
        return self


def survey(
    partitions: Partitions, look: Callable[[Reader], pa.Table], context: Context, name: str
) -> list[Path]:
    """Write a table about each partition, on all workers; return the files in the order of partitions."""
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
    """Build the table of the lots and lengths of texts."""
    return pa.table([pa.array(drawn, pa.float64()), pa.array(lengths, pa.float64())], schema=LOTS)


class Taken(NamedTuple):
    """The highest lot that is taken, -1 if no text fits, and the total length of the taken texts."""

    last: float
    length: float


def take_lots(
    partitions: Partitions, look: Callable[[Reader], pa.Table], target: float, context: Context
) -> Taken:
    """
    Take texts in the order of their lots until the next would exceed the target.

    Parameters
    ----------
    partitions
        All partitions of the corpus.
    look
        Returns the lots and lengths (`lots`) of the texts of a partition.
    target
        The largest sum of the lengths.
    context
        The running stage.
    """
    tables = [pq.read_table(path) for path in survey(partitions, look, context, "lots")]
    table = pa.concat_tables([LOTS.empty_table(), *tables])
    drawn = table["lot"].to_numpy()
    order = np.argsort(drawn, kind="stable")
    lengths = np.cumsum(table["length"].to_numpy()[order])
    taken = int(np.searchsorted(lengths, target, side="right"))
    return Taken(float(drawn[order[taken - 1]]), float(lengths[taken - 1])) if taken else Taken(-1.0, 0.0)


OVER_TARGET = "over the token target"


def over_target(drawn: float, last: float) -> Reject:
    """Return the reason for a text whose lot is above the last one taken."""
    return Reject(OVER_TARGET, f"its lot is {drawn:.4f}, the last one taken {max(last, 0):.4f}")
