"""The share of each source that is dropped, and an error if it is higher than is likely to be intended."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stages.filter.dedup.decide import Drops
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.sketch import Sketches

LARGE = 100  # minimum rows of a source whose loss is checked


@dataclass(frozen=True)
class Loss:
    """Rows of a source, dropped rows, and those dropped for another row of the same source."""

    source: str
    rows: int
    dropped: int
    within: int


def losses(sketches: Sketches, drops: Drops, earlier: int) -> list[Loss]:
    """Count the rows, and the dropped rows, of each source of this run."""
    stays = pa.array(sketches.take("source", drops.stays), pa.string())
    rows, dropped, within = Counter[str](), Counter[str](), Counter[str]()
    for start, source in sketches.column("source"):
        if start >= earlier:
            part = slice(*np.searchsorted(drops.rows, [start, start + len(source)]).tolist())
            dropped_sources = source.take(pa.array(drops.rows[part] - start)).cast(pa.string())
            rows += _count(source)
            dropped += _count(dropped_sources)
            within += _count(dropped_sources.filter(pc.equal(dropped_sources, stays[part])))
    return [Loss(name, rows[name], dropped[name], within[name]) for name in sorted(rows)]


def _count(names: pa.Array) -> Counter[str]:
    return Counter({count["values"]: count["counts"] for count in pc.value_counts(names).to_pylist()})


def check_losses(losses: list[Loss], stage: str, options: Options) -> None:
    """
    Stop the run if a source loses more than `max_loss` and the recipe does not accept it.

    Raises
    ------
    UserError
        When a loss is too high; the message explains how to accept or avoid it.
    """
    for loss in losses:
        if not loss.source or loss.rows < LARGE or loss.source in options.accept_loss:
            continue
        if loss.dropped > options.max_loss * loss.rows:
            raise UserError(
                f"{stage} would drop {loss.dropped} of the {loss.rows} rows of {loss.source} "
                f"({loss.dropped / loss.rows:.1%}): {loss.within} repeat another row of the same source, "
                f"{loss.dropped - loss.within} a row of another source or release. If that is intended, "
                f"set stages.{stage}.accept_loss: [{loss.source}] and run again; if not, "
                f"raise stages.{stage}.threshold, or keep that source out of the stage"
            )
