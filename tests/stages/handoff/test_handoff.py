"""Trainers load exactly the rows that were written."""

import json
import socket
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datagen.schema import MESSAGES, chat
from datagen.stages.handoff.handoff import stage
from datagen.stages.handoff.handoff.configurations import with_answer
from datagen.stages.handoff.handoff.load_check import HandoffError
from tests.support.rows import example, put_through

SPLIT = {"split": pa.string()}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def hand_off(rows, folder, size=None, **options):
    return put_through(stage, rows, size, folder, columns=SPLIT, **options)


def load(folder, product):
    return datasets.load_dataset(str(folder / "handoff"), product, cache_dir=str(folder / "cache"))


def folders(folder):
    """The configurations that the hand-off has."""
    return sorted({path.parents[1].name for path in (folder / "handoff").rglob("*.parquet")})


def header(folder):
    return yaml.safe_load((folder / "handoff" / "README.md").read_text().split("---\n")[1])


def made_by(model, **fields):
    return {
        "document_id": "d",
        "requests": ["key"],
        "parents": ["p"],
        "model": model,
        "revision": "r1",
    } | fields


def of_every_kind():
    return [
        example("reading", text="Ein Text.\n文", id="text", split="train"),
        example(question="Q?", context="C", answer="A", id="pair", split="train"),
        example(
            question="Q2?",
            answer=" B ",
            id="held",
            split="validation",
            prompt=chat("Q2?", system="Be brief."),
        ),
        example("refusal", question="Q3?", answer="I do not know.", id="refusal", split="train"),
        example(
            "preference", question="Q4?", answer="Not sure.", rejected="Yes!", id="preference", split="train"
        ),
    ]


def test_the_exercises_of_a_reading_row_reach_the_hand_off(tmp_path):
    listed = {"exercises": [{"task": "where", "gold_spans": [{"id": "p", "start": 0, "end": 3}]}]}
    hand_off([example("reading", text="Bee.", split="train", metadata=json.dumps(listed))], tmp_path)
    [row] = load(tmp_path, "reading")["train"]
    assert json.loads(row["metadata"]) == listed


def test_every_product_has_its_format(tmp_path):
    kept, dropped = hand_off(of_every_kind(), tmp_path, size=2)
    assert len(kept) == 5 and not dropped
    known = ["id", "kind", "task", "split"]
    [text] = load(tmp_path, "reading")["train"]
    assert (
        list(text) == [*known, "text", "tokens", "trained_tokens", "metadata", "lineage"]
        and text["text"] == "Ein Text.\n文"
    )
    pairs = load(tmp_path, "instructions")
    counted, noted = ["tokens", "trained_tokens"], ["metadata", "reasoning", "lineage"]
    assert pairs["train"].column_names == [*known, "prompt", "completion", *counted, *noted]
    assert pairs["train"][0]["prompt"] == [{"role": "user", "content": "C\n\nQ?"}]
    assert pairs["train"][0]["completion"] == [{"role": "assistant", "content": "A"}]
    chats = load(tmp_path, "instructions_messages")
    assert chats["train"].column_names == [*known, "messages", *counted, *noted]
    assert chats["train"][0]["messages"] == [
        {"role": "user", "content": "C\n\nQ?", "train": False},
        {"role": "assistant", "content": "A", "train": True},
    ]
    assert [turn["role"] for turn in chats["validation"][0]["messages"]] == ["system", "user", "assistant"]
    assert chats["validation"][0]["messages"][-1]["content"] == " B "
    [refusal] = load(tmp_path, "refusals")["train"]
    assert refusal["completion"] == [{"role": "assistant", "content": "I do not know."}]
    [preference] = load(tmp_path, "preferences")["train"]
    assert preference["prompt"] == [{"role": "user", "content": "Q4?"}]
    assert preference["chosen"] == [{"role": "assistant", "content": "Not sure."}]
    assert preference["rejected"] == [{"role": "assistant", "content": "Yes!"}]
    assert preference["lineage"]["document_id"] == "d" and preference["split"] == "train"


def test_the_card_lists_contents(tmp_path):
    rows = of_every_kind()
    rows[1]["lineage"] = made_by(
        "some/model", stage="instruct", prompt="instructions/qa", prompt_hash="abc123"
    )
    hand_off(rows, tmp_path, recipe={"name": "laws", "stages": {"ingest": None, "mix": {"validation": 0.5}}})
    configs = {config["config_name"]: config["data_files"] for config in header(tmp_path)["configs"]}
    assert list(configs) == [
        "reading",
        "instructions",
        "instructions_messages",
        "refusals",
        "refusals_messages",
        "preferences",
        "preferences_messages",
    ]
    assert [part["split"] for part in configs["instructions"]] == ["train", "validation"]
    card = (tmp_path / "handoff" / "README.md").read_text()
    assert "| instructions | qa | 1 | 1 |" in card and "| reading | qa | 1 | 0 |" in card
    assert "| instruct | some/model | r1 | instructions/qa | abc123 | 1 |" in card
    assert '| mix | `{"validation": 0.5}` |' in card
    assert "| `pydoc_data.topics:topics` | not stated |" in card
    assert "| generator | SmolLM2-135M-synthesizer | q4_1" in card and "| apache-2.0 |" in card


def test_an_empty_product_has_no_configuration(tmp_path):
    hand_off(of_every_kind()[:2], tmp_path)
    assert folders(tmp_path) == ["instructions", "instructions_messages", "reading"]
    assert {config["config_name"] for config in header(tmp_path)["configs"]} == set(folders(tmp_path))
    assert (
        "| refusals | no rows, so no configuration | 0 |" in (tmp_path / "handoff" / "README.md").read_text()
    )
    with pytest.raises(ValueError, match="refusals"):
        load(tmp_path, "refusals")


