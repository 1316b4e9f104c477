"""Replay data is read as own pairs are, with the task `general`."""

import json
from dataclasses import replace

import pytest

from datagen.errors import UserError
from datagen.recipe.wiring import wire
from datagen.stages.handoff.replay import stage
from tests.support.rows import context


def replayed(folder, **options):
    chosen = stage.options.model_validate({"path": ["general"]} | options)
    replay_context = replace(context("replay"), folder=folder, run_folder=folder / "runs" / "r" / "1")
    outcomes = [
        outcome
        for task in stage.plan(chosen, replay_context)
        for outcome in stage.read(task, chosen, replay_context)
    ]
    return [
        [row for outcome in outcomes for row in getattr(outcome, side).to_pylist()]
        for side in ("kept", "dropped")
    ]


def test_rows_have_the_task_general_and_keep_addresses(tmp_path):
    (tmp_path / "general").mkdir()
    record = {"instruction": "Whom do I write to?", "output": "Write to ada@example.org."}
    (tmp_path / "general" / "a.jsonl").write_text(json.dumps(record))
    (row,), dropped = replayed(tmp_path)
    assert row["task"] == "general" and row["answer"] == "Write to ada@example.org." and not dropped


def test_a_share_is_sampled_by_hash(tmp_path):
    lines = "\n".join(json.dumps({"text": str(number)}) for number in range(400))
    (tmp_path / "general").mkdir()
    (tmp_path / "general" / "a.jsonl").write_text(lines)
    some, _ = replayed(tmp_path, share=0.25)
    more, _ = replayed(tmp_path, share=0.5)
    assert 70 < len(some) < 130 and {row["id"] for row in some} < {row["id"] for row in more}
    with pytest.raises(UserError, match=r"replay\.path: 'nothing' matches no file"):
        replayed(tmp_path, path=["nothing"])


def test_mix_reads_replay_data_with_the_domains_rows():
    steps = [("select", "examples", "examples"), ("replay", "", "examples"), ("mix", "examples", "examples")]
    reads = wire([("instruct", "", "examples"), *steps])
    assert reads["mix"] == ["select", "replay"]
