"""
Whether an answer is in the part of the passage that its question refers to.

This detects the answer to a neighbouring question: it is in the passage verbatim, so `grounding` accepts it,
but the question's words are elsewhere.
"""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.stages.shared.language.rules import NEVER, Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.segment.sentences import split_sentences

PLACES = 100  # occurrences of an answer in its passage to consider
NEAR = 8  # distance in words at which a word of the question counts 1/e


def alignment(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.float64]:
    """
    Measure how near each answer is to its question's words in the passage, from 0 to 1.

    The mean of two numbers over the question's content words that the passage contains, each weighted by its
    rarity among the sentences:

    * the share that the answer's sentence contains, relative to the sentence that contains most;
    * their proximity to the answer: exp(-words between / `NEAR`).

    If an answer occurs several times, the best occurrence counts. An answer that is not in the passage
    verbatim is located at its content words in the sentence that contains most of them. nan without passage,
    answer or question, and where the passage contains no content word of the answer.
    """
    columns = [texts[name].to_pylist() for name in ("question", "answer", "passage")]
    passages: dict[str, _Passage] = {}
    scores = []
    for question, answer, passage in zip(*columns, strict=True):
        if not (question and answer and passage) or language.verdict.fullmatch(answer):
            scores.append(math.nan)
            continue
        if passage not in passages:
            passages[passage] = _Passage(passage, language)
        scores.append(passages[passage].score(question, answer))
    return np.array(scores, np.float64)


class _Passage:
    """A passage indexed by its content words."""

    def __init__(self, text: str, language: Language) -> None:
        self._text, self._language = text, language
        spans = list(split_sentences(text)) or [(0, len(text))]
        self._sentences = [start for start, _ in spans]
        self._words: list[tuple[int, str]] = []  # start and stem of each content word
        for start, end in words_of.spans(text):
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
        """Return the score of an answer to a question."""
        words = {word for word in self._language.content(question) if word in self._places}
        # Exact sums: those over a set depend on its order, which differs between processes.
        total = math.fsum(self._weights[word] for word in words)
        best = max(
            (math.fsum(map(self._weights.__getitem__, words & held)) for held in self._held), default=0.0
        )
        spans = list(self._spans(answer))
        if not spans:
            return math.nan
        if not total:
            return 0.0
        scores = (self._proximity(span, words) / total + self._shared(span, words) / best for span in spans)
        return min(max(scores) / 2, 1.0)

    def _spans(self, answer: str) -> Iterator[tuple[int, int]]:
        """Locate an answer: indices of its first content word and of the one after its last."""
        starts = [start for start, _ in self._words]
        verbatim = re.escape(answer.strip().rstrip("."))
        matches = islice(re.finditer(verbatim or NEVER, self._text, re.IGNORECASE), PLACES)
        spans = [(bisect_left(starts, match.start()), bisect_left(starts, match.end())) for match in matches]
        if spans:
            yield from spans
            return
        words = self._language.content(answer)
        sentence = max(range(len(self._held)), key=lambda number: len(self._held[number] & {*words}))
        places = [
            place
            for word in words
            for place in self._places.get(word, ())
            if self._sentence(self._words[place][0]) == sentence
        ]
        if places:
            yield min(places), max(places) + 1

    def _proximity(self, span: tuple[int, int], words: set[str]) -> float:
        """Sum the weighted proximity of the question's words to the answer."""
        first, end = span
        distances = {
            word: min(max(first - place, place - end + 1, 0) for place in self._places[word])
            for word in words
        }
        return math.fsum(self._weights[word] * math.exp(-far / NEAR) for word, far in distances.items())

    def _shared(self, span: tuple[int, int], words: set[str]) -> float:
        """Sum the weights of the question's words that the answer's sentence contains."""
        start = self._words[min(span[0], len(self._words) - 1)][0]
        return math.fsum(self._weights[word] for word in words & self._held[self._sentence(start)])
