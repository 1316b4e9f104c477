"""
Finding exercises in what a passage is built of: its headings, enumerations, tables and lists of terms.

Each miner yields candidates, as those of `datagen.stages.reading.mine.miners` do.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from datagen.stages.reading.mine.language import Language, capital
from datagen.stages.reading.mine.miners import Candidate, draw
from datagen.stages.reading.mine.prose import HEADING, MARK, Sentence, is_stuck
from datagen.stages.shared.language.words import ANSWERS
from datagen.stages.shared.render.exercises import unnumbered
from datagen.stages.shared.segment.sentences import ITEM, is_closed, unwrap

LETTERS = 4  # of a word that tells a heading or an entry from others
STEM = 6  # letters
MAX_TITLE = 120  # characters
QUOTED = 4  # words of a heading that a passage has by quoting it, not by chance
WRITTEN = 0.3  # share of the headings by which the passage is asked for, instead of the heading
KEPT = 4096  # headings that are remembered: passages of a document share them
AROUND = 40  # characters that a line may have around a heading
WORD = re.compile(r"[^\W\d_]{2,}")
# What leads to an enumeration ends so.
LEADING = "—:"
# Ends an item of a list that another one follows.
SEMICOLON = re.compile(r";(?: \w{2,3})?\Z")
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
    passage: Mapping[str, Any], sentences: list[Sentence], language: Language, alone: bool, seed: int
) -> Iterator[Candidate]:
    """
    Ask for the heading of the passage, or for the passage by its heading: the lowest that says something.

    Headings of long documents often say nothing about a part. So the passage opens with the heading or has
    prose, and at least half of the heading's words occur in the text below it. A heading that a reader sees,
    on a line of the passage, quoted at length in it or inside another heading, is not asked for. The passage
    is asked for only beside other exercises: `alone` says that there are none.
    """
    text = passage["text"]
    bare = _bare(passage.get("title") or "", *(passage.get("section") or ()))
    if not sentences:
        first_line = text[: 2 * MAX_TITLE].split("\n", 1)[0]
        bare = tuple(name for name in bare if name in first_line)
    lowered = text.casefold()
    for title in bare:
        if not language.vague.search(title):
            break
        if _is_line(title.casefold(), lowered):
            return  # the passage is headed by less than what is above it
    else:
        return
    words = _telling(title)
    named = " " in title or not title[:1].islower()  # else a file's name or a key
    if not words or len(title) > MAX_TITLE or not named:
        return
    wanted = title.casefold()
    body = lowered.replace(wanted, "", 1)
    if 2 * sum(word[:STEM] in body for word in words) < len(words):
        return
    quoted = len(words) >= QUOTED and wanted in lowered
    seen = quoted or _is_line(wanted, lowered) or any(title in name for name in bare if name != title)
    share = 1.0 if seen or "title" not in language.templates else WRITTEN
    if "writing" in language.templates and not alone and _drawn(seed) < share:
        yield Candidate("writing", {"title": title, "passage": text})
    elif not seen:
        yield Candidate("title", {"title": title})


@lru_cache(maxsize=KEPT)
def _bare(*above: str) -> tuple[str, ...]:
    """List headings without their numbers, the lowest first."""
    return tuple(unnumbered(name) for name in reversed(above) if name)


def _is_line(wanted: str, lowered: str) -> bool:
    """Tell whether a line of a text is a heading, but for a number, markup and one word: "§ 4a. Moving"."""
    at = lowered.find(wanted)
    while at >= 0:
        stop = at + len(wanted)
        start, end = lowered.rfind("\n", 0, at) + 1, lowered.find("\n", stop)
        before, behind = lowered[start:at], lowered[stop : end if end >= 0 else None]
        if len(before) + len(behind) <= AROUND and len(WORD.findall(f"{before} {behind}")) <= 1:
            return True
        at = lowered.find(wanted, stop)
    return False


@lru_cache(maxsize=KEPT)
def _telling(name: str) -> tuple[str, ...]:
    """List the words of a name that have enough letters to tell it from others."""
    return tuple(word for word in ANSWERS(name) if sum(map(str.isalpha, word)) >= LETTERS)


def _drawn(seed: int) -> float:
    return draw(seed, "written") / 2**32


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
        if not fits or is_stuck(f"{lead}\n{listed}", language):
            continue
        if term := defined(f"{lead.rstrip(LEADING)} {unwrap(listed)}", language):
            values = {"term": term, "definition": f"{lead}\n{listed}"}
            yield Candidate("definition", values, spans=((start, end),))
        else:
            yield Candidate("enumeration", {"lead": lead, "items": listed}, spans=((start, end),))


def definitions(
    text: str, spans: list[tuple[int, int]], language: Language, longest: int
) -> Iterator[Candidate]:
    """Ask for what an item of a list defines that ends in a semicolon, and so is no sentence."""
    for start, stop in spans:
        if ";" not in text[stop - 5 : stop] or stop - start > longest:
            continue
        mark, ended = MARK.match(text, start, stop), SEMICOLON.search(text, start, stop)
        if mark and ended:
            said = capital(unwrap(text[mark.end() : ended.start()])) + "."
            if is_closed(said) and not is_stuck(said, language) and (term := defined(said, language)):
                span = (mark.end(), ended.start())
                yield Candidate("definition", {"term": term, "definition": said}, spans=(span,))


def defined(sentence: str, language: Language) -> str:
    """Name the term that a sentence defines by one of the language's patterns; "" where it defines none."""
    for pattern in language.definitional:
        if any(cue in sentence for cue in pattern.cues) and (match := pattern.match.match(sentence)):
            return match["term"]
    return ""


def _list_end(text: str, spans: list[tuple[int, int]], at: int) -> int:
    """Find where the list of two items or more ends that begins with a block; 0 where there is none."""
    first = mark = ITEM.match(text, *spans[at])
    end = min(at + MAX_ITEMS + 1, len(spans))
    for last in range(at, end):
        if not mark or not first:
            return 0
        following = ITEM.match(text, *spans[last + 1]) if last + 1 < end else None
        if text[spans[last][1] - 1] == ".":
            done = not following or _style(following) not in (_style(mark), _style(first))
            if done:
                return spans[last][1] if last > at else 0
        mark = following
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
                    values = {"entry": entry, "description": description}
                    yield Candidate("entry", values, spans=(match.span(),))
