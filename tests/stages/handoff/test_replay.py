"""Replay data is read in every known format; other records are dropped with a reason."""

import gzip
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.recipe.wiring import wire
from datagen.request import Reject
from datagen.stages.handoff.replay import _records, example, stage
from tests.support.rows import context


def replayed(folder, **options):
    chosen = stage.options.model_validate({"path": ["general"]} | options)
    replay_context = replace(context("replay"), folder=folder)
    outcomes = [
        outcome
        for file in stage.plan(chosen, replay_context)
        for outcome in stage.read(file, chosen, replay_context)
    ]
    return [
        [row for outcome in outcomes for row in getattr(outcome, side).to_pylist()]
        for side in ("kept", "dropped")
    ]


SHAPES = [
    {"text": "A text."},
    {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
    {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
    {"prompt": "Q", "completion": "A"},
    {
        "prompt": [{"role": "user", "content": "Q"}],
        "completion": [{"role": "assistant", "content": "A"}],
    },
    {"instruction": "Q", "input": "", "output": "A"},
]


def test_every_format_gives_the_same_example(tmp_path):
    (tmp_path / "general").mkdir()
    lines = [*map(json.dumps, SHAPES), "{", json.dumps({"other": 1}), json.dumps([1]), ""]
    (tmp_path / "general" / "a.jsonl").write_text("\n".join(lines))
    kept, dropped = replayed(tmp_path)
    assert [row["kind"] for row in kept] == ["reading", *["instruction"] * 5]
    for row in kept[1:]:
        assert (row["prompt"], row["answer"]) == ([{"role": "user", "content": "Q"}], "A")
    assert {row["task"] for row in kept} == {"general"} and len({row["id"] for row in kept}) == 6
    assert [row["reason"] for row in dropped] == ["not JSON", "unknown shape", "unknown shape"]


def test_parquet_gzip_and_broken_files(tmp_path):
    home = tmp_path / "general"
    home.mkdir()
    pq.write_table(pa.table({"text": ["one", "two"]}), home / "a.parquet")
    with gzip.open(home / "b.jsonl.gz", "wt") as file:
        file.write('{"text": "three"}\n')
    (home / "c.parquet").write_bytes(b"PAR1 broken")
    (home / "d.jsonl.gz").write_bytes(b"no gzip")
    (home / "e.jsonl").write_bytes(b'{"text": "four"}\n\xff\xfe\n')
    kept, dropped = replayed(tmp_path)
    assert [row["text"] for row in kept] == ["one", "two", "three", "four"]
    assert [row["reason"] for row in dropped] == ["unreadable file", "unreadable file", "not JSON"]


def test_a_share_is_sampled_by_hash(tmp_path):
    lines = "\n".join(json.dumps({"text": str(number)}) for number in range(400))
    (tmp_path / "general").mkdir()
    (tmp_path / "general" / "a.jsonl").write_text(lines)
    some, _ = replayed(tmp_path, share=0.25)
    more, _ = replayed(tmp_path, share=0.5)
    assert 70 < len(some) < 130 and {row["id"] for row in some} < {row["id"] for row in more}
    with pytest.raises(UserError, match="nothing has no file"):
        replayed(tmp_path, path=["nothing"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "conversations", "prompt", "completion", "role", "content", "from", "value"]
            ),
            inner,
            max_size=4,
        )
    ),
)


def test_a_line_that_is_nested_too_deeply_is_one_dropped_record(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text('{"text": "One."}\n' + "[" * 100_000 + '\n{"text": "Two."}\n')
    one, odd, two = _records(path)
    assert (one, two) == ({"text": "One."}, {"text": "Two."}) and odd.reason == "not JSON"


@given(JSON)
def test_any_record_is_an_example_or_rejected(record):
    try:
        row = example(record)
    except Reject:
        return
    assert row["kind"] in ("reading", "instruction")


def test_mix_reads_replay_data_with_the_domains_rows():
    steps = [("select", "examples", "examples"), ("replay", "", "examples"), ("mix", "examples", "examples")]
    reads = wire([("instruct", "", "examples"), *steps])
    assert reads["mix"] == ["select", "replay"]
