"""How similar a part of a row is to a test item."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel, Levenshtein

from datagen.stages.shared.language.columns import SMALL, words
from datagen.stages.shared.language.joined import built_in_languages
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.critical_words import critical_words, qualifiers, request_words

STEM = 4  # minimum letters that inflected forms of a word share

Cased = list[tuple[str, int]]  # words, and the class of the first letter of each


def likeness(text: Sequence[int], item: Sequence[int]) -> tuple[float, slice]:
    """Compute ROUGE-L of an item with the most similar part of a text, and this part; both as word hashes."""
    score, part = fuzz.ratio(text, item), slice(0, len(text))
    best = fuzz.partial_ratio_alignment(item, text) if len(text) > len(item) else None
    if best is not None:
        score, part = best.score, slice(best.dest_start, best.dest_end)
    return score / 100, part


def reordered(text: Sequence[int], item: Sequence[int]) -> float:
    """Return the share of an item's words that a text contains in any order, with multiplicity."""
    shared = Counter(text) & Counter(item)
    return shared.total() / len(item)


def edited(item: str, item_hashes: Sequence[int], text: str, hashes: Sequence[int]) -> slice | None:
    """
    Find an item in a text with one word replaced, added or removed.

    The word must not change the meaning: not a name, a number or a negation, nor a qualifier
    (`datagen.stages.shared.similarity.meaning`) that is added, removed or replaced by another qualifier. A
    question about another town, or about the last instead of the first one, is another question.

    Returns
    -------
    slice or None
        The part of the text's words that matches the item.
    """
    size = len(item_hashes)
    whole: Cased | None = None
    for length in (size, size + 1, size - 1):
        for start in range(len(hashes) - length + 1):
            part = hashes[start : start + length]
            if Indel.distance(part, item_hashes) > 2 or Levenshtein.distance(part, item_hashes) != 1:
                continue
            if length != size and (part[0], part[-1]) != (item_hashes[0], item_hashes[-1]):
                continue  # a word missing at an end may be replaced by its neighbour
            whole = whole or _cased(text)
            if _same_meaning(_cased(item), whole[start : start + length]):
                return slice(start, start + length)
    return None


def _cased(text: str) -> Cased:
    """List the words of a text, each with the class of its first letter."""
    cut = words(pa.array([text]), symbols=False, cased=True)
    cases = np.empty(0, np.uint8) if cut.capitals is None else cut.capitals
    return [*zip(cut.words.to_pylist(), cases.tolist(), strict=True)]


def _same_meaning(item: Cased, part: Cased) -> bool:
    """Test that an item and a part of a text that differ in one word ask the same."""
    item_words, part_words = (Counter(word for word, _ in side) for side in (item, part))
    removed, added = {*(item_words - part_words)}, {*(part_words - item_words)}
    ordinary = request_words()
    names = {word for word, case in (*item, *part) if case != SMALL and word not in ordinary}
    different = removed | added
    if different & (critical_words() - qualifiers() | names) or not all(map(str.isalpha, different)):
        return False
    qualifying = different & qualifiers()
    # The lists have both of two opposites, so a word that replaces only one of them is a synonym.
    return not qualifying or bool(removed and added and (qualifying != different or _inflected(*different)))


def _inflected(word: str, other: str) -> bool:
    """Test whether two words are forms of one, by the endings of any language."""
    return any(
        len(stem) >= STEM
        for language in built_in_languages()
        for stem in _stems(word, language) & _stems(other, language)
    )


def _stems(word: str, language: Language) -> set[str]:
    """List a word, and what it may be a form of."""
    endings = language.inflections | dict.fromkeys(language.adverb_endings, ("",))
    return {word} | {
        word.removesuffix(ending) + base
        for ending, bases in endings.items()
        if word.endswith(ending)
        for base in bases
    }
