"""
Finding exercises in what a passage is built of: its headings, enumerations, tables and lists of terms.

Each miner yields candidates, as those of `datagen.stages.reading.mine.miners` do.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from datagen.stages.reading.mine.language import Language
from datagen.stages.reading.mine.miners import Candidate, draw
from datagen.stages.reading.mine.prose import HEADING, MARK, Sentence, is_stuck
from datagen.stages.shared.language.words import ANSWERS
from datagen.stages.shared.render.exercises import unnumbered
from datagen.stages.shared.segment.sentences import ITEM, is_closed, unwrap

LETTERS = 4  # of a word that tells a heading or an entry from others
STEM = 6  # letters
MAX_TITLE = 120  # characters
MIN_PROSE = 1  # sentences of a passage that its heading is asked for, where it does not open with it
WRITTEN = 0.3  # share of the headings from which the passage is asked for, instead of the other way
# What leads to an enumeration ends so.
LEADING = "—:"
MIN_LEAD = 15  # characters
MAX_ITEMS = 20
# A row of a table, with its first cell and its last; a row of one cell that opens with a name; a name on
# a line of its own, with the first sentence below it. Names stand between backticks. Each with a sign that
# says when to look.
SAID = r"(?P<description>[^\W\d_a-z][^|\n]{30,400}"
ENTRIES = (
    ("| ", re.compile(rf"^\| (?P<entry>[^|\n]{{3,60}}?) +\|(?:[^|\n]*\|)*? {SAID}\.) +\|$", re.MULTILINE)),
    ("| `", re.compile(rf"^\| (?P<entry>`[^`|\n]{{2,60}}`)(?: `[^`|\n]+`)? {SAID}\.) +\|$", re.MULTILINE)),
    (
        "`",
        re.compile(
            rf"^(?P<entry>`[^`\n]{{2,60}}`)(?: \([^\n]{{2,60}}\))?\n\n{SAID}?\.)(?<!\.[eg]\.)(?=\s)",
            re.MULTILINE,
        ),
    ),
)


def titles(
    passage: Mapping[str, Any], sentences: list[Sentence], language: Language, seed: int
) -> Iterator[Candidate]:
    """
    Ask for the heading of the passage, or for the passage: its lowest heading that says something.

    Headings of long documents often say nothing about a part. So the passage opens with the heading, or
    it has some prose; and at least half of the heading's words stand in the text below it.
    """
    above = [passage.get("title") or "", *(passage.get("section") or ())]
    bare = [unnumbered(name) for name in reversed(above) if name]
    first_line = passage["text"][: 2 * MAX_TITLE].split("\n", 1)[0]
    if len(sentences) < MIN_PROSE:
        bare = [name for name in bare if name in first_line]
    title = next((name for name in bare if not language.vague.search(name)), "")
    words = _telling(title)
    named = " " in title or not title[:1].islower()  # else a file's name or a key
    if not words or len(title) > MAX_TITLE or not named:
        return
    body = passage["text"].casefold().replace(title.casefold(), "", 1)
    if 2 * sum(word[:STEM] in body for word in words) >= len(words):
        if "writing" in language.templates and ("title" not in language.templates or _written(seed)):
            yield Candidate("writing", {"title": title, "passage": passage["text"]})
        else:
            yield Candidate("title", {"title": title})


def _telling(name: str) -> list[str]:
    """List the words of a name that have enough letters to tell it from others."""
    return [word for word in ANSWERS(name) if sum(map(str.isalpha, word)) >= LETTERS]


def _written(seed: int) -> bool:
    return draw(seed, "written") < WRITTEN * 2**32


def headings(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """Ask what a paragraph's own heading stands over, or for the heading."""
    for sentence in sentences:
        if sentence.heading and not language.vague.search(sentence.heading):
            values = {"heading": sentence.heading, "sentence": sentence.text}
            yield Candidate("heading", values, (sentence.number,))


def enumerations(
    text: str, spans: list[tuple[int, int]], language: Language, longest: int
) -> Iterator[Candidate]:
    """Ask for a whole enumeration by the words that lead to it."""
    for at, (start, stop) in enumerate(spans[:-2]):
        if text[stop - 1] not in LEADING:
            continue
        mark = MARK.match(text, start, stop)
        own = HEADING.match(text, mark.end() if mark else start, stop)
        lead = unwrap(text[own.end() if own else mark.end() if mark else start : stop])
        if (
            len(lead) < MIN_LEAD
            or not lead[0].isupper()
            or language.pointing.match(lead)
            or not is_closed(lead)
        ):
            continue
        end = _list_end(text, spans, at + 1)
        listed = text[spans[at + 1][0] : end]
        fits = end and len(listed) <= longest and is_closed(listed)
        if fits and not is_stuck(f"{lead}\n{listed}", language):
            yield Candidate("enumeration", {"lead": lead, "items": listed})


def _list_end(text: str, spans: list[tuple[int, int]], at: int) -> int:
    """Find where the list of two items or more ends that begins with a block; 0 where there is none."""
    marks = [ITEM.match(text, *span) for span in spans[at : at + MAX_ITEMS + 1]]
    for last, mark in enumerate(marks):
        if not mark or not marks[0]:
            return 0
        following = marks[last + 1] if last + 1 < len(marks) else None
        done = not following or _style(following) not in (_style(mark), _style(marks[0]))
        if text[spans[at + last][1] - 1] == "." and done:
            return spans[at + last][1] if last else 0
    return 0


def _style(mark: re.Match[str]) -> str:
    """Tell what an item is counted with: figures, Roman numerals, small or large letters, or a sign."""
    sign = mark[0].strip(" \t().")[:1]
    return (
        "1"
        if sign.isdigit()
        else "i"
        if sign in "ivx"
        else "a"
        if sign.islower()
        else "A"
        if sign.isupper()
        else sign
    )


def entries(text: str) -> Iterator[Candidate]:
    """Ask what a table or a list of terms says about an entry, or for the entry."""
    for sign, pattern in ENTRIES:
        if sign in text:
            for match in pattern.finditer(text):
                entry, description = match["entry"], match["description"]
                if _telling(entry) and entry not in description and is_closed(description):
                    yield Candidate("entry", {"entry": entry, "description": description})
