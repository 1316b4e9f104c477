"""
Whether an answer stands where its question points in the passage.

This finds the answer to a neighbouring question: it is in the passage, word by word, so `grounding` sees
nothing wrong with it, but the words of the question are elsewhere.
"""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.stages.shared.language.rules import NEVER, Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.segment.sentences import split_sentences

PLACES = 100  # of an answer in its passage that are looked at
NEAR = 8  # words between an answer and a word of its question at which that counts 1/e


def alignment(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.float64]:
    """
    Say of each answer how near it stands to its question's words in the passage, from 0 to 1.

    The mean of two numbers, over the question's content words that the passage has, each weighed by how few
    of the sentences have it:

    * the share that the answer's sentence has, compared with the sentence that has most;
    * their nearness to the answer: exp(-words between / `NEAR`).

    Of several places in which an answer stands the best counts; one that is not in the passage word by word
    stands at its own content words in the sentence that has most of them. nan without passage, answer or
    question, and where the passage has no content word of the answer.
    """
    columns = [texts[name].to_pylist() for name in ("question", "answer", "passage")]
    known: dict[str, _Passage] = {}
    scores = []
    for question, answer, passage in zip(*columns, strict=True):
        if not (question and answer and passage) or language.verdict.fullmatch(answer):
            scores.append(math.nan)
            continue
        if passage not in known:
            known[passage] = _Passage(passage, language)
        scores.append(known[passage].score(question, answer))
    return np.array(scores, np.float64)


class _Passage:
    """A passage whose words have been looked up."""

    def __init__(self, text: str, language: Language) -> None:
        self._text, self._language = text, language
        spans = list(split_sentences(text)) or [(0, len(text))]
        self._sentences = [start for start, _ in spans]
        self._words: list[tuple[int, str]] = []  # where each content word begins, and its stem
        for start, end in [*words_of.spans(text)]:
            word = text[start:end].casefold()
            if word not in language.stop:
                self._words.append((start, language.stem(word)))
        self._places: dict[str, list[int]] = defaultdict(list)
        self._held: list[set[str]] = [set() for _ in spans]
        for place, (start, stem) in enumerate(self._words):
            self._places[stem].append(place)
            self._held[self._sentence(start)].add(stem)

    @cached_property
    def _weights(self) -> dict[str, float]:
        times = Counter(stem for held in self._held for stem in held)
        return {stem: math.log(1 + len(self._held) / (1 + count)) for stem, count in times.items()}

    def _sentence(self, start: int) -> int:
        return max(bisect_left(self._sentences, start + 1) - 1, 0)

    def score(self, question: str, answer: str) -> float:
        """Give the score of an answer to a question."""
        said = self._language.content(answer)
        asked = {word for word in self._language.content(question) if word in self._places}
        total = sum(self._weights[word] for word in asked)
        best = max((sum(map(self._weights.__getitem__, asked & held)) for held in self._held), default=0.0)
        spans = list(self._spans(answer, said))
        if not spans:
            return math.nan
        if not total:
            return 0.0
        found = max(self._of(span, asked) / total + self._shared(span, asked) / best for span in spans) / 2
        return min(found, 1.0)

    def _spans(self, answer: str, said: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Go through the places of an answer: its first content word and the one behind its last."""
        starts = [start for start, _ in self._words]
        found = False
        whole = re.escape(answer.strip().rstrip("."))
        for match in islice(re.finditer(whole or NEVER, self._text, re.IGNORECASE), PLACES):
            found = True
            yield bisect_left(starts, match.start()), bisect_left(starts, match.end())
        if found:
            return
        held = max(range(len(self._held)), key=lambda number: len(self._held[number] & {*said}))
        places = [
            place
            for word in said
            for place in self._places.get(word, ())
            if self._sentence(self._words[place][0]) == held
        ]
        if places:
            yield min(places), max(places) + 1

    def _of(self, span: tuple[int, int], asked: set[str]) -> float:
        """Add up the nearness of the question's words."""
        first, behind = span
        total = 0.0
        for word in asked:
            apart = min(max(first - place, place - behind + 1, 0) for place in self._places[word])
            total += self._weights[word] * math.exp(-apart / NEAR)
        return total

    def _shared(self, span: tuple[int, int], asked: set[str]) -> float:
        """Add up the weights of the question's words that the answer's sentence has."""
        at = self._words[min(span[0], len(self._words) - 1)][0]
        return sum(self._weights[word] for word in asked & self._held[self._sentence(at)])
