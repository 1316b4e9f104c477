import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from datagen.stages.handoff import token_counts
from datagen.stages.handoff.token_counts import CONTRACTION, REST, WordCounter, is_by_word

TEXT = "The court's order, § 12(b)(1) of 2001 -- café “quoted” 10 000 x\n\n a b\u0301 don't I'LL \t end. 漢字 done"


def split(number):
    pattern = Regex(f"{CONTRACTION}{number}{REST}")
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PRE_TOKENIZERS = {
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama-3": split(r"\p{N}{1,3}"),
    "qwen": split(r"\p{N}"),
}


def trained(pre_tokenizer):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.normalizer = normalizers.NFC()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 20, trainer)
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.post_processor = processors.TemplateProcessing("<|end|> $A", special_tokens=[("<|end|>", 600)])
    return tokenizer


@pytest.fixture(scope="module")
def tokenizers():
    return {name: trained(pre_tokenizer) for name, pre_tokenizer in PRE_TOKENIZERS.items()}


PIECES = st.sampled_from(
    [*TEXT, *TEXT.split(" "), " ", "  ", "\n", "\u00a0", "\u3000", "\u200b", "<|end|>", "\x1c"]
)


@given(st.lists(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=20), max_size=6))
def test_words_have_as_many_tokens_together_as_their_text(tokenizers, texts):
    for tokenizer in tokenizers.values():
        assert is_by_word(tokenizer)
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        counter = WordCounter(tokenizer)
        for _ in range(2):  # the second time from what is known
            assert counter.count(texts).tolist() == [len(tokens) for tokens in encoded]


@pytest.mark.parametrize("name", ["lstrip", "rstrip", "single_word"])
def test_a_tokenizer_with_a_token_that_sees_blanks_is_not_counted_by_word(name):
    tokenizer = trained(PRE_TOKENIZERS["gpt-2"])
    tokenizer.add_tokens([AddedToken("<mask>", **{name: True})])
    assert not is_by_word(tokenizer)


def test_a_tokenizer_with_a_token_across_words_is_not_counted_by_word():
    tokenizer = trained(PRE_TOKENIZERS["llama-3"])
    tokenizer.add_tokens(["of the"])
    assert not is_by_word(tokenizer)


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        None,
        pre_tokenizers.Whitespace(),
        pre_tokenizers.Metaspace(),
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        split(r"\p{N}+ \p{N}+"),
    ],
)
def test_an_unknown_pre_tokenizer_is_not_counted_by_word(pre_tokenizer):
    tokenizer = Tokenizer(models.BPE())
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    assert not is_by_word(tokenizer)


def test_a_text_without_blanks_is_not_remembered():
    counter = WordCounter(trained(PRE_TOKENIZERS["qwen"]))
    for text in ("漢字" * 40, "漢字"):
        counter.count([text])
    assert [*counter._known] == ["漢字"]


def test_the_number_of_remembered_pieces_is_bounded(tokenizers, monkeypatch):
    monkeypatch.setattr(token_counts, "KEPT", 100)
    counter = WordCounter(tokenizers["gpt-2"])
    for start in (0, 70, 500):
        texts = [" ".join(f"w{number}" for number in range(start, start + 90 + start))]
        (tokens,) = tokenizers["gpt-2"].encode_batch(texts, add_special_tokens=False)
        assert counter.count(texts).tolist() == [len(tokens)]
        assert len(counter._known) <= 100
