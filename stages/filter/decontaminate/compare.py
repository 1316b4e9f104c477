"""How like a test item a part of a row is."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel, Levenshtein

from datagen.stages.shared.language.columns import NAME, words
from datagen.stages.shared.similarity.meaning import telling_words


def likeness(said: Sequence[int], item: Sequence[int]) -> tuple[float, slice]:
    """Give ROUGE-L of an item with the part of a text most like it, and this part; as hashes of words."""
    score, part = fuzz.ratio(said, item), slice(0, len(said))
    best = fuzz.partial_ratio_alignment(item, said) if len(said) > len(item) else None
    if best is not None:
        score, part = best.score, slice(best.dest_start, best.dest_end)
    return score / 100, part


def reordered(said: Sequence[int], item: Sequence[int]) -> float:
    """Give the share of an item's words that a text has, in any order, each as often."""
    held = Counter(said) & Counter(item)
    return held.total() / len(item)


def edited(
    item_text: str, item: Sequence[int], row: Sequence[str], said: Sequence[int], text: str
) -> slice | None:
    """
    Find an item in a text with one word replaced, added or left out.

    The word must be one that changes little: not a name, a number, a negation or another word that tells
    (`datagen.stages.shared.similarity.meaning`), since a question about another town is another question.

    Returns
    -------
    slice or None
        The part of the text's words that is the item.
    """
    size = len(item)
    for length in (size, size + 1, size - 1):
        for start in range(len(said) - length + 1):
            part = said[start : start + length]
            if Indel.distance(part, item) > 2 or Levenshtein.distance(part, item) != 1:
                continue
            if length != size and (part[0], part[-1]) != (item[0], item[-1]):
                continue  # what is left out at an end may be replaced behind it
            if _changes_little(item_text, row[start : start + length], text):
                return slice(start, start + length)
    return None


def _changes_little(item: str, part: Sequence[str], text: str) -> bool:
    """Tell whether what an item and a part of a text do not share is neither name nor number nor tells."""
    cut = words(pa.array([item]), symbols=False, cased=True)
    said, capitals = cut.words.to_pylist(), cut.capitals
    names = {
        word for word, how in zip(said, [] if capitals is None else capitals, strict=True) if how == NAME
    }
    added, missing = Counter(part) - Counter(said), Counter(said) - Counter(part)
    if any(word.capitalize() in text.split() for word in added):
        return False
    different = {*missing, *added}
    return not different & (telling_words() | names) and all(map(str.isalpha, different))
