"""How much of each source goes, and a question where it is more than is likely to be meant."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stages.filter.dedup.decide import Fates
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.sketch import Sketches

LARGE = 100  # rows from which a source is asked about


@dataclass(frozen=True)
class Loss:
    """What a source has, what goes of it, and how much of that for another row of the same source."""

    source: str
    rows: int
    dropped: int
    within: int


def losses(sketches: Sketches, fates: Fates, earlier: int) -> list[Loss]:
    """Count the rows of each source of this run, and those that go."""
    stays = pa.array(sketches.take("source", fates.stays), pa.string())
    rows, dropped, within = Counter[str](), Counter[str](), Counter[str]()
    for start, source in sketches.column("source"):
        if start >= earlier:
            here = slice(*np.searchsorted(fates.rows, [start, start + len(source)]).tolist())
            goes = source.take(pa.array(fates.rows[here] - start)).cast(pa.string())
            rows += _count(source)
            dropped += _count(goes)
            within += _count(goes.filter(pc.equal(goes, stays[here])))
    return [Loss(name, rows[name], dropped[name], within[name]) for name in sorted(rows)]


def _count(names: pa.Array) -> Counter[str]:
    return Counter({found["values"]: found["counts"] for found in pc.value_counts(names).to_pylist()})


def ask_about(lost: list[Loss], stage: str, options: Options) -> None:
    """
    Stop the run where a source loses more than `max_loss` and the recipe does not accept it.

    Raises
    ------
    UserError
        The question, and how to answer it.
    """
    for one in lost:
        if not one.source or one.rows < LARGE or one.source in options.accept_loss:
            continue
        if one.dropped > options.max_loss * one.rows:
            raise UserError(
                f"{stage} would drop {one.dropped} of the {one.rows} rows of {one.source} "
                f"({one.dropped / one.rows:.1%}): {one.within} say what another row of it says, "
                f"{one.dropped - one.within} what a row of another source or release says. Is that right? "
                f"If it is, set stages.{stage}.accept_loss: [{one.source}] and run again; if it is not, "
                f"raise stages.{stage}.threshold, or keep that source out of the stage"
            )
