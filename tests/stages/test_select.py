"""Budgets by kind."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rows import example, put_through

from datagen.stages.select import stage

SCORED = {"p_true": pa.float64()}


def ids(rows):
    return {row["id"] for row in rows}


def test_the_best_of_a_kind_stay():
    rows = [
        example(id="sure", p_true=0.9, logprob=-9.0),
        example(id="likelier", p_true=0.5, logprob=-1.0),
        example(id="less", p_true=0.5, logprob=-2.0),
        example(id="unscored", p_true=None, logprob=-0.1),
        example("refusal", id="other kind", p_true=None),
    ]
    kept, dropped = put_through(stage, rows, size=2, columns=SCORED, max_rows={"instruction": 2})
    assert ids(kept) == {"sure", "likelier", "other kind"}
    assert {row["id"]: (row["reason"], row["detail"]) for row in dropped} == {
        "less": ("over the budget", "3 of 4 for 2 places, p_true 0.5"),
        "unscored": ("over the budget", "4 of 4 for 2 places, logprob -0.1"),
    }


def test_without_a_budget_everything_stays():
    rows = [example(id=str(number)) for number in range(5)]
    assert len(put_through(stage, rows)[0]) == 5
    assert put_through(stage, [], max_rows={"reading": 1}) == ([], [])


SOME = st.lists(
    st.tuples(st.sampled_from(["reading", "instruction", "refusal"]), st.sampled_from([None, 0.1, 0.9])),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(SOME, st.integers(0, 8), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_budget_is_exact_monotone_and_blind_to_order(drawn, budget, size, random):
    rows = [example(kind, id=f"{number:03}", p_true=score) for number, (kind, score) in enumerate(drawn)]
    limit = {"reading": budget, "instruction": budget}
    kept, _ = put_through(stage, rows, columns=SCORED, max_rows=limit)
    for kind in ("reading", "instruction", "refusal"):
        had = sum(row["kind"] == kind for row in rows)
        assert sum(row["kind"] == kind for row in kept) == (had if kind == "refusal" else min(budget, had))
    again, _ = put_through(stage, random.sample(rows, len(rows)), size, columns=SCORED, max_rows=limit)
    assert ids(again) == ids(kept)
    more, _ = put_through(stage, rows, columns=SCORED, max_rows=dict.fromkeys(limit, budget + 1))
    assert ids(kept) <= ids(more)


def test_the_seed_draws_among_equals():
    rows = [example(id=str(number)) for number in range(40)]
    chosen = [
        ids(put_through(stage, rows, recipe={"seed": seed}, max_rows={"instruction": 20})[0])
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_unknown_kinds_are_errors():
    with pytest.raises(ValidationError):
        put_through(stage, [], max_rows={"instructions": 3})
