"""Measures of agreement that a small model gives, the model made for the test."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from datagen.errors import UserError
from datagen.stages.confidence.agreement import Pair, agree, find
from datagen.stages.shared.similarity.vectors import encoder

PAIRS = [
    Pair("Who designed the tower?", "Gustave Eiffel", "Gustave Eiffel"),
    Pair("Who designed the tower?", "Gustave Eiffel", "It was Louis Pasteur who did."),
    Pair("When?", "1889", "1912"),
] * 15  # more than one batch


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny reader with chance weights, twice: its labels in another order, and once without labels."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    words = sorted(
        {word for pair in PAIRS for text in pair[:3] for word in text.lower().replace("?", " ?").split()}
    )
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=3,
    )
    model = transformers.BertForSequenceClassification(config)
    torch.nn.init.normal_(model.eval().classifier.weight, std=3.0)
    orders = {
        "first": ("CONTRADICTION", "neutral", "entailment"),
        "last": ("entailment", "neutral", "contradiction"),
    }
    (folder / "empty").mkdir()
    for name, labels in {**orders, "none": ("a", "b", "c")}.items():
        model.config.id2label = dict(enumerate(labels))
        model.config.label2id = {label: place for place, label in enumerate(labels)}
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder, model, tokenizer


def contradiction(model, tokenizer, place, premise, claim):
    import torch

    with torch.inference_mode():
        logits = model(**tokenizer(premise, claim, return_tensors="pt")).logits
    return float(logits.softmax(-1)[0, place])


@pytest.mark.parametrize(("name", "place"), [("first", 0), ("last", 2)])
def test_nli_takes_the_label_by_its_name_and_reads_both_ways(folders, name, place):
    folder, model, tokenizer = folders
    found = agree(find("nli", name, folder), PAIRS)
    for like, (question, answer, said, _) in zip(found, PAIRS[:3], strict=False):
        one, other = f"{question} {answer}", f"{question} {said}"
        both = contradiction(model, tokenizer, place, one, other) + contradiction(
            model, tokenizer, place, other, one
        )
        assert like == pytest.approx(1 - both / 2, abs=1e-5)
    assert list(found[:3]) == pytest.approx(list(found[-3:]), abs=1e-5)  # whatever batch they are in


def test_a_model_without_such_a_label_is_refused(folders):
    with pytest.raises(UserError, match="no label for a contradiction; it has a, b, c"):
        agree(find("nli", "none", folders[0]), PAIRS)
    with pytest.raises(UserError, match="cannot be loaded"):
        agree(find("nli", "empty", folders[0]), PAIRS)


def test_embeddings_of_the_same_words_agree_and_padding_does_not_count(folders):
    found = agree(find("embedding", "first", folders[0]), PAIRS)
    assert found[0] == pytest.approx(1, abs=1e-5) and found[1] < 1 and found[2] < 1
    alone = agree(find("embedding", "first", folders[0]), PAIRS[2:3])
    assert found[2] == pytest.approx(alone[0], abs=1e-5)


def test_words_are_compared_in_both_directions():
    like = find("lexical", "", None)
    whole, part = "Gustave Eiffel", "Gustave"
    assert list(agree(like, [Pair("?", whole, whole), Pair("?", whole, "Louis Pasteur")])) == [1, 0]
    assert agree(like, [Pair("?", whole, part)]) == agree(like, [Pair("?", part, whole)]) < 1
    assert agree(like, []).shape == (0,)


def test_what_is_no_agreement_is_refused():
    for wrong in ([0.5], [0.5, 2.0], [0.5, float("nan")], [[0.5, 0.5]]):
        with pytest.raises(UserError, match="2 pairs gave"):
            agree(lambda pairs, wrong=wrong: wrong, PAIRS[:2])


@pytest.mark.skipif(find_spec(encoder.PACKAGE) is None, reason="the extra encoder is not installed")
def test_the_encoder_sees_that_other_words_say_the_same():
    pytest.importorskip("torch")
    measure = find("embedding", encoder.NAME, Path())
    said = ["The charge must be paid in advance.", "Herons nest on the island."]
    same, other = measure([Pair("", "The fee is due beforehand.", text) for text in said])
    assert same > other + 0.3
