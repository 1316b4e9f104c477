"""The comparison of a hand-off's proof with that of its shuffled copy."""

from math import log

import pytest

from benchmarks.poisoned_handoff import compare
from datagen.store.parquet import write_json


def proof(run, gold, passages):
    """Write a proof with this P(gold) on seen and other items of the passages."""
    folder = run / "proof" / "a"
    (folder / "fits").mkdir(parents=True)
    write_json({"folder": "a"}, run / "proof" / "latest.json")
    items = [
        {"id": f"{passage}-{seen}", "passage": passage, "seen": seen, "family": "cloze"}
        for passage in passages
        for seen in (True, False)
    ]
    question = {"id": "question", "passage": passages[0], "seen": True, "family": "question"}
    write_json({"items": [*items, question]}, folder / "plan.json")
    for seed in (0, 1):
        scores = {item["id"]: [[log(gold[item["seen"]]), log(1 - gold[item["seen"]])]] for item in items}
        write_json(
            {"seed": seed, "items": scores | {"question": [[0.0, -9.0]]}},
            folder / "fits" / f"pairs-{seed}.json",
        )


def test_only_common_sentences_are_compared_and_seen_facts_apart_from_others(tmp_path):
    names = [f"p{number}" for number in range(10)]
    proof(tmp_path / "right", {True: 0.8, False: 0.5}, names)
    proof(tmp_path / "shuffled", {True: 0.6, False: 0.5}, [*names[1:], "other"])
    result = compare(tmp_path / "right", tmp_path / "shuffled")
    assert result["seen"]["items"] == result["unseen"]["items"] == 9
    assert result["seen"]["difference"] == pytest.approx(0.2) and result["seen"]["interval"] == pytest.approx(
        [0.2, 0.2]
    )
    assert result["unseen"]["difference"] == pytest.approx(0.0)
