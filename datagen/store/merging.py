"""Which segments of completions are merged, and in which order their rows are written."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from datagen.store.segments import Segment

FAN = 8  # number of segments of similar size that are merged into one
FULL_BYTES = 1 << 31  # size above which a segment is not merged again


def is_error(table: pa.Table) -> pa.ChunkedArray:
    """Return for each completion whether it is a rejection."""
    return pc.equal(table["finish"], "error")


def answers_first(segments: Sequence[Segment], damage: Mapping[Segment, list[str]]) -> Iterator[pa.Table]:
    """Yield the segments' answers, then their rejections: lookups find the first row of a key."""
    rejections = 0
    for segment in segments:
        for table in segment.scan(damage[segment]):
            errors = is_error(table)
            rejections += pc.sum(errors).as_py() or 0
            yield table.filter(pc.invert(errors))
    if rejections:
        for segment in segments:
            for table in segment.scan([]):
                yield table.filter(is_error(table))


def mergeable(segments: Sequence[Segment]) -> list[Segment]:
    """
    Select segments of similar size to merge.

    Size classes are powers of `FAN`. A row is therefore copied about once per power below `FULL_BYTES`, and
    after merging each class has fewer than `FAN` segments.
    """
    sizes: dict[int, list[tuple[Segment, int]]] = {}
    for segment in segments:
        if 0 < (size := segment.path.stat().st_size) < FULL_BYTES:
            sizes.setdefault(int(math.log(size, FAN)), []).append((segment, size))
    for _, members in sorted(sizes.items()):
        if len(members) >= FAN:
            totals = accumulate((size for _, size in members), initial=0)  # of the segments before each
            return [
                segment for (segment, _), total in zip(members, totals, strict=False) if total < FULL_BYTES
            ]
    return []
