"""
The loaders of LLaMA-Factory and axolotl train the right tokens of a hand-off.

Each needs a separate environment, because their pinned versions conflict: `make test-trainers` builds them and sets
``DATAGEN_TRAINERS``. Without it these tests are skipped; with it, a missing environment is a failure.
"""

import json
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from datagen.engines import bundled
from datagen.schema import chat
from datagen.stages.handoff.handoff import stage
from tests.support.rows import example, put_through

HOME = os.environ.get("DATAGEN_TRAINERS", "")
pytestmark = pytest.mark.skipif(not HOME, reason="needs the trainers' environments: make test-trainers")

TRAINERS = ["llamafactory", "axolotl"]
DIALOGUE = [*chat("First?", system="Be brief."), {"role": "assistant", "content": "One."}, *chat("Second?")]
ROWS = [
    example("reading", text="The tide turns twice a day.", id="text"),
    example(question="Who found it?", context="Ann found the island.", answer="Ann", id="pair"),
    example(question="Second?", answer="Two.", prompt=DIALOGUE, id="dialogue"),
    example("refusal", question="And who lost it?", answer="I do not know.", id="refusal"),
    example("preference", question="Who?", answer="I cannot say.", rejected="Bob.", id="preference"),
    example("reading", text="HELD out.", id="held text", split="validation"),
    example(question="HELD?", answer="HELD out.", id="held pair", split="validation"),
    example("preference", question="HELD?", answer="HELD.", rejected="out", id="held", split="validation"),
]


@pytest.fixture(scope="module", params=TRAINERS)
def loaded(request, tmp_path_factory):
    """What a trainer would train: (stage, side) -> {trained words: all words}."""
    folder = tmp_path_factory.mktemp("run")
    rows = [{"split": "train"} | row for row in ROWS]
    put_through(stage, rows, folder=folder, columns={"split": pa.string()})
    results = {}
    for row in read(folder, request.param):
        results.setdefault((row["stage"], row["side"]), {})[row["trained"].strip()] = row["all"]
    return results


def read(folder, trainer):
    """The rows of a hand-off as a trainer would train them."""
    python = Path(HOME) / trainer / "bin" / "python"
    assert python.exists(), f"{python} is missing: make test-trainers builds it"
    script = Path(__file__).with_name(f"read_{trainer}.py")
    model = bundled.prepare("bundled")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, script, folder / "handoff", model],
        env=environment | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line[3:]) for line in done.stdout.splitlines() if line.startswith("ROW")]


def test_only_training_rows_and_all_of_them(loaded):
    assert not any("HELD" in text for rows in loaded.values() for text in rows.values())
    assert {key: len(rows) for key, rows in loaded.items()} == {
        ("reading", ""): 1,
        ("chat", ""): 3,
        ("preferences", "chosen_"): 1,
        ("preferences", "rejected_"): 1,
    }


def test_the_loss_is_on_the_last_answer_and_its_end_token(loaded):
    assert set(loaded["reading", ""]) == {"The tide turns twice a day.<|im_end|>"}
    assert set(loaded["chat", ""]) == {"Ann<|im_end|>", "I do not know.<|im_end|>", "Two.<|im_end|>"}
    assert set(loaded["preferences", "chosen_"]) == {"I cannot say.<|im_end|>"}
    assert set(loaded["preferences", "rejected_"]) == {"Bob.<|im_end|>"}


def test_chats_are_rendered_by_the_target_s_own_template(loaded):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bundled.prepare("bundled"))
    for row in ROWS[1:4]:
        turns = [*row["prompt"], {"role": "assistant", "content": row["answer"]}]
        assert tokenizer.apply_chat_template(turns, tokenize=False) in loaded["chat", ""].values()


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_ordered_hand_off_is_trained_in_order_with_refusals_throughout(trainer, tmp_path):
    (tmp_path / "stages" / "mix").mkdir(parents=True)
    (tmp_path / "stages" / "mix" / "mixture.json").write_text('{"ordered": true}')
    counts = {"instruction": 60, "refusal": 20, "reading": 40}
    rows = [
        example(kind, text=f"{kind} {n}", question=f"{kind} {n}?", answer=f"{kind} {n}", split="train",
                order=n // 10, id=f"{kind} {n}")
        for kind, count in counts.items()
        for n in range(count)
    ]  # fmt: skip
    recipe = {"stages": {"mix": {"order": "difficulty"}}}
    columns = {"split": pa.string(), "order": pa.int64()}
    put_through(stage, rows, folder=tmp_path, recipe=recipe, columns=columns)
    trained = [row["trained"].strip().removesuffix("<|im_end|>") for row in read(tmp_path, trainer)]
    for kind, count in counts.items():
        assert [row for row in trained if row.startswith(kind)] == [f"{kind} {n}" for n in range(count)]
    chats = [row for row in trained if not row.startswith("reading")]
    assert 5 <= sum(row.startswith("refusal") for row in chats[:40]) <= 15
