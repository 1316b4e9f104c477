"""
Overlap: let a passage begin with the last sentences of the previous one in the same section.

The repeated text begins at a sentence, a list item, or a whole table or block of code, never within one of
these, and does not include a heading.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from datagen.stages.shared.segment.blocks import blocks
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.stages.sources.chunk.cut import Span
from datagen.stages.sources.chunk.measure import Ruler


def overlapping(text: str, spans: list[Span], overlap: int, at: Ruler) -> list[Span]:
    """Move the start of each passage back by at most `overlap`, in the unit of the ruler."""
    if not overlap:
        return spans
    extended = spans[:1]
    for previous, span in itertools.pairwise(spans):
        start = span.start
        if span.path == previous.path:
            near = (
                place
                for place in _starts(text, previous)
                if place > previous.start and at(span.start) - at(place) <= overlap
            )
            start = min(near, default=start)
        extended.append(replace(span, start=start, in_code=span.in_code and start == span.start))
    return extended


def _starts(text: str, span: Span) -> Iterator[int]:
    """Yield the positions where an overlap may begin, after the passage's last heading."""
    parts = blocks(text[span.start : span.end])
    last_heading = max((place for place, block in enumerate(parts) if block.kind == "heading"), default=-1)
    for block in parts[last_heading + 1 :]:
        yield span.start + block.start
        if block.kind in ("text", "item"):
            part = text[span.start + block.start : span.start + block.end]
            yield from (span.start + block.start + start for start, _ in split_sentences(part))
