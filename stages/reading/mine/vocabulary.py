"""
The words of a domain: those that its corpus keeps using and general language does not.

AdaptLLM trains a SentencePiece vocabulary on the corpus, takes a general model's pieces away and keeps
whole words of ten letters and more. A whole word becomes a piece by being frequent, so here the words
are counted (docs/decisions/0011-domain-words-are-counted.md).
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.reading.mine.language import Language

MOST = 2_000_000  # words counted at once; beyond, those seen once so far are forgotten
COUNTS = pa.schema([("word", pa.string()), ("times", pa.int64())])


def count_words(texts: pa.ChunkedArray, language: Language) -> pa.Table:
    """
    Count the words of a partition that can be words of a domain, in lower case: general ones left out.

    Returns
    -------
    Columns `COUNTS`, a row a word.
    """
    # Arrow counts equal runs between blanks; the pattern then goes once through the different ones.
    used = pc.value_counts(pc.list_flatten(pc.ascii_split_whitespace(texts.combine_chunks())))
    runs, times = used.field("values").to_pylist(), used.field("counts").to_numpy()
    found = list(language.keyword.finditer("\n".join(runs)))
    ends = np.cumsum([len(run) + 1 for run in runs])
    at = np.searchsorted(ends, [match.start() for match in found], side="right")
    words = pa.array([match[0].lower() for match in found], pa.string())
    counts = _added(pa.table([words, pa.array(times[at], pa.int64())], schema=COUNTS))
    general = pa.array(sorted(language.general), pa.string())
    return counts.filter(pc.invert(pc.is_in(counts["word"], general)))


def learn(counts: Iterable[pa.Table], least: int) -> pa.Array:
    """
    Find the words of the domain.

    Parameters
    ----------
    counts
        What `count_words` says of each partition.
    least
        Times that a word must be used.

    Returns
    -------
    The words, in lower case and in order.
    """
    total = COUNTS.empty_table()
    for part in counts:
        total = _added(pa.concat_tables([total, part]))
        if len(total) > MOST:
            total = total.filter(pc.greater(total["times"], 1))
    return total.filter(pc.greater_equal(total["times"], least))["word"].combine_chunks().sort()


def _added(counts: pa.Table) -> pa.Table:
    """Add up the rows of a word."""
    return counts.group_by("word").aggregate([("times", "sum")]).rename_columns(COUNTS.names)
