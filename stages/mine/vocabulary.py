"""
The words of a domain: those that its corpus keeps using and general language does not.

AdaptLLM trains a SentencePiece vocabulary on the corpus, takes a general model's pieces away and keeps
whole words of ten letters and more. A whole word becomes a piece by being frequent, so here the words
are counted (docs/decisions/0011-domain-words-are-counted.md).
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.mine.language import Language

MOST = 2_000_000  # words counted at once; beyond, those seen once so far are forgotten


def learn(texts: Iterable[pa.ChunkedArray], language: Language, least: int) -> frozenset[str]:
    """
    Find the words of the domain, in lower case.

    Parameters
    ----------
    texts
        The corpus, a column of strings a partition.
    language
        Says what can be a keyword, and which words are general.
    least
        Times that a word must be used.
    """
    counts: Counter[str] = Counter()
    for column in texts:
        # Arrow counts equal runs between blanks; the pattern then goes once through the different ones.
        used = pc.value_counts(pc.list_flatten(pc.ascii_split_whitespace(column.combine_chunks())))
        runs, times = used.field("values").to_pylist(), used.field("counts").to_numpy()
        found = list(language.keyword.finditer("\n".join(runs)))
        ends = np.cumsum([len(run) + 1 for run in runs])
        at = np.searchsorted(ends, [match.start() for match in found], side="right")
        for match, count in zip(found, times[at].tolist(), strict=True):
            counts[match[0].lower()] += count
        if len(counts) > MOST:
            counts = Counter({word: times for word, times in counts.items() if times > 1})
    return frozenset(
        word for word, times in counts.items() if times >= least and word not in language.general
    )
