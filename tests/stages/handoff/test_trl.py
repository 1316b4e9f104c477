"""TRL trains one step of each stage with the hand-off's script, with the loss on the right tokens."""

import importlib.util

import pytest

from datagen.engines import bundled
from datagen.schema import chat
from datagen.stages.handoff.handoff import stage
from tests.support.rows import example, put_through
from tests.support.trainees import tiny_model

pytestmark = [
    pytest.mark.slow,  # the import of PyTorch alone
    pytest.mark.skipif(not bundled.installed(), reason="the bundled model's tokenizer is not installed"),
]

DIALOGUE = [*chat("First?", system="Be brief."), {"role": "assistant", "content": "One."}, *chat("Second?")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The script of a hand-off as a module, and the tokenizer of the target."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("run")
    rows = [
        example("reading", text="The tide turns twice a day.", id="text"),
        example(question="Who found it?", context="Ann found the island.", answer="Ann", id="pair"),
        example(question="Second?", answer="Two.", prompt=DIALOGUE, id="dialogue"),
        example("refusal", question="And who lost it?", answer="I do not know.", id="refusal"),
        example("preference", question="Who?", answer="I cannot say.", rejected="Bob.", id="preference"),
    ]
    put_through(stage, rows, folder=folder)
    path = folder / "handoff" / "trainers" / "train_with_trl.py"
    spec = importlib.util.spec_from_file_location("train_with_trl", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script, AutoTokenizer.from_pretrained(bundled.prepare("bundled")), folder


def test_ordered_chats_keep_their_order_and_mix_the_refusals(trained, monkeypatch):
    from datasets import Dataset

    script, _, _ = trained
    monkeypatch.setattr(script, "IN_ORDER", True)
    monkeypatch.setattr(script, "get_dataset_config_names", lambda path: ["instructions", "refusals"])
    counts = {"instructions": 90, "refusals": 30}
    sets = {
        name: {"train": Dataset.from_dict({"id": [f"{name} {n}" for n in range(count)]})}
        for name, count in counts.items()
    }
    monkeypatch.setattr(script, "load_dataset", lambda path, name: sets[name])
    ids = script.read({name: ["id"] for name in counts}, "train")["id"]
    for name, count in counts.items():
        assert [other for other in ids if other.startswith(name)] == [f"{name} {n}" for n in range(count)]
    assert 10 < sum(name.startswith("refusals") for name in ids[:60]) < 20


def steps(trained, stage, **settings):
    script, tokenizer, folder = trained
    small = {"max_steps": 1, "use_cpu": True, "save_strategy": "no", "disable_tqdm": True} | settings
    return script.train(stage, tiny_model(tokenizer), tokenizer, folder / "trained", **small)


def losses(trainer, tokenizer):
    """The trained text of each row, from its labels."""
    return [
        tokenizer.decode([label for label in row["labels"] if label != -100]) for row in trainer.train_dataset
    ]


def test_every_token_of_a_reading_text_is_trained(trained):
    trainer = steps(trained, "reading")
    [row] = trainer.train_dataset
    assert trained[1].decode(row["input_ids"]) == "The tide turns twice a day.<|im_end|>"
    assert row.get("labels", row["input_ids"]) == row["input_ids"]


def test_the_loss_of_a_chat_is_on_the_answer_and_its_end_token(trained):
    trainer = steps(trained, "chat")
    assert sorted(losses(trainer, trained[1])) == [
        "Ann<|im_end|>\n",
        "I do not know.<|im_end|>\n",
        "Two.<|im_end|>\n",
    ]


def test_counted_tokens_are_those_that_trl_trains(trained):
    script, _, _ = trained
    trainer = steps(trained, "chat")
    seen = sorted(
        (len(row["input_ids"]), sum(label != -100 for label in row["labels"]))
        for row in trainer.train_dataset
    )
    counted = [
        (row["tokens"], row["trained_tokens"])
        for name in ("instructions", "refusals")
        for row in script.load_dataset(str(script.HANDOFF), name, split="train")
    ]
    assert seen == sorted(counted)


def test_preferences_train_by_dpo(trained):
    # A model made for a test has no name, by which TRL would load the reference.
    script, tokenizer, folder = trained
    model = tiny_model(tokenizer)
    model.save_pretrained(folder / "tiny")
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(folder / "tiny")
    small = {"max_steps": 1, "use_cpu": True, "save_strategy": "no", "disable_tqdm": True}
    trainer = script.train("preferences", loaded, tokenizer, folder / "trained", **small)
    assert trainer.state.global_step == 1
    [row] = trainer.train_dataset
    texts = {name: tokenizer.decode(row[f"{name}_ids"]) for name in ("chosen", "rejected")}
    assert texts == {"chosen": "I cannot say.<|im_end|>\n", "rejected": "Bob.<|im_end|>\n"}
