"""The sentences of a passage that can be asked about."""

import re
from collections import Counter
from typing import NamedTuple

from datagen.stages.reading.mine.language import Language
from datagen.stages.shared.segment.sentences import ITEM, is_sentence, split_block, unwrap

# What may stand in front of a sentence: the mark of an item, also of a quoted one, and a heading that runs
# into it ("(b) Burden of Proof.— ...") or has its line to itself.
MARK = re.compile(rf"[“\"]?(?:{ITEM.pattern})")
HEADING = re.compile(r"(?=[^\W\d_])([^.!?:;—\n]{3,80}?) ?\.[—–]\s*")
# A name on a line of its own: what stands below it speaks of it.
ENTRY = re.compile(r"`[^`\n]{2,60}`(?: \([^\n]{2,60}\))?\Z")


class Sentence(NamedTuple):
    """
    A sentence of prose on one line; sentences of one block with neighbouring numbers follow each other.

    `clear` says that it means something without the one before; `heading` stands right above or in front of
    it; `span` is where it stands in the passage.
    """

    text: str
    block: int
    number: int
    clear: bool
    heading: str = ""
    span: tuple[int, int] = (0, 0)


def prose(
    text: str, spans: list[tuple[int, int]], language: Language, shortest: int, longest: int
) -> list[Sentence]:
    """List the sentences that can be asked about: whole, of a good length, and not twice in the text."""
    found, number, above, entered = [], 0, "", False
    headed = ".—" in text or ".–" in text
    for block, (start, stop) in enumerate(spans):
        heading, above = above, ""
        below, entered = entered, text[start] == "`" and ENTRY.match(text, start, stop) is not None
        for begin, end in split_block(text, start, stop):
            number += 1
            if end - begin < shortest and not headed:
                continue
            mark = MARK.match(text, begin, end)
            first = mark.end() if mark else begin
            if headed and (own := HEADING.match(text, first, end)):
                heading, first = own[1], own.end()
                if first == end:
                    above = heading
            elif begin > start:
                heading = ""
            if not shortest <= end - first < 2 * longest or text[first].islower() or text[end - 1].isalnum():
                continue  # what is_sentence would say of it, at less cost
            line = unwrap(text[first:end])
            if not shortest <= len(line) <= longest or is_stuck(line, language) or not is_sentence(line):
                continue
            if begin == start and (mark or language.nominal.match(line)) and not language.verb.search(line):
                continue
            clear = not below and not language.pointing.match(line)
            found.append(Sentence(line, block, number, clear, heading, (first, end)))
    if len({sentence.text for sentence in found}) == len(found):
        return found
    times = Counter(sentence.text for sentence in found)
    return [sentence for sentence in found if times[sentence.text] == 1]


def is_stuck(line: str, language: Language) -> bool:
    """Tell a citation and a sentence that something stuck to."""
    for mark in language.remains:
        if mark in line:
            return True
    return bool(language.glued.match(line))
