"""
Mine exercises from the sentences of a passage.

Each miner yields candidates: a task, the values for its templates, and the sentences that it uses, so that no
sentence is used twice.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple
from zlib import crc32

from datagen.stages.reading.mine.language import ASKED, Language, Pattern, Values, capital, filled
from datagen.stages.reading.mine.prose import Sentence
from datagen.stages.shared.segment.sentences import is_closed

KEYWORDS = 3  # keywords of a question
FEWEST = 2  # keywords of a sentence to find, if no other sentence has them all; AdaptLLM requires 3
ALIKE = 6  # letters; words with the same first letters count as forms of one word


class Candidate(NamedTuple):
    """
    A possible exercise: its task, and the values of its templates.

    `sentences` are the numbers of the sentences that it uses; `spans` are their offsets in the passage. Empty
    `spans` mean those of the sentences, or the whole passage. `preferred` candidates are selected before
    others of their task.
    """

    task: str
    values: Mapping[str, str]
    sentences: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    preferred: bool = False


def draw(seed: int, *texts: str) -> int:
    """
    Draw a number from the hash of texts.

    A checksum seeded with a hash: fast, because most draws are for candidates that are not selected.
    """
    for text in texts:
        seed = crc32(text.encode("utf-8", "surrogatepass"), seed)
    return seed


def within_sentences(sentences: list[Sentence], language: Language, seed: int) -> Iterator[Candidate]:
    """Find definitions, causes and other matches of the language's patterns within single sentences."""
    by_pattern = _with_cues(language.cues, [sentence.text for sentence in sentences])
    for index in sorted(by_pattern):
        pattern = language.sentences[index]
        for number in sorted(by_pattern[index]):
            sentence = sentences[number]
            if not (sentence.clear or pattern.pointing):
                continue
            if match := pattern.match.match(sentence.text):
                values = {"sentence": sentence.text, **match.groupdict("")}
                yield from _candidate(pattern, values, language, seed, sentence)


def _with_cues(cues: Sequence[tuple[str, int]], texts: list[str]) -> dict[int, set[int]]:
    """Map each pattern to the texts that contain one of its cues; all texts are searched at once."""
    joined = "\n".join(texts)
    ends = list(accumulate(len(text) + 1 for text in texts))
    by_pattern: dict[int, set[int]] = {}
    for cue, pattern in cues:
        at = joined.find(cue)
        while at >= 0:
            number = bisect_right(ends, at)
            by_pattern.setdefault(pattern, set()).add(number)
            at = joined.find(cue, ends[number])
    return by_pattern


def between_sentences(sentences: list[Sentence], language: Language, seed: int) -> Iterator[Candidate]:
    """Find consecutive sentences whose relation is marked by the opening of the second."""
    for first, second in _neighbours(sentences):
        if not second.text.startswith(language.joining):
            continue
        for pattern in language.pairs:
            if second.text.startswith(pattern.cues) and (match := pattern.match.match(second.text)):
                rest = second.text[match.end() :]
                if not capital(rest).startswith(language.joining):  # "But, for example, ..." is ambiguous
                    values = {"first": first.text, "second": rest}
                    yield from _candidate(pattern, values, language, seed, first, second)
                break


def completions(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """
    Ask for the sentence that follows another one.

    Not for one that only refers elsewhere, or whose emphasis does not end in it, nor after one that ends by
    referring elsewhere, from which nothing follows. A sentence that refers back
    ("They can be ...") follows from the one before, so it is preferred.
    """
    for first, second in _neighbours(sentences):
        text = second.text
        unended = text.startswith("*") and text.count("*") % 2 == 1
        refers = language.elsewhere.match(text) or language.referring.search(first.text)
        if first.clear and not unended and not refers:
            values = {"first": first.text, "second": text}
            yield Candidate("completion", values, (first.number, second.number), preferred=not second.clear)


def unrelated(sentences: list[Sentence], language: Language) -> Iterator[Candidate]:
    """
    Ask whether the first clear sentence decides the last one: it does not, unless they are adjacent.

    There are many such pairs. To balance the labels, one is used if there are other inferences.
    """
    clear = [sentence for sentence in sentences if sentence.clear]
    if len(clear) > 1:
        first, last = clear[0], clear[-1]
        if first.block < last.block or first.number + 1 < last.number:
            values = {"premise": first.text, "hypothesis": last.text, **language.unrelated}
            yield Candidate("inference", values, (first.number, last.number))


def keywords(sentences: list[Sentence], language: Language, domain: frozenset[str]) -> Iterator[Candidate]:
    """
    Ask for the one sentence with some domain words (word-to-text), or for three domain words of a sentence.

    The words are the domain words of the sentence that are most frequent in the passage.
    """
    words = [_keywords(sentence.text, language, domain) for sentence in sentences]
    if all(len(spellings) < FEWEST for spellings in words):
        return
    count = Counter(word for spellings in words for word in spellings)
    for sentence, spellings in zip(sentences, words, strict=True):
        if len(spellings) < FEWEST or not sentence.clear:
            continue
        best = set(sorted(spellings, key=lambda word: (-count[word], -len(word), word))[:KEYWORDS])
        if sum(best <= other.keys() for other in words) == 1:
            shown = [spelling for word, spelling in spellings.items() if word in best]
            values = {
                "words": language.comma.join(shown),
                "listed": language.conjunction.join([language.comma.join(shown[:-1]), shown[-1]]),
                "sentence": sentence.text,
            }
            yield Candidate("keywords", values, (sentence.number,))


def _neighbours(sentences: list[Sentence]) -> Iterator[tuple[Sentence, Sentence]]:
    for first, second in pairwise(sentences):
        if first.block == second.block and first.number + 1 == second.number:
            yield first, second


def _keywords(text: str, language: Language, domain: frozenset[str]) -> dict[str, str]:
    """
    Map the domain words of a text, in lower case, to their spelling, in order.

    Of words with the same first letters (attribute, attributes) only the first counts. The first word of a
    sentence is skipped, because its capital may only mark the start of the sentence.
    """
    spellings: dict[str, str] = {}
    for spelling in language.keyword.findall(text, 1):
        word = spelling.lower()
        if word in domain and not any(other[:ALIKE] == word[:ALIKE] for other in spellings):
            spellings[word] = spelling
    return spellings


def _candidate(
    pattern: Pattern, groups: dict[str, str], language: Language, seed: int, *used: Sentence
) -> Iterator[Candidate]:
    """Draw by hash one of the exercises that a match can feed and whose question can be understood."""
    group_values = Values(groups)
    first = draw(seed, used[0].text)
    for turn in range(len(pattern.feeds)):
        feed = pattern.feeds[(first + turn) % len(pattern.feeds)]
        values = groups | {name: filled(template, group_values) for name, template in feed.items()}
        if _is_clear(values, feed["task"], language):
            yield Candidate(feed["task"], values, tuple(sentence.number for sentence in used))
            return


def _is_clear(values: Mapping[str, str], task: str, language: Language) -> bool:
    """Return whether the question's subject is complete and self-contained, without revealing the answer."""
    subject = values.get(ASKED.get(task, ""), "")
    if task == "term" and values["term"].casefold() in subject.casefold():
        return False
    if task in ("condition", "consequence") and (
        language.headless.match(values["condition"]) or language.demonstrative.search(subject)
    ):
        return False
    if task in ("cause", "effect") and language.nominal.match(subject) and not language.verb.search(subject):
        return False
    return not language.pointing.match(capital(subject)) and all(map(is_closed, values.values()))
