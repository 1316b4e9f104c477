"""
Split a text into sentences.

A fast splitter. Lines are grouped into blocks first: a hard-wrapped paragraph is one block, as is each list
item, heading and table row. Within a block, terminators end sentences unless the word before them is an
abbreviation or an initial. There is no model and no language setting: the rules apply to scripts with and
without letter case, and the abbreviations of all languages form one set.
"""

import re
import string
from collections.abc import Iterator
from functools import cache, lru_cache

from datagen.scripts import SEAMLESS, characters
from datagen.stages.shared.language.joined import abbreviations, heading_numbers
from datagen.stages.shared.language.rules import NEVER

# Terminators before a blank, and terminators of scripts without a blank after them. If a lower-case letter
# follows the blank, the sentence continues, unless it starts an identifier: "config_file is read". The class
# of all terminators comes first, because it is fast to find. A run of terminators is tried at its first one
# only, without backtracking, so that a text of nothing but full stops takes linear time.
IDENTIFIER = r"[a-z][a-z0-9.]*(?:_\w|[A-Z]\w|\(\))"
END = re.compile(
    r"[.!?…؟۔।。！？｡](?:(?<=[.!?…؟۔।])(?<![.!?…؟۔।]{2})[.!?…؟۔।]*+[\"'”’»)\]]*+(?=\s)"
    rf"(?!\s+(?!{IDENTIFIER})[a-z])"
    r"|(?<=[。！？｡])[。！？｡]*+[”’」』）】]*+)"
)
WIDE_STOPS = "。！？｡"
OPENERS = frozenset("\"'“‘«([¿¡*「『（")
NUMBER = re.compile(r"[\d§]|[A-ZА-Я]\b|[IVXLC]+\b")  # 12, § 3, B, IV
DOTTED = re.compile(
    r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}"
)  # U.S, e.g, z.B: with its last full stop, an abbreviation

# The marker of a list item, with the blank after it: "- ", "2. ", "(a)(1) ", "iv) ", "§ 12. ".
ITEM = re.compile(
    r"(?:[-*+•·‣◦▪–—#]|§+ ?[\w.–-]+|(?:\(?(?:\d{1,3}|[ivxlc]{1,5}|[IVXLC]{1,5}|[A-Za-z])[.)])++)[ \t]+"
)
# The marker of a list item inside a line, as in statutes: "“(d) ".
INNER_MARK = re.compile(r"[“\"'‘]*\((?:\d{1,3}|[ivxlc]{1,5}|[A-Za-z]{1,2})\)[ \t]")
# A heading or item that ends with its number's full stop: "SEC. 203.", "follows: 1.".
HEADING_NUMBER = (
    r"(?:[“\"'‘#* ]*(?:§+|{words})\s*|#+\s+|[^\n]*:\s+|)"
    r"(?:\d{{1,5}}(?:[–.-]\d+)*[A-Za-z]{{0,2}}|[IVXLC]{{1,6}})"
)
INITIAL = re.compile(r"[^\W\d_]\.")
CAPITALS = re.compile(r"[A-Z]{2}")
ALONE = re.compile(r"\||>>>|\W+\Z")  # table rows, an interpreter's prompt, rules under headings
FIRST_WORD = re.compile(r"\S+")
MIN_WRAP = 30  # characters; a shorter line was not hard-wrapped
LOOK_BACK = 24  # characters that are searched for an abbreviation

IDENTIFIERS = re.compile(IDENTIFIER)
LINE_BREAK = re.compile(r"(?<!\s)\s*\n\s*")  # once per run of blanks: linear
CJK = re.compile(f"[{characters(SEAMLESS)}]")

OPENING = re.compile(r"([\"'“‘«*「『]*)[(\[¿¡（]*([^\W\d_])")
CLOSED = re.compile(r"[.!?…؟۔।。！？｡][\"'”’»)\]」』）】]*\Z")
CODE = ("::=", ">>>", "{", "}", "|", "\\")
ASSIGNMENT = re.compile(r"\S+ [-+*/%&^|:]?= ")
NO_LETTER = re.compile(r"[^\w\s]|[\d_]")
# The ASCII characters that NO_LETTER does not match.
LETTERS = (string.ascii_letters + string.whitespace + "\x1c\x1d\x1e\x1f").encode()
MAX_NO_LETTERS = 0.2  # maximum share of other characters, plus two, in a sentence
PAIRS = tuple(zip("([“«「『（", ")]”»」』）", strict=True))
ASCII_PAIRS = PAIRS[:2]


def split_sentences(text: str) -> list[tuple[int, int]]:
    """
    Find the sentences of a text.

    Headings, list items, code and table rows are spans too, so that every non-blank character is in exactly
    one span. `is_sentence` checks which spans are prose.

    Returns
    -------
    list of (start, end)
        Spans in code points, in order, without blanks at their ends.
    """
    return [span for start, stop in blocks(text) for span in split_block(text, start, stop)]


