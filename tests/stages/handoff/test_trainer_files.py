"""The trainers' files of an ordered hand-off: instructions and refusals in the order of training, mixed."""

import json
from itertools import pairwise

import pyarrow as pa
import pytest
import yaml
from datasets import load_dataset

from datagen.stages.handoff.handoff import stage
from tests.support.rows import example, put_through

RECIPE = {
    "stages": {"mix": {"order": "difficulty"}},
    "models": {"generator": {"engine": "openai", "model": "m", "base_url": "http://localhost"}},
}
COLUMNS = {"split": pa.string(), "order": pa.int64()}


def ordered_rows(instructions, refusals):
    """Rows whose ids state their place in the order of training, as a share."""
    return [
        example(
            kind, question=f"{kind} {n}?", answer="A.", id=f"{kind} {(n + 0.5) / count:.3f}", split="train",
            order=10 * n // count,
        )
        for kind, count in (("instruction", instructions), ("refusal", refusals))
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def hand_off(tmp_path):
    """Write a hand-off of these rows as ordered, and return its folder."""

    def write(rows, ordered=True):
        (tmp_path / "stages" / "mix").mkdir(parents=True)
        (tmp_path / "stages" / "mix" / "mixture.json").write_text(json.dumps({"ordered": ordered}))
        put_through(stage, rows, folder=tmp_path, recipe=RECIPE, columns=COLUMNS)
        return tmp_path / "handoff"

    return write


def config(folder, trainer):
    return yaml.safe_load((folder / "trainers" / trainer / "chat.yaml").read_text())


def slices_of(folder, trainer):
    """The folder and the split of each data set that a trainer joins, in order."""
    chats = config(folder, trainer)
    if trainer == "axolotl":
        assert chats["curriculum_sampling"] and chats["shuffle_merged_datasets"] is False
        return [(folder / entry["path"], entry["split"]) for entry in chats["datasets"]]
    assert chats["disable_shuffling"]
    info = json.loads((folder / "dataset_info.json").read_text())
    entries = [info[name] for name in chats["dataset"].split(",")]
    return [(folder / entry["script_url"], entry["split"]) for entry in entries]


@pytest.mark.parametrize("trainer", ["axolotl", "llamafactory"])
@pytest.mark.parametrize(("instructions", "refusals"), [(90, 30), (50, 3), (1, 1)])
def test_every_row_is_read_once_in_the_order_of_training(hand_off, trainer, instructions, refusals):
    folder = hand_off(ordered_rows(instructions, refusals))
    cache = str(folder.parent / "cache")
    ids = [
        name
        for data, split in slices_of(folder, trainer)
        for name in load_dataset(str(data), split=split, cache_dir=cache)["id"]
    ]
    assert len(ids) == len(set(ids)) == instructions + refusals
    places = [float(name.split()[1]) for name in ids]
    assert all(later > earlier - 0.06 for earlier, later in pairwise(places))


def test_an_unordered_hand_off_is_shuffled(hand_off):
    folder = hand_off(ordered_rows(9, 3), ordered=False)
    chats = config(folder, "llamafactory")
    assert chats["dataset"] == "instructions_messages,refusals_messages" and "disable_shuffling" not in chats
    assert [entry["split"] for entry in config(folder, "axolotl")["datasets"]] == ["train", "train"]
