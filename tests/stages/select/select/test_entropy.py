"""Greedy maximum entropy over categories."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.select.select.entropy import spread

LABELS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "z", None])), min_size=1, max_size=12
)


def entropies(rows, chosen):
    parts = []
    for column in zip(*(rows[row] for row in chosen), strict=True):
        shares = np.array(list(Counter(column).values())) / len(chosen)
        parts.append(float(-(shares * np.log(shares)).sum()))
    return parts


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(0, 14))
def test_each_choice_minimises_the_distance(rows, most):
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    order, distances, reached = spread(columns, most)
    assert sorted(order) == list(range(len(rows)))
    highest = [np.log(len(set(column))) for column in zip(*rows, strict=True)]
    chosen = min(most, len(rows))
    for step in range(chosen):
        before = order[:step].tolist()

        def far(row, before=before):
            return np.linalg.norm(np.subtract(highest, entropies(rows, [*before, row])))

        assert reached[step] == pytest.approx(entropies(rows, order[: step + 1]), abs=1e-9)
        assert distances[step] == pytest.approx(far(order[step]), abs=1e-7)
        assert distances[step] <= min(far(row) for row in range(len(rows)) if row not in before) + 1e-7
    assert np.isnan(distances[chosen:]).all() and (np.diff(order[chosen:]) > 0).all()


def test_rare_labels_are_chosen_as_often_as_common_ones():
    task, source = ["qa"] * 80 + ["list"] * 20, ["a", "b"] * 50
    order, distances, _ = spread([pa.array(task), pa.array(source)], 20)
    chosen = order[:20]
    assert Counter(task[row] for row in chosen) == {"qa": 10, "list": 10}
    assert Counter(source[row] for row in chosen) == {"a": 10, "b": 10}
    assert distances[19] == pytest.approx(0, abs=1e-9)
