"""
Finding exercises in a passage, one miner a kind of finding.

Each miner yields candidates: a task it can feed, the values that fill that task's templates, and the
sentences it is made of, so that no sentence is asked about twice.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from zlib import crc32

from datagen.stages.mine.language import ASKED, Language, Pattern, Values, capital, filled
from datagen.stages.text.exercises import unnumbered
from datagen.stages.text.sentences import ITEM, is_closed, is_sentence, split_block, unwrap

# What may stand in front of a sentence: the mark of an item, also of a quoted one, and a heading that runs
# into it ("(b) Burden of Proof.— ...") or has its line to itself.
MARK = re.compile(rf"[“\"]?(?:{ITEM.pattern})")
HEADING = re.compile(r"(?=[^\W\d_])([^.!?:;—\n]{3,80}?) ?\.[—–]\s*")
# What leads to an enumeration ends so.
LEADING = "—:"
MIN_LEAD = 15  # characters
# A row of a table, with its first cell and its last; a row of one cell that opens with a name; a term on a
# line of its own, with the first sentence below it. Names stand between backticks.
ENTRY = tuple(
    (sign, re.compile(pattern, re.MULTILINE))
    for sign, pattern in (
        (
            "| ",
            r"^\| (?P<entry>[^|\n]{3,60}?) +\|(?:[^|\n]*\|)*? (?P<description>[A-Z][^|\n]{30,400}\.) +\|$",
        ),
        (
            "| `",
            r"^\| (?P<entry>`[^`|\n]{2,60}`)(?: `[^`|\n]+`)? (?P<description>[A-Z][^|\n]{30,400}\.) +\|$",
        ),
        (
            "`",
            r"^(?P<entry>`[^`\n]{2,60}`)(?: \([^\n]{2,60}\))?\n\n"
            r"(?P<description>[A-Z][^\n]{30,400}?\.)(?<!\.[eg]\.)(?=\s)",
        ),
    )
)
ENTRY_LINE = re.compile(r"`[^`\n]{2,60}`(?: \([^\n]{2,60}\))?\Z")
ENTERED = "`"  # stands for the heading of a sentence below such a line: it speaks of the entry
WORD = re.compile(r"[^\W\d_]{4,}")
KEYWORDS = 3  # asked for in one sentence (AdaptLLM's least number of domain words)
ALIKE = 6  # letters
MAX_TITLE = 120  # characters
MIN_PROSE = 2  # sentences of a passage that its heading is asked for, where it does not open with it


class Sentence(NamedTuple):
    """
    A sentence of prose on one line; sentences of one block with neighbouring numbers follow each other.

    `clear` says that it means something without the one before; `heading` stands right above or in front of
    it.
    """

    text: str
    block: int
    number: int
    clear: bool
    heading: str = ""


class Candidate(NamedTuple):
    """An exercise that could be made: its task, the values of its templates, the sentences it uses up."""

    task: str
    values: Mapping[str, str]
    sentences: tuple[int, ...] = ()


def draw(seed: int, *texts: str) -> int:
    """
    Draw a number by the hash of texts, to choose with.

    Quick, for the many that are not chosen: a checksum, begun with a number that is itself a hash.
    """
    for text in texts:
        seed = crc32(text.encode("utf-8", "surrogatepass"), seed)
    return seed


def prose(
    text: str, spans: list[tuple[int, int]], language: Language, shortest: int, longest: int
) -> list[Sentence]:
    """List the sentences that can be asked about: whole, of a good length, and not twice in the text."""
    found, number, above = [], 0, ""
    headed = ".—" in text or ".–" in text
    for block, (start, stop) in enumerate(spans):
        heading, above = above, ""
        for begin, end in split_block(text, start, stop):
            number += 1
            mark = MARK.match(text, begin, end)
            first = mark.end() if mark else begin
            if headed and (own := HEADING.match(text, first, end)):
                heading, first = own[1], own.end()
                if first == end:
                    above = heading
            elif begin > start:
                heading = ""
            elif ENTRY_LINE.match(text, begin, end):
                above = ENTERED
            if not shortest <= end - first < 2 * longest or text[first].islower() or text[end - 1].isalnum():
                continue  # what is_sentence would say of it, at less cost
            line = unwrap(text[first:end])
            if not shortest <= len(line) <= longest or not is_sentence(line) or _is_stuck(line, language):
                continue
            if begin == start and (mark or language.nominal.match(line)) and not language.verb.search(line):
                continue
            clear = heading != ENTERED and not language.pointing.match(line)
            found.append(Sentence(line, block, number, clear, heading))
    times = Counter(sentence.text for sentence in found)
    return [sentence for sentence in found if times[sentence.text] == 1]


def _is_stuck(line: str, language: Language) -> bool:
    """Tell a citation and a sentence that something stuck to."""
    for mark in language.remains:
        if mark in line:
            return True
    return bool(language.glued.match(line))


def within_sentences(sentences: list[Sentence], language: Language, seed: int) -> Iterator[Candidate]:
    """Find definitions, causes and what else the language's patterns find inside one sentence."""
    holding = _holding(language.cues, [sentence.text for sentence in sentences])
    for pattern in sorted(holding):
        looked_for = language.sentences[pattern]
        for number in sorted(holding[pattern]):
            sentence = sentences[number]
            if not (sentence.clear or looked_for.pointing):
                continue
            if match := looked_for.match.match(sentence.text):
                values = {"sentence": sentence.text, **match.groupdict("")}
                yield from _candidate(looked_for, values, language, seed, sentence)


