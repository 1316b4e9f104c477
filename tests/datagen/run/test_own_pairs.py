"""A user's own pairs and chats are filtered, selected and handed off like generated rows."""

import json
from io import StringIO

import datasets
import pytest
from rich.console import Console

from datagen.look.explain import explain
from datagen.recipe.load import load_recipe
from datagen.store.parquet import parts, read_part
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: own
cluster: {workers: 1}
stages:
  own_pairs: {path: [pairs], licence: CC-BY-4.0, language: en}
  measure:
  curate:
  dedup:
  decontaminate: {against: [leaked.jsonl]}
  select:
  calibrate:
  mix: {validation: 0.2}
  handoff:
"""
TOWNS = ("Aldham", "Brecon", "Corby", "Dover", "Ely", "Frome", "Goole", "Hythe", "Ilkley", "Jarrow")
LEAKED = "In which year was the old town hall of Jarrow opened to all of its citizens?"


def pair(number, town):
    return {
        "instruction": f"When does the ferry from {town} leave in winter, and from which pier?",
        "output": f"It leaves {town} at {number} o'clock from pier {number}.",
        "id": town,
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_on_workers):
    folder = tmp_path_factory.mktemp("own")
    (folder / "pairs").mkdir()
    pairs = [pair(number, town) for number, town in enumerate(TOWNS, start=1)]
    chat = [
        {"from": "human", "value": "Who keeps the tide tables of Dover?"},
        {"from": "gpt", "value": "The harbour master keeps them."},
        {"from": "human", "value": "And where may I read them?"},
        {"from": "gpt", "value": "They hang in the harbour office and on every pier."},
    ]
    odd = [
        {"instruction": "Say nothing, please, and do it well.", "output": "<|im_end|> nothing"},
        {"instruction": LEAKED, "output": "It was opened in the year 1871."},
        pair(1, "Aldham") | {"id": "again"},
        {"instruction": "No answer here."},
    ]
    lines = [*pairs, {"conversations": chat}, *odd]
    (folder / "pairs" / "a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "leaked.jsonl").write_text(json.dumps({"question": LEAKED}) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    return run_on_workers(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())


def dropped(finished, stage):
    return [
        row for path in parts(finished.stage_folder(stage) / "dropped") for row in read_part(path).to_pylist()
    ]


def load(finished):
    data = datasets.load_dataset(
        str(finished.folder / "handoff"), "instructions", cache_dir=str(finished.folder / "cache")
    )
    return [row for split in data.values() for row in split]


def test_bad_records_and_bad_rows_are_dropped_with_reasons(finished):
    assert [row["reason"] for row in dropped(finished, "own_pairs")] == ["no answer"]
    assert [row["reason"] for row in dropped(finished, "curate")] == ["control tokens"]
    assert len(dropped(finished, "dedup")) == 1
    assert [row["question"] for row in dropped(finished, "decontaminate")] == [LEAKED]


def test_good_rows_are_handed_off_with_source_key_and_licence(finished):
    rows = load(finished)
    assert len(rows) == len(TOWNS) + 1
    by_source = {row["lineage"]["source"]: row for row in rows}
    assert {f"pairs/a.jsonl#{town}" for town in TOWNS} < set(by_source)
    for row in rows:
        assert json.loads(row["metadata"])["licence"] == "CC-BY-4.0" and row["task"] == "own_pairs"
    (chat,) = [row for row in rows if len(row["prompt"]) == 3]
    assert chat["prompt"][1]["content"] == "The harbour master keeps them."
    card = (finished.folder / "handoff" / "README.md").read_text()
    assert "CC-BY-4.0" in card


def test_a_row_can_be_explained(finished):
    (row, *_) = load(finished)
    out = Console(file=StringIO(), width=200)
    explain(finished, row["id"], as_json=False, out=out)
    assert row["lineage"]["source"] in out.file.getvalue()
