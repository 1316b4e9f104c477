"""
Finding exercises in a passage, one miner a kind of finding.

Each miner yields candidates: a task it can feed, the values that fill that task's templates, and the
sentences it is made of, so that no sentence is asked about twice.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from datagen.records import pick
from datagen.stages.mine.language import Language, Pattern, capital, capitals
from datagen.stages.text.exercises import fill, unnumbered
from datagen.stages.text.sentences import ITEM, blocks, is_closed, is_sentence, split_block, unwrap

# The value that a task asks about.
ASKED = {
    "cause": "effect",
    "effect": "cause",
    "relation": "first",
    "inference": "first",
    "paraphrase": "first",
}
WORD = re.compile(r"[^\W\d_]{4,}")
KEYWORDS = 3  # asked for in one sentence (AdaptLLM's least number of domain words)
ALIKE = 6  # letters
MAX_TITLE = 120  # characters
MIN_PROSE = 2  # sentences of a passage that its heading is asked for, where it does not open with it


@dataclass(frozen=True)
class Sentence:
    """A sentence of prose on one line; sentences of one block with neighbouring numbers follow each other."""

    text: str
    block: int
    number: int


@dataclass(frozen=True)
class Candidate:
    """An exercise that could be made: its task, the values of its templates, the sentences it uses up."""

    task: str
    values: Mapping[str, str]
    sentences: frozenset[int] = field(default_factory=frozenset)


def prose(text: str, language: Language, shortest: int, longest: int) -> list[Sentence]:
    """List the sentences that can be asked about: whole, of a good length, and not twice in the text."""
    found, number = [], 0
    for block, (start, stop) in enumerate(blocks(text)):
        for begin, end in split_block(text, start, stop):
            number += 1
            mark = ITEM.match(text, begin, end)
            line = unwrap(text[mark.end() if mark else begin : end])
            if not shortest <= len(line) <= longest or not is_sentence(line) or _is_stuck(line, language):
                continue
            if begin == start and (mark or language.nominal.match(line)) and not language.verb.search(line):
                continue
            found.append(Sentence(line, block, number))
    times = Counter(sentence.text for sentence in found)
    return [sentence for sentence in found if times[sentence.text] == 1]


def _is_stuck(line: str, language: Language) -> bool:
    """Tell a citation and a sentence that something stuck to."""
    return any(mark in line for mark in language.remains) or bool(language.glued.match(line))


def within_sentences(
    sentences: list[Sentence], language: Language, draw: tuple[str, ...]
) -> Iterator[Candidate]:
    """Find definitions, causes and what else the language's patterns find inside one sentence."""
    clear = [sentence for sentence in sentences if not language.pointing.match(sentence.text)]
    whole = "\n".join(sentence.text for sentence in clear)
    for pattern in language.sentences:
        if not (cues := [cue for cue in pattern.cues if cue in whole]):
            continue
        for sentence in clear:
            if any(cue in sentence.text for cue in cues) and (match := pattern.match.match(sentence.text)):
                values = {"sentence": sentence.text, **match.groupdict("")}
                yield from _candidate(pattern, values, language, draw, sentence)


def between_sentences(
    sentences: list[Sentence], language: Language, draw: tuple[str, ...]
) -> Iterator[Candidate]:
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
                    yield from _candidate(pattern, values, language, draw, first, second)
                break


def completions(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """Ask for the sentence that follows another one."""
    for first, second in _neighbours(sentences):
        if language.pointing.match(first.text):
            continue
        values = {"first": first.text, "second": second.text}
        yield Candidate("completion", values, frozenset((first.number, second.number)))


def keywords(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """
    Ask for the one sentence that holds three long words (word-to-text).

    The words are those that the passage uses most among the long ones of the sentence; which of them
    belong to the domain is not known here.
    """
    words = [_keywords(sentence.text, language) for sentence in sentences]
    count = Counter(word for found in words for word in found)
    for sentence, found in zip(sentences, words, strict=True):
        if len(found) < KEYWORDS or language.pointing.match(sentence.text):
            continue
        best = set(sorted(found, key=lambda word: (-count[word], -len(word), word))[:KEYWORDS])
        if sum(best <= other.keys() for other in words) == 1:
            shown = [spelling for word, spelling in found.items() if word in best]
            values = {"words": language.comma.join(shown), "sentence": sentence.text}
            yield Candidate("keywords", values, frozenset((sentence.number,)))


def titles(passage: Mapping[str, Any], sentences: list[Sentence]) -> Iterator[Candidate]:
    """
    Ask for the heading of the passage: its lowest one, or the document's title.

    Headings of long documents often say nothing about a part. So the passage opens with the heading, or
    it has some prose; and at least half of the heading's words stand in the text below it.
    """
    title = unnumbered((passage.get("section") or "").split(" > ")[-1] or passage.get("title") or "")
    words = [word.casefold() for word in WORD.findall(title)]
    named = " " in title or not title[:1].islower()  # else a file's name or a key
    if not words or len(title) > MAX_TITLE or not named:
        return
    opens = title in passage["text"][: 2 * MAX_TITLE].split("\n", 1)[0]
    if not opens and len(sentences) < MIN_PROSE:
        return
    body = passage["text"].casefold().replace(title.casefold(), "", 1)
    if 2 * sum(word in body for word in words) >= len(words):
        yield Candidate("title", {"title": title})


def _neighbours(sentences: list[Sentence]) -> Iterator[tuple[Sentence, Sentence]]:
    for first, second in pairwise(sentences):
        if first.block == second.block and first.number + 1 == second.number:
            yield first, second


def _keywords(text: str, language: Language) -> dict[str, str]:
    """
    Map the words that can be keywords, in lower case, to their spelling, in the order of the text.

    Of words that begin alike (attribute, attributes) the first one counts; a sentence's first word does
    not, since its capital may be the sentence's.
    """
    found: dict[str, str] = {}
    for match in language.keyword.finditer(text, 1):
        word = match[0].lower()
        if word not in language.ordinary and not any(other[:ALIKE] == word[:ALIKE] for other in found):
            found[word] = match[0]
    return found


def _candidate(
    pattern: Pattern, groups: Mapping[str, str], language: Language, draw: tuple[str, ...], *used: Sentence
) -> Iterator[Candidate]:
    """Choose by hash one of the pattern's tasks for a match: one whose question can be understood."""
    known = capitals(groups)
    possible = []
    for task, templates in pattern.tasks.items():
        values = known | {name: fill(template, **known) for name, template in templates.items()}
        if _is_clear(values, task, language):
            possible.append(Candidate(task, values, frozenset(sentence.number for sentence in used)))
    if possible:
        yield pick(possible, "task", used[0].text, *draw)


def _is_clear(values: Mapping[str, str], task: str, language: Language) -> bool:
    """Tell whether what is asked about means something by itself, and nothing was cut inside brackets."""
    asked = values.get(ASKED.get(task, ""), "")
    return not language.pointing.match(asked) and all(map(is_closed, values.values()))
