"""
Domain words: whole-word pieces of a vocabulary trained on the corpus that a general vocabulary lacks.

AdaptLLM trains a SentencePiece vocabulary on the corpus, removes the pieces of a general model and keeps
those that begin a word and have ten letters or more. SentencePiece does not merge across blanks, so a table
of runs between blanks with their frequencies trains the same vocabulary as the text; it is much smaller,
and partitions are counted in parallel (docs/decisions/0011-domain-words.md).
"""

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sentencepiece

import datagen
from datagen.engines.bundled import cache_folder
from datagen.schema import content_id
from datagen.stages.reading.mine.language import Language
from datagen.store.parquet import write_table

LETTERS = 10  # of a domain word, at least (AdaptLLM)
LARGEST = 2_000_000  # runs counted at once; beyond that, runs seen once so far are dropped
TRAINED = 500_000  # most frequent runs that the vocabulary is trained on: 5 GB of text have fewer
LONGEST = 200  # characters of a run; longer ones are no words
MARK = "▁"  # begins a piece that begins a word
COUNTS = pa.schema([("run", pa.string()), ("times", pa.int64())])


def count_runs(texts: pa.ChunkedArray) -> pa.Table:
    """
    Count the runs between blanks in texts.

    Returns
    -------
    Columns `COUNTS`, a row per different run.
    """
    runs = pc.value_counts(pc.list_flatten(pc.utf8_split_whitespace(texts.combine_chunks())))
    counts = pa.table([runs.field("values"), runs.field("counts")], schema=COUNTS)
    length = pc.utf8_length(counts["run"])
    return counts.filter(pc.and_(pc.greater(length, 0), pc.less_equal(length, LONGEST)))


def total(parts: Iterable[pa.Table]) -> pa.Table:
    """Add up the counts of partitions; the most frequent runs come first."""
    counts = COUNTS.empty_table()
    for part in parts:
        joined = pa.concat_tables([counts, part.select(COUNTS.names)])
        counts = joined.group_by("run").aggregate([("times", "sum")]).rename_columns(COUNTS.names)
        if len(counts) > LARGEST:
            counts = counts.filter(pc.greater(counts["times"], 1))
    return counts.sort_by([("times", "descending"), ("run", "ascending")])


def domain_words(
    counts: pa.Table, language: Language, general: frozenset[str], size: int, least: int
) -> list[str]:
    """
    Find the words of the domain.

    Parameters
    ----------
    counts
        Runs of the corpus, from `total`.
    language
        Its `keyword` tells what can be a word.
    general
        Words of the general vocabulary, in lower case.
    size
        Pieces of the vocabulary trained on the corpus.
    least
        Occurrences of a word in the corpus. A piece may also be the common opening of several words.

    Returns
    -------
    The words in lower case, in order.
    """
    pieces = {piece[1:].lower() for piece in train(counts, size) if piece.startswith(MARK)}
    whole = {word for word in pieces - general if len(word) >= LETTERS}
    times = _occurrences(counts, language, whole)
    return sorted(word for word in whole if times.get(word, 0) >= least)


def train(counts: pa.Table, size: int) -> list[str]:
    """
    Train a SentencePiece vocabulary (BPE) of at most `size` pieces; a corpus with fewer merges has fewer.

    Training is deterministic: one thread, and no sampling.
    """
    most = counts.slice(0, TRAINED)
    if not len(most):
        return []
    model = io.BytesIO()
    characters = set().union(*map(set, most["run"].to_pylist()))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_rows(most),
        input_format="tsv",
        model_writer=model,
        model_type="bpe",
        vocab_size=max(size, len(characters) + 8),
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=3,
    )
    trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [trained.id_to_piece(number) for number in range(trained.vocab_size())]


def cached(counts: pa.Table, settings: Sequence[str], find: Callable[[], list[str]]) -> list[str]:
    """
    Find domain words once per corpus and settings, and keep them in the cache folder.

    Parameters
    ----------
    counts
        Runs of the corpus, from `total`.
    settings
        All else that determines the words.
    find
        Finds them.
    """
    runs = content_id(*counts["run"].to_pylist(), *map(str, counts["times"].to_pylist()))
    name = content_id(runs, datagen.__version__, sentencepiece.__version__, *settings)
    path = cache_folder() / "domain_words" / f"{name}.parquet"
    with suppress(OSError, pa.ArrowInvalid, KeyError):
        kept: list[str] = pq.read_table(path)["word"].to_pylist()
        return kept
    words = find()
    with suppress(OSError):  # a cache folder that cannot be written costs time only
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(pa.table({"word": pa.array(words, pa.string())}), path)
    return words


def _rows(counts: pa.Table) -> Iterator[str]:
    for run, times in zip(counts["run"].to_pylist(), counts["times"].to_pylist(), strict=True):
        yield f"{run}\t{times}"


def _occurrences(counts: pa.Table, language: Language, words: Collection[str]) -> Counter[str]:
    """Count how often words stand in the corpus by themselves, as the language's `keyword` finds them."""
    times: Counter[str] = Counter()
    runs = counts["run"].to_pylist()
    often = counts["times"].to_numpy()
    ends = np.cumsum([len(run) + 1 for run in runs])
    matches = [
        (match.start(), word)
        for match in language.keyword.finditer("\n".join(runs))
        if (word := match[0].lower()) in words
    ]
    places = np.searchsorted(ends, [start for start, _ in matches], side="right")
    for (_, word), number in zip(matches, often[places].tolist(), strict=True):
        times[word] += number
    return times
