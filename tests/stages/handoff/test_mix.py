"""Splits by document, and the share of refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema import chat, fraction
from datagen.stages.handoff.mix import stage
from tests.support.rows import example, put_through

KINDS = ("reading", "instruction", "preference")
SERVED = {"models": {"generator": {"engine": "openai", "model": "m", "base_url": "http://localhost"}}}


def row(kind="instruction", **fields):
    return example(kind, text="T", answer="A", rejected="R", prompt=chat("Hello."), **fields)


def mixed(rows, size=None, seed=0, **options):
    return put_through(stage, rows, size, recipe=SERVED | {"seed": seed}, **options)


def rows_of(documents, each=5):
    return [
        row(KINDS[number % 3], document=f"document {document}", id=f"{document}-{number}")
        for document in range(documents)
        for number in range(each)
    ]


def split_of(rows):
    return {row["id"]: row["split"] for row in rows}


def test_all_rows_of_a_document_are_in_one_split():
    kept, dropped = mixed(rows_of(400), size=170)
    assert not dropped
    sides = {}
    for row in kept:
        sides.setdefault(row["lineage"]["document_id"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    share = sum(side == {"validation"} for side in sides.values()) / len(sides)
    assert 0.02 < share < 0.09


def test_added_documents_do_not_change_the_splits():
    before = split_of(mixed(rows_of(100), validation=0.3)[0])
    after = split_of(mixed(rows_of(130), size=11, validation=0.3)[0])
    assert before.items() <= after.items()
    larger = split_of(mixed(rows_of(100), validation=0.5)[0])
    assert all(larger[name] == "validation" for name, side in before.items() if side == "validation")
    other = split_of(mixed(rows_of(100), validation=0.3, seed=1)[0])
    assert other != before


@pytest.mark.parametrize("seed", range(12))
def test_a_deviating_share_is_repaired_with_the_documents_nearest_to_the_threshold(seed):
    """With documents of equal size, those with the lowest draws remain the ones in validation."""
    rows = [row("reading", document=f"document {n % 20}", id=str(n)) for n in range(100)]
    kept, _ = mixed(rows, validation=0.1, seed=seed)
    held_out = {row["lineage"]["document_id"] for row in kept if row["split"] == "validation"}
    draws = sorted((fraction("split", str(seed), f"document {n}"), f"document {n}") for n in range(20))
    expected = [name for draw, name in draws if draw < 0.1]
    if len(expected) not in (1, 2, 3):  # more than half off the target of two
        expected = [name for _, name in draws[:2]]
    assert held_out == {*expected}


def test_no_validation():
    kept, _ = mixed(rows_of(50), validation=0)
    assert {row["split"] for row in kept} == {"train"}


def test_a_row_without_a_document_is_its_own_document():
    rows = [
        row(id=str(number), lineage=None if number % 2 else {"document_id": None}) for number in range(100)
    ]
    kept, _ = mixed(rows, validation=0.5)
    assert {row["split"] for row in kept} == {"train", "validation"}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0, 0.2, 0.25, 0.5, 1]), st.integers(5, 30))
def test_refusals_are_capped_exactly_at_their_share(instructions, refusals, share, size):
    rows = [row(id=f"i{number}") for number in range(instructions)]
    rows += [row("refusal", id=f"r{number}") for number in range(refusals)] + [row("reading", id="text")]
    kept, dropped = mixed(rows, size, max_share={"refusal": share})
    left = sum(row["kind"] == "refusal" for row in kept)
    assert len(kept) - left == instructions + 1
    assert left <= share * (left + instructions) + 1e-9
    assert left == refusals or left + 1 > share * (left + 1 + instructions) - 1e-9
    assert {row["reason"] for row in dropped} <= {"over the share"}
    again, _ = mixed(rows[::-1], max_share={"refusal": share})
    assert {row["id"] for row in again} == {row["id"] for row in kept}


def test_without_a_cap_all_refusals_are_kept():
    rows = [row("refusal", id=str(number)) for number in range(9)]
    assert len(mixed(rows, max_share={})[0]) == 9
    [dropped, *_] = mixed(rows)[1]
    assert dropped["detail"] == "9 rows; with 0 others a share of 0.2 allows 0"


def test_rows_are_shuffled_by_hash():
    rows = rows_of(20)
    first, again = (mixed(given_)[0] for given_ in (rows, rows[::-1]))
    assert [row["id"] for row in first] == [row["id"] for row in again] != [row["id"] for row in rows]


@pytest.mark.parametrize("rows", [[], rows_of(1)])
def test_tiny_inputs(rows):
    assert len(mixed(rows)[0]) == len(rows)
