"""A few steps on a small random model: the loss falls, and the adapter is saved with its card."""

import json
from importlib.util import find_spec

import pytest

from datagen.cluster.hardware import has_bfloat16
from datagen.errors import UserError
from datagen.synthesizer.recipe import load_recipe

# PyTorch is imported by the tests, not at collection, where every selection of tests would wait for it.
MISSING = [name for name in ("peft", "torch", "trl") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)


@pytest.fixture
def train_synthesizer():
    from datagen.synthesizer.train import train_synthesizer

    return train_synthesizer


@pytest.fixture
def base(tmp_path, written):
    """Write a small random model whose tokenizer knows the words of the sets."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    written()
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = ["<unk>", "<|im_start|>", "<|im_end|>"]
    texts = [(tmp_path / name).read_text() for name in ("towns.json", "trials.json")]
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    fast.chat_template = CHAT
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    folder = tmp_path / "base"
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def test_the_loss_falls_and_the_adapter_is_saved_with_its_card(base, written, tmp_path, train_synthesizer):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    training = {"epochs": 4, "learning_rate": 0.02, "batch_size": 12, "together": 4, "max_tokens": 512}
    recipe = load_recipe(
        written(base="base", training=training, tasks={"answer": None, "unanswerable": None})
    )
    figures = train_synthesizer(recipe, tmp_path / "adapter")
    assert figures["loss_end"] < figures["loss_start"]
    assert figures["tokens_computed"] < figures["tokens_without_sharing"]
    assert figures["epochs_seen"] == pytest.approx(4)
    record = json.loads((tmp_path / "adapter" / "training.json").read_text())
    assert record["rows"]["answer"]["trained on"] > 0
    assert str(tmp_path) not in (tmp_path / "adapter" / "adapter_config.json").read_text()
    card = (tmp_path / "adapter" / "README.md").read_text()
    assert "instructions/answer" in card and "towns.json" in card

    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {
        torch.bfloat16 if torch.cuda.is_available() or has_bfloat16() else torch.float32
    }
    plain, merged = (
        AutoModelForCausalLM.from_pretrained(folder) for folder in (base, tmp_path / "adapter" / "small")
    )
    assert merged.dtype == torch.bfloat16
    assert not torch.equal(
        merged.model.layers[0].mlp.up_proj.weight, plain.model.layers[0].mlp.up_proj.weight
    )


def test_training_stops_at_the_time_limit(base, written, tmp_path, train_synthesizer):
    training = {"epochs": 500, "batch_size": 12, "together": 4, "max_tokens": 512, "minutes": 0.05}
    recipe = load_recipe(written(base="base", training=training, tasks={"answer": None}))
    assert train_synthesizer(recipe, tmp_path / "adapter")["epochs_seen"] < 500


def test_a_round_without_improvement_is_rejected(base, written, tmp_path, train_synthesizer):
    training = {"epochs": 2, "learning_rate": 0.02, "batch_size": 12, "together": 4, "max_tokens": 512}
    tasks = {"answer": None}
    train_synthesizer(load_recipe(written(base="base", training=training, tasks=tasks)), tmp_path / "first")
    worse = training | {"learning_rate": 1e-9, "epochs": 1}
    second = load_recipe(written(base="base", training=worse, tasks=tasks, over="first"))
    with pytest.raises(UserError, match="rejected"):
        train_synthesizer(second, tmp_path / "second")
    assert not (tmp_path / "second").exists()
    assert (tmp_path / "second-rejected" / "adapter_model.safetensors").exists()