@pytest.mark.parametrize("rows", [[], [example("refusal", question="Q?", answer=None, split="train")]])
def test_an_empty_hand_off_is_valid(tmp_path, rows):
    kept, _ = hand_off(rows, tmp_path)
    assert not kept
    assert folders(tmp_path) == []
    assert "configs" not in header(tmp_path)


def test_untrainable_rows_are_dropped(tmp_path):
    rows = [
        example("reading", text=" \n", id="blank", split="train"),
        example(question="Q?", answer=None, id="silent", split="train"),
        example(question="Q?", answer="A", prompt=None, id="unasked", split="train"),
        example(question="Q?", answer="A", prompt=[], id="asked nothing", split="train"),
        example("preference", question="Q?", answer="A", rejected="", id="one-sided", split="train"),
        example("poem", question="Q?", answer="A", id="poem", split="train"),
        example("reading", text="Text.", id="good", split="train"),
    ]
    kept, dropped = hand_off(rows, tmp_path, size=2)
    assert [row["id"] for row in kept] == ["good"]
    assert {row["reason"] for row in dropped} == {"incomplete"}
    assert {row["id"]: row["detail"] for row in dropped} == {
        "blank": "no text",
        "silent": "no answer",
        "unasked": "no prompt",
        "asked nothing": "no prompt",
        "one-sided": "no rejected",
        "poem": "no product for its kind",
    }
    assert [row["id"] for row in load(tmp_path, "reading")["train"]] == ["good"]


def test_without_mix_all_rows_are_training_rows(tmp_path):
    rows = [{name: value for name, value in row.items() if name != "split"} for row in of_every_kind()]
    put_through(stage, rows, folder=tmp_path)
    assert {split: len(part) for split, part in load(tmp_path, "instructions").items()} == {"train": 2}


def test_shards_hold_all_rows_in_order(tmp_path):
    rows = [
        example("reading", text=f"Text {number}.", id=f"{number:02}", split="train") for number in range(30)
    ]
    hand_off(rows, tmp_path, size=4, shard_mb=0.000_5)
    files = sorted((tmp_path / "handoff" / "reading" / "train").iterdir())
    assert len(files) > 2
    assert files[1].name == f"train-00001-of-{len(files):05d}.parquet"
    assert [row["id"] for row in load(tmp_path, "reading")["train"]] == [row["id"] for row in rows]


def test_a_new_hand_off_replaces_the_old_without_leftovers(tmp_path):
    hand_off(of_every_kind(), tmp_path)
    (tmp_path / ".unfinished-handoff").mkdir()
    (tmp_path / ".unfinished-handoff" / "half").touch()
    hand_off(of_every_kind()[:1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["handoff"]
    assert folders(tmp_path) == ["reading"]
    assert not list(tmp_path.rglob(".unfinished*"))


@pytest.mark.parametrize("wrong", ["fewer", "other"])
def test_a_hand_off_that_loads_differently_is_not_published(tmp_path, monkeypatch, wrong):
    honest = datasets.load_dataset

    def dishonest(*arguments, **options):
        loaded = honest(*arguments, **options)
        if wrong == "fewer":
            return datasets.DatasetDict(
                {name: part.select(range(len(part) - 1)) for name, part in loaded.items()}
            )
        return loaded.map(lambda row: {"id": row["id"] + "!"}, cache_file_names=dict.fromkeys(loaded))

    monkeypatch.setattr(datasets, "load_dataset", dishonest)
    with pytest.raises(HandoffError, match="differ from the files"):
        hand_off(of_every_kind(), tmp_path)
    assert not (tmp_path / "handoff").exists()


@pytest.mark.parametrize("product", ["reading", "instructions", "preferences_messages"])
def test_datasets_does_not_return_the_rows_of_an_earlier_release(tmp_path, product):
    ids = {}
    for release in ("first", "second"):
        folder = tmp_path / release
        folder.mkdir()
        hand_off([row | {"id": f"{release} {row['id']}"} for row in of_every_kind()], folder)
        loaded = datasets.load_dataset(str(folder / "handoff"), product, cache_dir=str(tmp_path / "cache"))
        ids[release] = [name.split()[0] for name in loaded["train"]["id"]]
    assert ids == {"first": ["first"], "second": ["second"]}


def test_the_users_cache_is_not_touched(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home)
    folder = tmp_path / "run"
    folder.mkdir()
    hand_off(of_every_kind(), folder)
    assert not home.exists()


TURNS = st.lists(
    st.builds(dict, role=st.sampled_from(["system", "user", "assistant"]), content=st.text(max_size=4)),
    min_size=1,
    max_size=4,
)


@given(st.lists(st.tuples(TURNS, st.text(max_size=5)), min_size=1, max_size=8), st.integers(0, 7))
def test_answers_follow_their_prompts(rows, skip):
    skip = min(skip, len(rows) - 1)
    prompts = pa.chunked_array([pa.array([prompt for prompt, _ in rows], MESSAGES)])[skip:]
    answers = pa.chunked_array([pa.array([answer for _, answer in rows])])[skip:]
    expected = [
        [
            *({**turn, "train": False} for turn in prompt),
            {"role": "assistant", "content": answer, "train": True},
        ]
        for prompt, answer in rows[skip:]
    ]
    assert with_answer(prompts, answers).to_pylist() == expected


def test_files_hold_their_rows_without_datasets(tmp_path):
    hand_off(of_every_kind(), tmp_path)
    path = Path(tmp_path / "handoff" / "instructions" / "train" / "train-00000-of-00001.parquet")
    assert pq.read_table(path)["id"].to_pylist() == ["pair"]
