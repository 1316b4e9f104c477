"""Domain words: whole-word pieces of a vocabulary trained on the corpus, without those of a general one."""

import io
import re
from collections import Counter
from pydoc_data.topics import topics

import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.cache_folder import cache_folder
from datagen.prompt import load
from datagen.stages.reading.mine.language import read
from datagen.stages.reading.mine.vocabulary import cached, count_runs, domain_words, total, train

ENGLISH = read(load("mined/en"))
TEXTS = [topics[name] for name in sorted(topics)]
SIZE = 4000


def counts(*partitions):
    return total(count_runs(pa.chunked_array([texts], pa.string())) for texts in partitions)


def words(*partitions, size=SIZE, least=1, general=ENGLISH.general):
    return domain_words(counts(*partitions), ENGLISH, general, size, least)


def trained_on_text(texts, size):
    """Train a vocabulary as AdaptLLM does: on the text itself."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in texts for line in text.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=3,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return {pieces.id_to_piece(number) for number in range(pieces.vocab_size())}


def whole(pieces):
    """List the pieces that AdaptLLM keeps of a vocabulary: starts of words with at least ten letters."""
    return {piece[1:].lower() for piece in pieces if piece.startswith("▁") and len(piece) > 10}


def test_adaptllm_domain_words_are_whole_word_pieces_that_the_general_vocabulary_lacks():
    learned = set(words(TEXTS, least=3))
    domain = whole(trained_on_text(TEXTS, SIZE))
    counted = Counter(word.lower() for text in TEXTS for word in re.findall(r"\b[A-Za-z]{10,}\b", text))
    assert {"annotations", "asynchronous", "breakpoint"} <= learned and len(learned) > 30
    assert learned <= domain - ENGLISH.general
    # Words that are frequent enough but not pieces: a word count would include them.
    rare = {word for word, times in counted.items() if times >= 3} - domain - ENGLISH.general
    assert rare and not rare & learned
    general = {word for word in domain & ENGLISH.general if counted[word] >= 3}
    assert general and not general & learned
    # Pieces that only start longer words are not words of the corpus.
    assert all(counted[word] >= 3 for word in learned)


def test_runs_with_frequencies_train_the_same_vocabulary_as_the_text():
    assert set(train(counts(TEXTS), SIZE)) == trained_on_text(TEXTS, SIZE)


def test_domain_words_do_not_depend_on_partitions():
    halves = TEXTS[::2], TEXTS[1::2]
    assert words(TEXTS) == words(*halves) == words(*reversed(halves)) == words(*([text] for text in TEXTS))


def test_a_smaller_vocabulary_keeps_only_more_frequent_words():
    few, many = words(TEXTS, size=1500, least=3), words(TEXTS, size=20_000, least=3)
    assert 0 < len(few) < len(many) and set(few) < set(many)


def test_a_word_must_occur_often_enough_as_a_whole_word():
    texts = ["Fumigants against varroosis, fumigants.", "(Fumigants) broodcombing, without information"]
    assert words(texts) == words(texts, least=1)
    assert words(texts, least=3) == []
    assert "information" in ENGLISH.general and "information" not in words(texts)
    assert "varroosis" not in words(texts)  # nine letters
    assert words(["broodcombing broodcombed broodcombs"] * 5) == ["broodcombed", "broodcombing", "broodcombs"]


def test_the_vocabulary_of_another_model_can_be_the_general_one():
    texts = ["The apiarist fumigates broodcombs of neighbouring apiculturists."] * 9
    learned = words(texts)
    assert {"broodcombs", "neighbouring", "apiculturists"} <= set(learned)
    assert set(words(texts, general=frozenset(["broodcombs"]))) == set(learned) - {"broodcombs"}


def test_domain_words_are_cached_per_corpus_and_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path))
    calls = []

    def find():
        calls.append(1)
        return ["broodcombs"]

    first, other = counts(["hive hive bees"]), counts(["hive bees bees"])
    assert cached(first, ("a",), find) == cached(first, ("a",), find) == ["broodcombs"]
    assert len(calls) == 1
    cached(other, ("a",), find), cached(first, ("b",), find)
    assert len(calls) == 3
    for file in cache_folder().rglob("*.parquet"):
        file.write_bytes(b"torn")
    assert cached(first, ("a",), find) == ["broodcombs"] and len(calls) == 4


def test_an_unwritable_cache_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "file"))
    assert cached(counts(["hive"]), (), lambda: ["hives"]) == ["hives"]


def test_rare_runs_are_dropped_if_there_are_too_many(monkeypatch):
    monkeypatch.setattr("datagen.stages.reading.mine.vocabulary.LARGEST", 3)
    kept = counts(["a b c d", "b"], ["b a e"])
    assert dict(zip(kept["run"].to_pylist(), kept["times"].to_pylist(), strict=True)) == {
        "b": 3,
        "a": 1,
        "e": 1,
    }


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(max_size=40) | st.sampled_from(["a" * 500, "\t", "日本語のテキスト", " x"]), max_size=8)
)
def test_any_text_can_be_trained_on(texts):
    assert isinstance(words(texts, size=50), list)


@pytest.mark.parametrize("partitions", [[], [[]], [[""]], [[None]]])
def test_an_empty_corpus_has_no_domain_words(partitions):
    assert words(*partitions) == []