def _holding(cues: Sequence[tuple[str, int]], texts: list[str]) -> dict[int, set[int]]:
    """Find which texts hold a cue of which pattern; all texts are searched at once."""
    whole = "\n".join(texts)
    ends = list(accumulate(len(text) + 1 for text in texts))
    found: dict[int, set[int]] = {}
    for cue, pattern in cues:
        at = whole.find(cue)
        while at >= 0:
            number = bisect_right(ends, at)
            found.setdefault(pattern, set()).add(number)
            at = whole.find(cue, ends[number])
    return found


def between_sentences(sentences: list[Sentence], language: Language, seed: int) -> Iterator[Candidate]:
    """Find two sentences in a row whose relation is told by how the second opens."""
    joining = tuple(cue for pattern in language.pairs for cue in pattern.cues)
    for first, second in _neighbours(sentences):
        if not second.text.startswith(joining):
            continue
        for pattern in language.pairs:
            if second.text.startswith(pattern.cues) and (match := pattern.match.match(second.text)):
                rest = second.text[match.end() :]
                if not capital(rest).startswith(joining):  # "But, for example, ...": which of the two?
                    values = {"first": first.text, "second": rest}
                    yield from _candidate(pattern, values, language, seed, first, second)
                break


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
        for last in range(at + 1, len(spans)):
            first, end = spans[last]
            if not ITEM.match(text, first, end) or end - spans[at + 1][0] > longest:
                break
            if text[end - 1] == ".":
                listed = text[spans[at + 1][0] : end]
                if last > at + 1 and is_closed(listed) and not _is_stuck(f"{lead}\n{listed}", language):
                    yield Candidate("enumeration", {"lead": lead, "items": listed})
                break


def entries(text: str) -> Iterator[Candidate]:
    """Ask what a table or a list of terms says about an entry, or for the entry."""
    for sign, pattern in ENTRY:
        if sign in text:
            for match in pattern.finditer(text):
                entry, description = match["entry"], match["description"]
                if WORD.search(entry) and entry not in description and is_closed(description):
                    yield Candidate("entry", {"entry": entry, "description": description})


def completions(sentences: list[Sentence]) -> Iterator[Candidate]:
    """Ask for the sentence that follows another one."""
    for first, second in _neighbours(sentences):
        if first.clear:
            values = {"first": first.text, "second": second.text}
            yield Candidate("completion", values, (first.number, second.number))


