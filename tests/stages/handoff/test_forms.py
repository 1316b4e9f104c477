"""Pairs in both forms: decided by mix, created by the hand-off, and counted as one row of the pipeline."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from datagen.schema import EXAMPLES, chat, table_of
from datagen.stages.handoff.forms import closed_forms, with_closed_forms
from datagen.stages.handoff.handoff import stage as handoff
from datagen.stages.handoff.mix import stage as mix
from tests.stages.handoff.test_mixture import mixed, texts, towns
from tests.support.rows import example, put_through

TYPES = {"split": pa.string(), "phase": pa.int64(), "part": pa.string(), "order": pa.int64(),
         "both_forms": pa.bool_()}  # fmt: skip


def chats(rows):
    return [row for row in rows if row["kind"] == "instruction"]


def test_shares_of_one_form_the_other_and_both_are_those_of_the_recipe():
    kept, _ = mixed([*towns(200), example(question="Why?", context="C", answer="A", id="needs it")],
                    closed_book=0.3, both_forms=0.4)  # fmt: skip
    conversations = chats(kept)
    forms = Counter(
        "both" if row["both_forms"] else "open" if row["context"] else "closed" for row in conversations
    )
    assert abs(forms["closed"] - 60) < 20 and abs(forms["both"] - 80) < 22 and forms["open"] > 30
    assert not any(row["both_forms"] and not row["context"] for row in conversations)
    assert not next(row for row in conversations if row["id"] == "needs it")["both_forms"]


def test_the_closed_book_share_draws_the_same_pairs_with_and_without_both_forms():
    before, _ = mixed(towns(80), closed_book=0.3)
    after, _ = mixed(towns(80), closed_book=0.3, both_forms=0.3)
    closed = [{row["id"] for row in chats(kept) if not row["context"]} for kept in (before, after)]
    assert closed[0] == closed[1] and closed[0]


def test_more_than_all_pairs_is_refused():
    with pytest.raises(ValidationError, match="at most 1 together"):
        mix.options(closed_book=0.7, both_forms=0.4)


def test_a_pair_in_both_forms_is_two_rows_of_the_mixture(tmp_path):
    parts = {"chat": {"kind": "instruction", "share": 0.5}, "read": {"kind": "reading", "share": 0.5}}
    rows = [row for row in towns(30) if row["kind"] == "instruction"] + texts(100)
    kept, _ = mixed(rows, both_forms=1, parts=parts)
    assert len(chats(kept)) == 30 and len(kept) - 30 == 60


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 7])
def test_the_hand_off_writes_both_forms_and_the_account_holds(tmp_path, size):
    kept, _ = mixed(towns(40), both_forms=0.5, closed_book=0.2)
    rows = [{name: row.get(name) for name in (*EXAMPLES.names, *TYPES)} for row in kept]
    out, dropped = put_through(handoff, rows, size, tmp_path, columns=TYPES)  # checks the account
    assert not dropped and {row["id"] for row in out} == {row["id"] for row in rows}
    paths = sorted((tmp_path / "handoff" / "instructions" / "train").glob("*.parquet"))
    written = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    both = [row for row in chats(rows) if row["both_forms"]]
    assert len(written) == len(chats(rows)) + len(both) and both
    assert len({row["id"] for row in written}) == len(written)
    of_parent = {row["lineage"]["parents"][0]: row for row in written if row["lineage"]["parents"]}
    for row in both:
        closed = of_parent[row["id"]]
        assert closed["prompt"] == chat(row["question"])
        assert closed["completion"][0]["content"] == row["answer"]
        assert next(result for result in written if result["id"] == row["id"])["prompt"] == row["prompt"]
        assert closed["lineage"]["passage_id"] == row["lineage"]["passage_id"]
    ids = [row["id"] for row in written]
    added = [place for place, row in enumerate(written) if row["lineage"]["parents"]]
    assert added != list(range(len(ids) - len(added), len(ids)))  # among the others, not after them
    manifest = json.loads((tmp_path / "handoff" / "manifest.json").read_text())
    assert manifest["configurations"]["instructions"]["train"]["rows"] == len(written)


def test_a_bad_row_is_dropped_once_with_its_own_reason(tmp_path):
    rows = [
        example(question="Q1?", context="C", answer=" ", id="blank", split="train", both_forms=True, order=0),
        example(question="Q2?", context="C", answer="B", id="good", split="train", both_forms=True, order=0),
        example(question="Q3?", context="C", answer="D", id="single", split="train", order=0),
    ]
    out, dropped = put_through(handoff, rows, None, tmp_path, columns=TYPES)
    assert {row["id"] for row in out} == {"good", "single"}
    assert [(row["id"], row["reason"]) for row in dropped] == [("blank", "incomplete")]


def test_forms_keep_the_system_message_and_nothing_is_added_without_the_column():
    row = example(question="Q?", context="C", answer="A", id="x", prompt=chat("Q?", "C", system="Be brief."))
    table = table_of(EXAMPLES, [row])
    [closed] = closed_forms(table).to_pylist()
    assert closed["prompt"] == chat("Q?", system="Be brief.") and closed["context"] is None
    assert closed["lineage"]["parents"] == ["x"] and closed["id"] != "x"
    same, places = with_closed_forms(table, "0")
    assert same is table and places.tolist() == [0]
