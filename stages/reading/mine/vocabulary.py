"""
Domain words: whole-word pieces of a vocabulary trained on the corpus that a general vocabulary lacks.

AdaptLLM trains a SentencePiece vocabulary on the corpus, removes the pieces of a general model and keeps
those that start a word and have at least ten letters. SentencePiece does not merge across blanks, so a table
of runs between blanks with their frequencies trains the same vocabulary as the text. The table is much
smaller, and partitions are counted in parallel (docs/decisions/0011-domain-words.md).
"""

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import datagen
from datagen.cache_folder import cache_folder
from datagen.schema import content_id
from datagen.stages.reading.mine.language import Language
from datagen.store.parquet import write_table

LETTERS = 10  # minimum letters of a domain word (AdaptLLM)
LARGEST = 2_000_000  # runs in the table; above it, runs with a count of one so far are dropped
TRAINED = 500_000  # most frequent runs that the vocabulary is trained on: 5 GB of text have fewer
LONGEST = 200  # characters of a run; longer ones are not words
MARK = "▁"  # the start of a piece that starts a word
COUNTS = pa.schema([("run", pa.string()), ("times", pa.int64())])


def count_runs(texts: pa.ChunkedArray) -> pa.Table:
    """
    Count the runs between blanks in texts.

    Returns
    -------
    Columns `COUNTS`, one row per distinct run.
    """
    runs = pc.value_counts(pc.list_flatten(pc.utf8_split_whitespace(texts.combine_chunks())))
    counts = pa.table([runs.field("values"), runs.field("counts")], schema=COUNTS)
    length = pc.utf8_length(counts["run"])
    return counts.filter(pc.and_(pc.greater(length, 0), pc.less_equal(length, LONGEST)))


def total(parts: Iterable[pa.Table]) -> pa.Table:
    """Sum the counts of partitions; the most frequent runs come first."""
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
    Find the domain words.

    Parameters
    ----------
    counts
        Runs of the corpus, from `total`.
    language
        Its `keyword` matches words.
    general
        Words of the general vocabulary, in lower case.
    size
        Size of the vocabulary trained on the corpus.
    least
        Fewest occurrences as a whole word in the corpus; a piece can also be the common start of words.

    Returns
    -------
    The words in lower case, sorted.
    """
    pieces = {piece[1:].lower() for piece in train(counts, size) if piece.startswith(MARK)}
    candidates = {word for word in pieces - general if len(word) >= LETTERS}
    count = _occurrences(counts, language, candidates)
    return sorted(word for word in candidates if count.get(word, 0) >= least)


def train(counts: pa.Table, size: int) -> list[str]:
    """
    Train a SentencePiece vocabulary (BPE) of at most `size` pieces; fewer if the corpus has fewer merges.

    Training is deterministic: one thread, and no sampling.
    """
    import sentencepiece  # loaded when used, as recipes load all stages

    frequent = counts.slice(0, TRAINED)
    if not len(frequent):
        return []
    model = io.BytesIO()
    characters = set().union(*map(set, frequent["run"].to_pylist()))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_tsv_lines(frequent),
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
    Find domain words, or read them from the cache folder if they are known for this corpus and settings.

    Parameters
    ----------
    counts
        Runs of the corpus, from `total`.
    settings
        Everything else that determines the words.
    find
        Computes the words.
    """
    runs = content_id(*counts["run"].to_pylist(), *map(str, counts["times"].to_pylist()))
    name = content_id(runs, datagen.__version__, version("sentencepiece"), *settings)
    path = cache_folder() / "domain_words" / f"{name}.parquet"
    with suppress(OSError, pa.ArrowInvalid, KeyError):
        kept: list[str] = pq.read_table(path)["word"].to_pylist()
        return kept
    words = find()
    with suppress(OSError):  # without a writable cache folder the words are computed in every run
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(pa.table({"word": pa.array(words, pa.string())}), path)
    return words


def _tsv_lines(counts: pa.Table) -> Iterator[str]:
    for run, times in zip(counts["run"].to_pylist(), counts["times"].to_pylist(), strict=True):
        yield f"{run}\t{times}"


def _occurrences(counts: pa.Table, language: Language, words: Collection[str]) -> Counter[str]:
    """Count the occurrences of words as whole words of the corpus, by the `keyword` of the language."""
    total_of: Counter[str] = Counter()
    runs = counts["run"].to_pylist()
    frequencies = counts["times"].to_numpy()
    ends = np.cumsum([len(run) + 1 for run in runs])
    matches = [
        (match.start(), word)
        for match in language.keyword.finditer("\n".join(runs))
        if (word := match[0].lower()) in words
    ]
    places = np.searchsorted(ends, [start for start, _ in matches], side="right")
    for (_, word), frequency in zip(matches, frequencies[places].tolist(), strict=True):
        total_of[word] += frequency
    return total_of
