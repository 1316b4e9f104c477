"""
The size of a passage, in characters or in tokens of a named tokenizer.

The tokenizer (by default the bundled model's) is independent of the generator, so that passages and their ids
do not change with the model.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datagen.scripts import WIDE, characters
from datagen.stages.shared.tokens import ruler

Ruler = Callable[[int], int]  # position in a text -> its size up to there

IDEOGRAPH, IDEOGRAPH_SIZE = re.compile(f"[{characters(WIDE)}]"), 3
PART = 100_000  # characters to tokenize at a time, extended to the end of a line


@dataclass(frozen=True)
class Measure:
    """
    A unit of size.

    Parameters
    ----------
    unit
        characters or tokens.
    along
        Returns the ruler of a text.
    sizes
        Measures separate texts. In tokens this may differ slightly from the ruler, because a word may be
        tokenized differently at the start of a text.
    """

    unit: str
    along: Callable[[str], Ruler]
    sizes: Callable[[Sequence[str]], list[int]]


def in_characters(text: str) -> Ruler:
    """
    Return a function that measures a text up to a position in characters; an ideograph counts as three.

    An ideograph carries as much meaning as a short word.
    """
    wide = [] if text.isascii() else [match.start() for match in IDEOGRAPH.finditer(text)]
    if not wide:
        return lambda position: position
    return lambda position: position + (IDEOGRAPH_SIZE - 1) * bisect_left(wide, position)


CHARACTERS = Measure(
    "characters", in_characters, lambda texts: [in_characters(text)(len(text)) for text in texts]
)


def in_tokens(tokenizer: str, folder: Path) -> Measure:
    """
    Measure in the tokens of a tokenizer (`datagen.stages.shared.tokens.ruler`).

    Raises
    ------
    UserError
        If there is no such tokenizer.
    """
    tokens = ruler(tokenizer, folder)

    def along(text: str) -> Ruler:
        starts = [at + start for at, part in _parts(text) for start in tokens.starts(part)]
        return lambda position: bisect_left(starts, position)

    return Measure("tokens", along, tokens.lengths)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + PART) + 1 or len(text)
        yield start, text[start:end]
        start = end
