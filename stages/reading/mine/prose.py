"""The sentences of a passage that exercises can use."""

import re
from collections import Counter
from typing import NamedTuple

from datagen.stages.reading.mine.language import Language
from datagen.stages.shared.segment.sentences import ITEM, is_sentence, split_block, unwrap

# Prefixes of a sentence: an item marker, possibly quoted, and a heading that runs into the sentence
# ("(b) Burden of Proof.— ...") or has its own line.
MARK = re.compile(rf"[“\"]?(?:{ITEM.pattern})")
HEADING = re.compile(r"(?=[^\W\d_])([^.!?:;—\n]{3,80}?) ?\.[—–]\s*")
# A name on its own line: the text below describes it.
ENTRY = re.compile(r"`[^`\n]{2,60}`(?: \([^\n]{2,60}\))?\Z")


class Sentence(NamedTuple):
    """
    A sentence of prose on one line; sentences of one block with consecutive numbers are adjacent.

    `clear`: it can be understood without the previous sentence; `heading`: the heading directly above or
    before it; `span`: its offsets in the passage.
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
    """List the complete sentences with a length in the limits that occur once in the text."""
    sentences, number, above, is_entry = [], 0, "", False
    headed = ".—" in text or ".–" in text
    for block, (start, stop) in enumerate(spans):
        heading, above = above, ""
        below_entry, is_entry = is_entry, text[start] == "`" and ENTRY.match(text, start, stop) is not None
        if stop - start < shortest and not headed:
            number += 1
            continue  # none of its sentences is long enough
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
                continue  # a cheaper test than is_sentence
            line = unwrap(text[first:end])
            if not shortest <= len(line) <= longest or is_stuck(line, language) or not is_sentence(line):
                continue
            if begin == start and (mark or language.nominal.match(line)) and not language.verb.search(line):
                continue
            clear = not below_entry and not language.pointing.match(line)
            sentences.append(Sentence(line, block, number, clear, heading, (first, end)))
    if len({sentence.text for sentence in sentences}) == len(sentences):
        return sentences
    count = Counter(sentence.text for sentence in sentences)
    return [sentence for sentence in sentences if count[sentence.text] == 1]


def is_stuck(line: str, language: Language) -> bool:
    """Return whether a sentence has residue of notes and markup, or a heading merged into it."""
    for mark in language.remains:
        if mark in line:
            return True
    return bool(language.glued.match(line))
