"""How similar a part of a row is to a test item."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel, Levenshtein

from datagen.stages.shared.language.columns import NAME, words
from datagen.stages.shared.similarity.meaning import telling_words


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


def edited(
    item_text: str, item: Sequence[int], row: Sequence[str], hashes: Sequence[int], text: str
) -> slice | None:
    """
    Find an item in a text with one word replaced, added or removed.

    The word must not change the meaning: not a name, a number, a negation or another distinctive word
    (`datagen.stages.shared.similarity.meaning`), since a question about another town is another question.

    Returns
    -------
    slice or None
        The part of the text's words that matches the item.
    """
    size = len(item)
    for length in (size, size + 1, size - 1):
        for start in range(len(hashes) - length + 1):
            part = hashes[start : start + length]
            if Indel.distance(part, item) > 2 or Levenshtein.distance(part, item) != 1:
                continue
            if length != size and (part[0], part[-1]) != (item[0], item[-1]):
                continue  # a word missing at an end may be replaced by its neighbour
            if _same_meaning(item_text, row[start : start + length], text):
                return slice(start, start + length)
    return None


def _same_meaning(item: str, part: Sequence[str], text: str) -> bool:
    """Test that no word in which an item and a part of a text differ is a name, a number or distinctive."""
    cut = words(pa.array([item]), symbols=False, cased=True)
    item_words = cut.words.to_pylist()
    cases = () if cut.capitals is None else cut.capitals
    names = {word for word, case in zip(item_words, cases, strict=True) if case == NAME}
    added, missing = Counter(part) - Counter(item_words), Counter(item_words) - Counter(part)
    if any(word.capitalize() in text.split() for word in added):
        return False
    different = {*missing, *added}
    return not different & (telling_words() | names) and all(map(str.isalpha, different))