def unrelated(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """
    Ask whether the first clear sentence decides the last one: it does not, unless they are neighbours.

    There are many such pairs. To keep the answers even, one is made where other inferences were found.
    """
    clear = [sentence for sentence in sentences if sentence.clear]
    if len(clear) > 1:
        first, last = clear[0], clear[-1]
        if first.block < last.block or first.number + 1 < last.number:
            values = {"premise": first.text, "hypothesis": last.text, **language.unrelated}
            yield Candidate("inference", values, (first.number, last.number))


def keywords(sentences: list[Sentence], language: Language, domain: frozenset[str]) -> Iterator[Candidate]:
    """
    Ask for the one sentence that holds three words of the domain (word-to-text), or for the words.

    The words are those that the passage uses most among the domain's words in the sentence.
    """
    words = [_keywords(sentence.text, language, domain) for sentence in sentences]
    count = Counter(word for found in words for word in found)
    for sentence, found in zip(sentences, words, strict=True):
        if len(found) < KEYWORDS or not sentence.clear:
            continue
        best = set(sorted(found, key=lambda word: (-count[word], -len(word), word))[:KEYWORDS])
        if sum(best <= other.keys() for other in words) == 1:
            shown = [spelling for word, spelling in found.items() if word in best]
            values = {"words": language.comma.join(shown), "sentence": sentence.text}
            yield Candidate("keywords", values, (sentence.number,))


def headings(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """Ask what a paragraph's own heading stands over, or for the heading."""
    for sentence in sentences:
        if sentence.heading not in ("", ENTERED) and not language.vague.fullmatch(sentence.heading):
            values = {"heading": sentence.heading, "sentence": sentence.text}
            yield Candidate("heading", values, (sentence.number,))


def titles(passage: Mapping[str, Any], sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """
    Ask for the heading of the passage, or for the passage: its lowest heading that says something.

    Headings of long documents often say nothing about a part. So the passage opens with the heading, or
    it has some prose; and at least half of the heading's words stand in the text below it.
    """
    above = [passage.get("title") or "", *(passage.get("section") or "").split(" > ")]
    said = [bare for name in above if (bare := unnumbered(name)) and not language.vague.fullmatch(bare)]
    title = said[-1] if said else ""
    words = [word.casefold() for word in WORD.findall(title)]
    named = " " in title or not title[:1].islower()  # else a file's name or a key
    if not words or len(title) > MAX_TITLE or not named:
        return
    opens = title in passage["text"][: 2 * MAX_TITLE].split("\n", 1)[0]
    if not opens and len(sentences) < MIN_PROSE:
        return
    body = passage["text"].casefold().replace(title.casefold(), "", 1)
    if 2 * sum(word[:ALIKE] in body for word in words) >= len(words):
        yield Candidate("title", {"title": title})
        yield Candidate("writing", {"title": title, "passage": passage["text"]})


def _neighbours(sentences: list[Sentence]) -> Iterator[tuple[Sentence, Sentence]]:
    for first, second in pairwise(sentences):
        if first.block == second.block and first.number + 1 == second.number:
            yield first, second


def _keywords(text: str, language: Language, domain: frozenset[str]) -> dict[str, str]:
    """
    Map the domain's words, in lower case, to their spelling, in the order of the text.

    Of words that begin alike (attribute, attributes) the first one counts; a sentence's first word does
    not, since its capital may be the sentence's.
    """
    found: dict[str, str] = {}
    for spelling in language.keyword.findall(text, 1):
        word = spelling.lower()
        if word in domain and not any(other[:ALIKE] == word[:ALIKE] for other in found):
            found[word] = spelling
    return found


def _candidate(
    pattern: Pattern, groups: dict[str, str], language: Language, seed: int, *used: Sentence
) -> Iterator[Candidate]:
    """Choose by hash one of the exercises that a match can feed: one whose question can be understood."""
    known = Values(groups)
    first = draw(seed, used[0].text)
    for turn in range(len(pattern.feeds)):
        feed = pattern.feeds[(first + turn) % len(pattern.feeds)]
        values = groups | {name: filled(template, known) for name, template in feed.items()}
        if _is_clear(values, feed["task"], language):
            yield Candidate(feed["task"], values, tuple(sentence.number for sentence in used))
            return


def _is_clear(values: Mapping[str, str], task: str, language: Language) -> bool:
    """Tell whether what is asked about stands alone and gives no answer away, and no bracket was cut open."""
    asked = values.get(ASKED.get(task, ""), "")
    if task == "term" and values["term"].casefold() in asked.casefold():
        return False
    return not language.pointing.match(capital(asked)) and all(map(is_closed, values.values()))
