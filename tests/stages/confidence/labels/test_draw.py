"""The rows to judge: random for checking, stratified for learning, and always the same."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.confidence.labels.draw import draws, gaps_first, group_of, sample


def table(count, kind="instruction", task="qa", start=0):
    ids = [f"{kind}-{task}-{number}" for number in range(start, start + count)]
    scores = [number / 1000 if number % 10 else None for number in range(start, start + count)]
    columns = {"id": ids, "kind": [kind] * count, "task": [task] * count}
    return pa.table(columns | {"p_true": pa.array(scores, pa.float64())})


def test_two_thirds_check_and_draws_are_even():
    checks, drawn = draws([str(number) for number in range(20_000)], "0")
    assert abs(checks.mean() - 2 / 3) < 0.02
    assert abs(drawn[checks].mean() - 0.5) < 0.02
    assert np.corrcoef(checks, drawn)[0, 1] < 0.02
    assert (draws(["1", "2", "3"], "0")[1] != draws(["1", "2", "3"], "1")[1]).all()


def test_the_narrower_group_takes_precedence_and_null_tasks_belong_to_their_kind():
    rows = pa.table({"kind": ["a", "a", "b", "a"], "task": ["x", "y", "x", None]})
    assert group_of(rows, ["a/x", "a"]).tolist() == [0, 1, -1, 1]
    assert group_of(rows, ["a", "a/x"]).tolist() == [1, 0, -1, 0]
    assert group_of(rows, ["c/x"]).tolist() == [-1] * 4


def test_checking_rows_have_the_lowest_draws_and_learning_rows_cover_the_score():
    rows = table(1000)
    ids = sample([rows], ["instruction"], 90, "0", "p_true")
    assert len(set(ids)) == len(ids) == 90
    every = rows["id"].to_pylist()
    checks, drawn = draws(every, "0")
    lowest = [every[index] for index in np.argsort(drawn) if checks[index]][:60]
    assert [name for name in ids if name in lowest] == lowest
    scores = dict(zip(every, rows["p_true"].to_pylist(), strict=True))
    taught = [scores[name] for name in ids[2::3]]
    held = np.histogram([score for score in taught if score is not None], [0, 0.25, 0.5, 0.75, 1])[0]
    assert (held >= 5).all() and sum(score is None for score in taught) > 0
    first = [score for score in taught[:5] if score is not None]
    assert max(first) - min(first) > 0.5  # stopping early still covers the whole range


def test_tasks_alternate():
    tables = [table(300, task=task) for task in ("qa", "summary")]
    ids = sample(tables, ["instruction/qa", "instruction/summary"], 10, "0")
    assert [name.split("-")[1] for name in ids] == ["qa", "summary"] * 10


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.integers(2, 30), st.integers(1, 25))
def test_the_sample_is_independent_of_partitions_and_grows_at_its_end(count, most, size):
    rows = table(count)
    unpartitioned = sample([rows], ["instruction"], most, "0")
    cut = sample([rows[at : at + size] for at in range(0, count, size)], ["instruction"], most, "0")
    assert cut == unpartitioned
    assert len(unpartitioned) <= most
    checks = dict(zip(rows["id"].to_pylist(), draws(rows["id"].to_pylist(), "0")[0], strict=True))
    longer = sample([rows], ["instruction"], most + 2, "0")
    expected = [name for name in unpartitioned if checks[name]]
    assert [name for name in longer if checks[name]][: len(expected)] == expected


def test_gaps_in_the_sample_are_judged_first():
    ids = [str(number) for number in range(300)]
    checks, drawn = draws(ids, "0")
    order = [ids[place] for place in np.argsort(drawn) if checks[place]]
    judged, gaps, beyond = order[1:60:2], order[0:60:2], order[60:70]
    teach = [ids[place] for place in np.flatnonzero(~checks)[:20]]
    rows = [{"id": name} for pair in zip(teach[:10], beyond, strict=True) for name in pair]
    rows += [{"id": name} for name in gaps]
    queue = [row["id"] for row in gaps_first([*judged, *teach[10:]], rows, "0")]
    assert queue == [*gaps, *(row["id"] for row in rows[:20])]
    assert [row["id"] for row in gaps_first([], rows, "0")] == [row["id"] for row in rows]
