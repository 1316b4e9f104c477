"""
Mine exercises from the structure of a passage: its headings, enumerations, tables and lists of terms.

Each miner yields candidates, like those of `datagen.stages.reading.mine.miners`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from datagen.rows import PassageRow
from datagen.stages.reading.mine.language import Language, capital
from datagen.stages.reading.mine.miners import Candidate, draw
from datagen.stages.reading.mine.prose import HEADING, MARK, Sentence, is_stuck
from datagen.stages.shared.language.words import ANSWERS
from datagen.stages.shared.render.exercises import unnumbered
from datagen.stages.shared.segment.sentences import ITEM, is_closed, unwrap

LETTERS = 4  # minimum letters of a word that distinguishes a heading or an entry
STEM = 6  # letters
MAX_TITLE = 120  # characters
QUOTED = 4  # minimum words of a heading that a passage quotes on purpose
WRITTEN = 0.3  # share of the headings whose exercise asks for the passage instead of the heading
EMPHASIS = "*`"
KEPT = 4096  # cached headings: the passages of a document share them
AROUND = 40  # maximum characters around a heading on its line
WORD = re.compile(r"[^\W\d_]{2,}")
# The end of a lead-in to an enumeration.
LEADING = "—:"
# The end of a list item that another item follows.
SEMICOLON = re.compile(r";(?: \w{2,3})?\Z")
MIN_LEAD = 15  # characters
MAX_ITEMS = 20
# The first and last cell of a table row; a row of one cell that starts with a name; a name on its own line,
# with the first sentence below it. Names are in backticks. Each pattern has a cheap test that precedes it.
TEXT = r"(?P<description>[^\W\d_a-z][^|\n]{30,400}"
ENTRIES = (
    ("| ", re.compile(rf"^\| (?P<entry>[^|\n]{{3,60}}?) +\|(?:[^|\n]*\|)*? {TEXT}\.) +\|$", re.MULTILINE)),
    ("| `", re.compile(rf"^\| (?P<entry>`[^`|\n]{{2,60}}`)(?: `[^`|\n]+`)? {TEXT}\.) +\|$", re.MULTILINE)),
    (
        "`",
        re.compile(
            rf"^(?P<entry>`[^`\n]{{2,60}}`)(?: \([^\n]{{2,60}}\))?\n\n{TEXT}?\.)(?<!\.[eg]\.)(?=\s)",
            re.MULTILINE,
        ),
    ),
)


def titles(
    passage: PassageRow, sentences: list[Sentence], language: Language, alone: bool, seed: int
) -> Iterator[Candidate]:
    """
    Ask for the heading of the passage, or for the passage by its heading: the lowest descriptive heading.

    Headings of long documents often do not describe a passage. So the passage must start with the heading or
    have prose, and at least half of the words of the heading must occur in the text. A visible heading (on a
    line of the passage, quoted at length, or inside another heading) is not asked for. The passage is asked
    for only if there are other exercises; `alone` means that there are none.
    """
    text = passage["text"]
    bare = _bare(passage.get("title") or "", *(passage.get("section") or ()))
    if not sentences:
        first_line = text[: 2 * MAX_TITLE].split("\n", 1)[0]
        bare = tuple(name for name in bare if name in first_line)
    lowered = text.casefold()
    for title in bare:
        vague = language.vague.search(title)
        if not vague:
            break
        # "Function definitions" is vague as a heading, but the one above it is about more than the passage.
        if vague.start() or _is_line(title.casefold(), lowered):
            return
    else:
        return
    words = _distinctive(title)
    phrased = " " in title or not title[:1].islower()  # not a file name or a key
    if not words or len(title) > MAX_TITLE or not phrased:
        return
    folded = title.casefold()
    if folded not in lowered and _unmarked(folded) in _unmarked(lowered):
        return  # markup is part of the heading: "except*" is not "except"
    body = lowered.replace(folded, "", 1)
    if 2 * sum(word[:STEM] in body for word in words) < len(words):
        return
    quoted = len(words) >= QUOTED and folded in lowered
    visible = quoted or _is_line(folded, lowered) or any(title in name for name in bare if name != title)
    share = 1.0 if visible or "title" not in language.templates else WRITTEN
    if "writing" in language.templates and not alone and _lot(seed) < share:
        yield Candidate("writing", {"title": title, "passage": text})
    elif not visible:
        yield Candidate("title", {"title": title})


@lru_cache(maxsize=KEPT)
def _bare(*above: str) -> tuple[str, ...]:
    """List headings without their numbers, the lowest first."""
    return tuple(unnumbered(name) for name in reversed(above) if name)


def _unmarked(text: str) -> str:
    """Remove the signs of emphasis and code."""
    for sign in EMPHASIS:  # str.translate takes ten times as long where there is none
        text = text.replace(sign, "")
    return text


def _is_line(heading: str, lowered: str) -> bool:
    """Return whether a line is a heading, apart from a number, markup and one word: "§ 4a. Moving"."""
    at = lowered.find(heading)
    while at >= 0:
        stop = at + len(heading)
        start, end = lowered.rfind("\n", 0, at) + 1, lowered.find("\n", stop)
        before, after = lowered[start:at], lowered[stop : end if end >= 0 else None]
        if len(before) + len(after) <= AROUND and len(WORD.findall(f"{before} {after}")) <= 1:
            return True
        at = lowered.find(heading, stop)
    return False


@lru_cache(maxsize=KEPT)
def _distinctive(name: str) -> tuple[str, ...]:
    """List the words of a name that are long enough to distinguish it."""
    return tuple(word for word in ANSWERS(name) if sum(map(str.isalpha, word)) >= LETTERS)


def _lot(seed: int) -> float:
    return draw(seed, "written") / 2**32


def headings(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """Ask for the first sentence below the heading of a paragraph, or for the heading."""
    for sentence in sentences:
        if sentence.heading and not language.vague.search(sentence.heading):
            values = {"heading": sentence.heading, "sentence": sentence.text}
            yield Candidate("heading", values, (sentence.number,))


def enumerations(
    text: str, spans: list[tuple[int, int]], language: Language, longest: int
) -> Iterator[Candidate]:
    """Ask for a whole enumeration by its lead-in."""
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
    """Ask for a definition in a list item that ends in a semicolon, which is not a sentence."""
    for start, stop in spans:
        if ";" not in text[stop - 5 : stop] or stop - start > longest:
            continue
        mark, ended = MARK.match(text, start, stop), SEMICOLON.search(text, start, stop)
        if mark and ended:
            sentence = capital(unwrap(text[mark.end() : ended.start()])) + "."
            if not is_closed(sentence) or is_stuck(sentence, language):
                continue
            if term := defined(sentence, language):
                span = (mark.end(), ended.start())
                yield Candidate("definition", {"term": term, "definition": sentence}, spans=(span,))


def defined(sentence: str, language: Language) -> str:
    """Return the term that a sentence defines by a pattern of the language; "" if there is none."""
    for pattern in language.definitional:
        if any(cue in sentence for cue in pattern.cues) and (match := pattern.match.match(sentence)):
            return match["term"]
    return ""


def _list_end(text: str, spans: list[tuple[int, int]], at: int) -> int:
    """Return the end of the list of at least two items that starts with a block; 0 if there is none."""
    first = mark = ITEM.match(text, *spans[at])
    end = min(at + MAX_ITEMS + 1, len(spans))
    for last in range(at, end):
        if not mark or not first:
            return 0
        following = ITEM.match(text, *spans[last + 1]) if last + 1 < end else None
        if text[spans[last][1] - 1] == ".":
            complete = not following or _style(following) not in (_style(mark), _style(first))
            if complete:
                return spans[last][1] if last > at else 0
        mark = following
    return 0


def _style(mark: re.Match[str]) -> str:
    """Return the numbering style of an item: digits, Roman numerals, lower- or upper-case letters, a sign."""
    sign = mark[0].strip(" \t().")[:1]
    if sign.isdigit():
        return "1"
    if sign in "ivx":
        return "i"
    if sign.islower():
        return "a"
    return "A" if sign.isupper() else sign


def entries(text: str) -> Iterator[Candidate]:
    """Ask for the description of an entry in a table or a list of terms, or for the entry."""
    for sign, pattern in ENTRIES:
        if sign in text:
            for match in pattern.finditer(text):
                entry, description = match["entry"], match["description"]
                if _distinctive(entry) and entry not in description and is_closed(description):
                    values = {"entry": entry, "description": description}
                    yield Candidate("entry", values, spans=(match.span(),))
