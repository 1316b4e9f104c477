"""Tokenizers by name: accepted names, and the lengths that they measure."""

import io
import json
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from datagen.engines import bundled
from datagen.errors import UserError
from datagen.stages.handoff.tokenizer import ruler as handoff_ruler
from datagen.stages.reading.mine.options import Options
from datagen.stages.shared.tokens import ruler, tokenizer_file, words_of_vocabulary
from tests.support.rows import context

LINES = [
    "the hive of the keeper",
    "the keeper feeds the bees",
    "bees leave the hive",
    "Bienen schwärmen früh",
] * 20
TEXT = "the bees of früh leave the keeper"


@pytest.fixture(scope="module")
def model():
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=written,
        model_type="bpe",
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    return written.getvalue()


@pytest.fixture
def checkpoint(model, tmp_path):
    """Write a checkpoint without a tokenizer.json."""
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


@pytest.mark.parametrize("named", ["target", "target/tokenizer.model"])
def test_a_checkpoint_with_only_a_sentencepiece_model_is_supported(checkpoint, model, named):
    measure = ruler(named, checkpoint.parent)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).encode(TEXT, out_type=str)
    assert measure.unit == "tokens" and measure.lengths([TEXT, ""]) == [len(pieces), 0]
    assert measure.fits(TEXT, len(pieces)) and not measure.fits(TEXT * 9, len(pieces))
    middle = measure.middle(TEXT)
    before = "".join(pieces[: len(pieces) // 2]).replace("▁", " ").strip()
    assert TEXT[:middle].strip() == before and measure.middle("") == 0


@pytest.mark.slow
def test_the_handoff_counts_with_a_sentencepiece_model(checkpoint):
    where = context("handoff", checkpoint.parent)
    tokenizer = handoff_ruler(str(checkpoint), None, where).tokenizer
    (tokens,) = tokenizer.of_texts([TEXT])
    assert tokens >= ruler(str(checkpoint), Path()).lengths([TEXT])[0]


def test_a_tokenizer_json_takes_precedence(checkpoint, blanks):
    (checkpoint / "tokenizer.json").write_bytes((Path(blanks) / "tokenizer.json").read_bytes())
    assert ruler(str(checkpoint), Path()).lengths([TEXT]) == [len(TEXT.split())]


def test_a_changed_tokenizer_is_loaded_again(checkpoint, blanks):
    file = checkpoint / "tokenizer.json"
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]"))
    tokenizer.save(str(file))
    assert ruler(str(file), Path()).lengths([TEXT]) == [1]
    file.write_bytes((Path(blanks) / "tokenizer.json").read_bytes())
    assert ruler(str(file), Path()).lengths([TEXT]) == [len(TEXT.split())]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.model", b"no model", "not a SentencePiece model"),
        ("tokenizer.model", b"", "not a SentencePiece model"),
        ("tokenizer.json", b"{}", "not a tokenizer"),
        ("weights.bin", b"", "neither tokenizer.json nor tokenizer.model"),
    ],
)
def test_an_invalid_tokenizer_is_reported_with_the_accepted_ones(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        ruler(str(tmp_path), Path())
    assert "bundled" in str(caught.value)


def test_a_missing_path_is_not_looked_up_on_the_hub(tmp_path):
    for name in ("./target", "target/tokenizer.json", str(tmp_path / "target")):
        with pytest.raises(UserError, match="there is no"):
            ruler(name, tmp_path)


def test_a_hub_id_is_looked_up_and_a_failure_is_reported(monkeypatch, model, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(model)
    from huggingface_hub.errors import EntryNotFoundError

    def download(name, file):
        if name != "keepers/bees":
            raise ConnectionError("no route to the hub\nmore")
        if file == "tokenizer.json":
            raise EntryNotFoundError("no such file")
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert tokenizer_file("keepers/bees", tmp_path / "recipe") == tmp_path / "tokenizer.model"
    with pytest.raises(UserError, match=r"keepers/wasps.*no route to the hub\)"):
        ruler("keepers/wasps", tmp_path / "recipe")


def test_the_bundled_model_can_be_named(monkeypatch, blanks):
    monkeypatch.setattr(bundled, "prepare", lambda name: Path(blanks))
    assert ruler("bundled", Path()).lengths([TEXT]) == [len(TEXT.split())]
    assert Options(tokenizer="bundled", max_total_tokens=5).tokenizer == "bundled"


def test_the_words_of_a_vocabulary_are_the_pieces_that_start_a_word(checkpoint, tmp_path, blanks):
    assert {"the", "keeper", "bees"} <= words_of_vocabulary(str(checkpoint), Path())
    vocabulary = {"[UNK]": 0, "Ġhive": 1, "bees": 2, "ĠfrÃ¼h": 3, "▁Keeper": 4}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "bytes.json"))
    assert words_of_vocabulary("bytes.json", tmp_path) == {"hive", "früh", "keeper"}
    with pytest.raises(UserError, match="starts a word"):
        words_of_vocabulary(blanks, Path())