def split_block(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Find the sentences of one block; the marker of a list item belongs to its first sentence."""
    spans = []
    mark = ITEM.match(text, start, stop)
    for match in END.finditer(text, mark.end() if mark else start, stop):
        if match.end() < stop and _ends(text, match, start):
            spans.append((start, match.end()))
            start = _past_blanks(text, match.end())
    return [*spans, (start, stop)]


def blocks(text: str) -> Iterator[tuple[int, int]]:
    """
    Find the blocks that contain sentences: paragraphs, list items, headings, lines of code.

    A line continues in the next one if it is hard-wrapped: the first word of the next line would not have fit
    into the widest line of the paragraph.
    """
    offset = 0
    paragraph: list[tuple[int, str]] = []
    for line in text.split("\n"):
        if line and not line.isspace():
            paragraph.append((offset, line))
        elif paragraph:
            yield from _join_lines(paragraph)
            paragraph = []
        offset += len(line) + 1
    if paragraph:
        yield from _join_lines(paragraph)


def is_sentence(text: str) -> bool:
    """
    Check whether a span on one line is a whole sentence of prose.

    It starts with a capital, a quotation mark or a letter of a script without case, ends with a terminator,
    has balanced brackets and quotes, and is neither code nor mostly digits and symbols.
    """
    opening = OPENING.match(text)
    if not opening or not CLOSED.search(text, len(text) - 4) or (opening[2].islower() and not opening[1]):
        return False
    if any(mark in text for mark in CODE) or ASSIGNMENT.match(text):
        return False
    return _no_letters(text) <= 2 + MAX_NO_LETTERS * len(text) and is_closed(text)


def _no_letters(text: str) -> int:
    """Count the characters that are neither letters nor blanks."""
    if text.isascii():
        return len(text.encode().translate(None, LETTERS))
    return len(NO_LETTER.findall(text))


def is_closed(text: str) -> bool:
    """Check whether the brackets and quotes of a text are balanced."""
    pairs = ASCII_PAIRS if text.isascii() else PAIRS
    for left, right in pairs:
        if text.count(left) != text.count(right):
            return False
    return text.count('"') % 2 == 0


def unwrap(text: str) -> str:
    """Join the lines of a span: white space becomes one blank, or nothing between CJK lines."""
    return " ".join(LINE_BREAK.sub(_joint, text.strip()).split() if "\n" in text else text.split())


def _join_lines(paragraph: list[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    if len(paragraph) == 1:
        ((offset, line),) = paragraph
        yield offset + len(line) - len(line.lstrip()), offset + len(line.rstrip())
        return
    width = max(len(line) for _, line in paragraph)
    following = [line.lstrip() for _, line in paragraph[1:]] + [""]
    start = -1
    for (offset, line), after in zip(paragraph, following, strict=True):
        stripped = line.rstrip()
        if start < 0:
            start = offset + len(line) - len(line.lstrip())
        if not _wrapped(stripped, after, width):
            yield start, offset + len(stripped)
            start = -1


def _wrapped(line: str, following: str, width: int) -> bool:
    if not following or len(line) < MIN_WRAP:
        return False
    if len(line) + 1 + FIRST_WORD.match(following).end() <= width:  # type: ignore[union-attr]
        return False
    return not (ITEM.match(following) or ALONE.match(following) or ALONE.match(line))


def _ends(text: str, match: re.Match[str], start: int) -> bool:
    """Check whether a terminator within a block ends the sentence that started at `start`."""
    mark, end = match.span()
    at = opened = _past_blanks(text, end)
    while text[at : at + 1] in OPENERS:
        at += 1
    following = text[at : at + 1]
    if at > opened and not following.isupper() and INNER_MARK.match(text, opened):
        following = ""  # the text of the item is not evidence
    if text[mark] in WIDE_STOPS:
        return end - mark == 1 or not following.isalpha() or at > end
    if following.islower() and not IDENTIFIERS.match(text, at):
        return False
    if end - mark > 2 and text[mark - 1 : mark].isspace() and CAPITALS.match(text, at):
        return False  # DELETE ... WHERE
    if text[mark] != "." or end - mark > 1:
        return True
    words = text[max(start, mark - LOOK_BACK) : mark].rsplit(None, 1)
    word = words[-1].rpartition("—")[2].lstrip("([“\"'‘«#*") if words else ""
    if (word[:1].isdigit() or word.isupper()) and _heading_number().fullmatch(
        text, max(start, mark - LOOK_BACK), mark
    ):
        return False
    kind = _abbreviation(word)
    if word.isdecimal() and _after_ordinals().match(text, at):
        return False  # 3. Oktober
    if len(word) == 1 and INITIAL.match(text, at):
        return False  # z. B.
    if kind == "number":
        return not ("(" in text[opened:at] or NUMBER.match(text, at))
    return not kind


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


@cache
def _abbreviations() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """
    Compile the abbreviations before names, and those before numbers.

    Abbreviations that can end a sentence ("etc.", "Inc.") need no entry: if the sentence continues, a
    lower-case letter follows.
    """
    listed = abbreviations()
    return (
        re.compile("|".join(listed.before_names), re.IGNORECASE),
        re.compile("|".join(listed.before_numbers), re.IGNORECASE),
    )


@cache
def _heading_number() -> re.Pattern[str]:
    return re.compile(HEADING_NUMBER.format(words=heading_numbers()))


@cache
def _after_ordinals() -> re.Pattern[str]:
    return re.compile("|".join(abbreviations().after_ordinals) or NEVER)


@lru_cache(maxsize=1 << 16)
def _abbreviation(word: str) -> str:
    """Return what an abbreviation precedes: "number" or "name"; "" for other words with a full stop."""
    before_names, before_numbers = _abbreviations()
    if before_numbers.fullmatch(word):
        return "number"
    if before_names.fullmatch(word) or DOTTED.fullmatch(word) or (len(word) == 1 and word.isupper()):
        return "name"
    return ""


def _joint(match: re.Match[str]) -> str:
    """Return the replacement of a line break: "" between CJK characters and after hyphens, else a blank."""
    before, after = match.string[match.start() - 1], match.string[match.end()]
    if CJK.match(before) and CJK.match(after):
        return ""
    hyphen = (
        before == "-" and match.string[match.start() - 2 : match.start() - 1].isalpha() and after.isalpha()
    )
    return "" if hyphen else " "
