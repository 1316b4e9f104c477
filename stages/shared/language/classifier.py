"""
Classify the language of many texts at once, with the model of py3langid (Lui and Baldwin 2011, langid.py).

The results are those of py3langid's `classify`, with normalised probabilities. It finds the n-grams of a text
with an automaton, a byte at a time in Python. The state of the automaton depends on the last few bytes only,
so it is computed here for the bytes of all texts at once.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from py3langid.langid import MODEL_FILE, LanguageIdentifier

MEMORY = 6  # bytes that determine the state: the longest n-gram of the model


class Classifier:
    """
    The model.

    Parameters
    ----------
    model
        The model as py3langid loads it.
    """

    def __init__(self, model: LanguageIdentifier) -> None:
        self._weights = model.nb_ptc.astype(np.float32)  # they are half floats, which take longer
        self._prior, self._codes = model.nb_pc, model.nb_classes
        self._repeated = [(self._codes.index(code), n) for n, code in enumerate(self._codes)]
        self._rows = np.asarray(model.tk_row, np.int64) << 8  # of the states in the table of moves
        self._moves, self._ngrams = np.asarray(model.tk_nextmove), np.asarray(model.tk_output)

    def classify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Return the most likely language of each text, and its probability."""
        if not texts:
            return []
        encoded = [_encoded(text) for text in texts]
        scores = np.stack([self._score(ngrams) for ngrams in self._found(encoded)])
        # The square root keeps the probabilities of long texts comparable with those of short ones.
        scores *= (1 / np.sqrt([len(text) or 1 for text in encoded])).astype(np.float32)[:, None]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        for first, other in self._repeated:  # a language in two scripts
            if first != other:
                scores[:, first] += scores[:, other]
                scores[:, other] = 0
        best = scores.argmax(axis=1)
        chosen = scores[np.arange(len(best)), best].tolist()
        return [(self._codes[code], probability) for code, probability in zip(best, chosen, strict=True)]

    def _score(self, ngrams: list[int]) -> npt.NDArray[np.float32]:
        """Return the log likelihood of each language."""
        if not ngrams:
            return np.zeros_like(self._prior)
        counted = Counter(ngrams)
        counts = np.fromiter(counted.values(), np.float32, len(counted))
        weights = self._weights[np.fromiter(counted, np.intp, len(counted))]
        score: npt.NDArray[np.float32] = np.log1p(counts) @ weights + self._prior
        return score

    def _found(self, encoded: Sequence[bytes]) -> list[list[int]]:
        """List the numbers of the n-grams of each text, in order."""
        letters = np.frombuffer(b"".join(encoded), np.uint8)
        lengths = np.array([len(text) for text in encoded])
        ends = np.cumsum(lengths)
        place = np.arange(len(letters)) - np.repeat(ends - lengths, lengths)
        states = np.zeros(len(letters), np.int64)
        for back in reversed(range(MEMORY)):
            at = np.flatnonzero(place >= back)
            states[at] = self._moves[self._rows[states[at]] + letters[at - back]]
        ngrams = self._ngrams[states]
        is_found = ngrams >= 0
        found = ngrams[is_found].tolist()
        cuts = np.concatenate([[0], np.cumsum(is_found)])[np.concatenate([[0], ends])].tolist()
        return [found[start:end] for start, end in pairwise(cuts)]


def _encoded(text: str) -> bytes:
    lowered = text.lower() if text.isupper() else text
    return unicodedata.normalize("NFC", lowered).encode("utf-8", "surrogatepass")


@cache
def classifier() -> Classifier:
    """Load the model."""
    return Classifier(LanguageIdentifier.from_model_file(MODEL_FILE))
