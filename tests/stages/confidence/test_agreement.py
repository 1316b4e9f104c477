"""Measures of agreement computed by a small model that the tests create."""

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
    """A tiny model with random weights, twice: with reordered labels, and without labels."""
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


@pytest.mark.slow
@pytest.mark.parametrize(("name", "place"), [("first", 0), ("last", 2)])
def test_nli_finds_the_label_by_name_and_scores_both_directions(folders, name, place):
    folder, model, tokenizer = folders
    agreements = agree(find("nli", name, folder), PAIRS)
    for expected, (question, answer, sample, _) in zip(agreements, PAIRS[:3], strict=False):
        answered, other = f"{question} {answer}", f"{question} {sample}"
        both = contradiction(model, tokenizer, place, answered, other) + contradiction(
            model, tokenizer, place, other, answered
        )
        assert expected == pytest.approx(1 - both / 2, abs=1e-5)
    assert list(agreements[:3]) == pytest.approx(list(agreements[-3:]), abs=1e-5)  # independent of the batch


@pytest.mark.slow
def test_a_model_without_a_contradiction_label_is_rejected(folders):
    with pytest.raises(UserError, match="no contradiction label; its labels are a, b, c"):
        agree(find("nli", "none", folders[0]), PAIRS)
    with pytest.raises(UserError, match="cannot load the model"):
        agree(find("nli", "empty", folders[0]), PAIRS)


@pytest.mark.slow
def test_embeddings_of_the_same_words_agree_and_padding_is_ignored(folders):
    agreements = agree(find("embedding", "first", folders[0]), PAIRS)
    assert agreements[0] == pytest.approx(1, abs=1e-5) and agreements[1] < 1 and agreements[2] < 1
    alone = agree(find("embedding", "first", folders[0]), PAIRS[2:3])
    assert agreements[2] == pytest.approx(alone[0], abs=1e-5)


def test_words_are_compared_in_both_directions():
    like = find("lexical", "", None)
    full_name, part = "Gustave Eiffel", "Gustave"
    assert list(agree(like, [Pair("?", full_name, full_name), Pair("?", full_name, "Louis Pasteur")])) == [
        1,
        0,
    ]
    assert agree(like, [Pair("?", full_name, part)]) == agree(like, [Pair("?", part, full_name)]) < 1
    assert agree(like, []).shape == (0,)


def test_invalid_agreement_values_are_rejected():
    for wrong in ([0.5], [0.5, 2.0], [0.5, float("nan")], [[0.5, 0.5]]):
        with pytest.raises(UserError, match="for 2 pairs the measure returned"):
            agree(lambda pairs, wrong=wrong: wrong, PAIRS[:2])


def test_a_measure_that_is_not_a_function_is_rejected(tmp_path):
    (tmp_path / "own.py").write_text("measure = 0.5\n")
    with pytest.raises(UserError, match=r"own\.py:measure is a float, not a function. Use lexical"):
        find("./own.py:measure", "", tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(find_spec(encoder.PACKAGE) is None, reason="the extra encoder is not installed")
def test_the_encoder_recognises_paraphrases():
    pytest.importorskip("torch")
    measure = find("embedding", encoder.NAME, Path())
    samples = ["The charge must be paid in advance.", "Herons nest on the island."]
    same, other = measure([Pair("", "The fee is due beforehand.", text) for text in samples])
    assert same > other + 0.3
