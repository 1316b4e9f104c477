"""
Finding exercises in the sentences of a passage, one miner a kind of finding.

Each miner yields candidates: a task it can feed, the values that fill that task's templates, and the
sentences it is made of, so that no sentence is asked about twice.
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

KEYWORDS = 3  # of a sentence that is asked about
FEWEST = 2  # of a sentence that is asked for, where no other one has both; AdaptLLM wants 3
ALIKE = 6  # letters


class Candidate(NamedTuple):
    """
    An exercise that could be made: its task, and the values of its templates.

    `sentences` are the numbers of those that it uses up; `spans`, where the passage has what it is made of,
    are those of the sentences if left out, or of all of the passage.
    """

    task: str
    values: Mapping[str, str]
    sentences: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


def draw(seed: int, *texts: str) -> int:
    """
    Draw a number by the hash of texts, to choose with.

    Quick, for the many that are not chosen: a checksum, begun with a number that is itself a hash.
    """
    for text in texts:
        seed = crc32(text.encode("utf-8", "surrogatepass"), seed)
    return seed


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
    Ask for the one sentence that has these domain words (word-to-text), or for the three words of a sentence.

    The words are those that the passage uses most among the domain words of the sentence.
    """
    words = [_keywords(sentence.text, language, domain) for sentence in sentences]
    if all(len(found) < FEWEST for found in words):
        return
    count = Counter(word for found in words for word in found)
    for sentence, found in zip(sentences, words, strict=True):
        if len(found) < FEWEST or not sentence.clear:
            continue
        best = set(sorted(found, key=lambda word: (-count[word], -len(word), word))[:KEYWORDS])
        if sum(best <= other.keys() for other in words) == 1:
            shown = [spelling for word, spelling in found.items() if word in best]
            values = {"words": language.comma.join(shown), "sentence": sentence.text}
            yield Candidate("keywords", values, (sentence.number,))


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
    """Tell whether what is asked about is whole, stands alone and gives no answer away."""
    asked = values.get(ASKED.get(task, ""), "")
    if task == "term" and values["term"].casefold() in asked.casefold():
        return False
    bare = task in ("cause", "effect") and language.nominal.match(asked) and not language.verb.search(asked)
    return not (bare or language.pointing.match(capital(asked))) and all(map(is_closed, values.values()))
