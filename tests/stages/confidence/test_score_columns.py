"""Which rows are scored, and the columns of their scores."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.schema import EXAMPLES, table_of
from datagen.stages.confidence import consistency, difficulty, meta_rank, score
from datagen.stages.confidence.score_columns import Undecided, scored, undecided
from tests.support.asked import ask
from tests.support.rows import example

STAGES = (score.stage, consistency.stage, difficulty.stage, meta_rank.stage)


def table(**columns):
    size = len(next(iter(columns.values())))
    rows = [
        example(question=f"What is {n}?", answer=str(n), context="Of numbers.", id=str(n))
        for n in range(size)
    ]
    made = table_of(EXAMPLES, rows)
    for name, values in columns.items():
        filled = pa.array(values, pa.float64())
        at = made.column_names.index(name) if name in made.column_names else None
        made = made.append_column(name, filled) if at is None else made.set_column(at, name, filled)
    return made


def chosen(rows, **only_if):
    return [int(row["id"]) for row in undecided(rows, Undecided(only_if=only_if), "id")]


def test_rows_within_the_bounds_or_without_the_score_are_undecided():
    rows = table(logprob=[-3.0, -2.0, -1.0, -0.5, None, -0.1])
    assert chosen(rows) == [0, 1, 2, 3, 4, 5]
    assert chosen(rows, logprob=[-2, -0.5]) == [1, 2, 3, 4]
    assert chosen(rows, logprob=[None, -0.5]) == [0, 1, 2, 3, 4]
    assert chosen(rows, logprob=[-0.5, None]) == [3, 4, 5]


def test_one_decisive_score_suffices():
    rows = table(logprob=[-1, -1, -9, None], p_true=[0.5, 0.9, 0.5, 0.9])
    assert chosen(rows, logprob=[-2, 0], p_true=[0.2, 0.8]) == [0]


@given(st.lists(st.none() | st.floats(-9, 9), min_size=1), st.floats(-9, 9), st.floats(-9, 9))
def test_a_wider_band_scores_more_rows(values, one, other):
    rows, (low, high) = table(logprob=values), sorted((one, other))
    narrow = chosen(rows, logprob=[low, high])
    assert narrow == [n for n, value in enumerate(values) if value is None or low <= value <= high]
    assert set(narrow) <= set(chosen(rows, logprob=[low - 1, high + 1])) <= set(chosen(rows))


def test_a_missing_score_is_reported_with_the_existing_ones():
    with pytest.raises(UserError, match=r"no score 'p_true'.*there are logprob"):
        chosen(table(logprob=[0.0]), p_true=[0, 1])
    with pytest.raises(UserError, match="no score 'task'"):
        chosen(table(logprob=[0.0]), task=[0, 1])
    with pytest.raises(ValidationError, match="lower bound first"):
        Undecided(only_if={"logprob": [1, 0]})


def test_values_that_are_not_finite_become_null_and_every_row_is_kept():
    outcome = scored(table(logprob=[0.0] * 4), {"s": [1.0, math.nan, math.inf, None]})
    assert outcome.kept["s"].to_pylist() == [1.0, None, None, None]
    assert outcome.kept.schema.field("s").type == pa.float64() and len(outcome.dropped) == 0


def test_a_score_is_computed_only_once():
    with pytest.raises(UserError, match="already have a score logprob"):
        scored(table(logprob=[0.0]), {"logprob": [1.0]})


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage.name} of {stage.role}")
def test_a_decided_row_costs_nothing_and_is_kept_without_a_score(stage, tmp_path):
    (tmp_path / "known.jsonl").write_text(
        '{"question": "?", "answer": "a", "verdict": "right"}\n{"question": "?", "answer": "b", "verdict": "wrong"}\n'
    )
    options = {"references": str(tmp_path / "known.jsonl")} if stage is meta_rank.stage else {}
    rows = table(logprob=[-1.0, -0.1, None])
    kept, dropped, requests = ask(
        stage, rows, lambda request: "Of numbers.", only_if={"logprob": [-2, -0.5]}, **options
    )
    assert {request.row for request in requests} == {"0", "2"} and not dropped
    added = set(kept[1]) - set(EXAMPLES.names)
    assert added and all(kept[1][name] is None for name in added)


def test_refusals_and_reading_texts_are_not_scored():
    assert all(stage.kinds == ("instruction",) for stage in STAGES)
