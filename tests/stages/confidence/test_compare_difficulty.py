"""Whether two models agree on difficulty, as Superfiltering (arXiv 2402.00530) claims."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.report.html import comparisons
from datagen.run.folder import Run
from datagen.stages.confidence.compare_difficulty import compare, spearman, stage
from datagen.stages.select.select import stage as select
from tests.support.rows import example, put_through
from tests.support.runs import record_files

COLUMNS = {"ifd_ppl": pa.float64(), "ifd_ppl_strong": pa.float64()}


def rows_of(weak, strong):
    pairs = zip(weak, strong, strict=True)
    return [example(id=f"{n:03}", ifd_ppl=one, ifd_ppl_strong=other) for n, (one, other) in enumerate(pairs)]


def test_rank_correlation_matches_reference_values():
    # Ties share their rank: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert spearman(np.array([0.1, 0.2, 0.2, 9]), np.array([1.0, 2, 3, 4])) == pytest.approx(
        4.5 / np.sqrt(4.5 * 5)
    )
    assert spearman(np.arange(5.0), np.exp(np.arange(5.0))) == pytest.approx(1)
    assert spearman(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)
    assert spearman(np.ones(4), np.arange(4.0)) is None and spearman(np.empty(0), np.empty(0)) is None
    assert compare(np.empty(0), np.empty(0), 0.1) == {
        **{"rows": 0, "spearman": None, "share": 0.1},
        **{"kept": 0, "by_both": 0, "overlap": None},
    }


def test_the_overlap_is_that_of_the_rows_select_keeps(tmp_path):
    weak = [0.9, 0.8, 0.7, 0.6, 0.5, 1.2, 0.4, 0.3, None, 0.1]
    strong = [0.7, 0.9, 0.6, 0.8, 0.5, 0.95, 0.4, 0.3, 0.2, None]
    rows = rows_of(weak, strong)
    kept, dropped = put_through(stage, rows, 3, columns=COLUMNS, output=tmp_path, share=0.5)
    assert len(kept) == 10 and not dropped
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert comparison["rows"] == 8 and comparison["share"] == 0.5  # of the rows that have both
    both = [row for row in rows if row["ifd_ppl"] is not None and row["ifd_ppl_strong"] is not None]
    chosen = []
    for name in COLUMNS:
        options = {"method": {"instruction": "ifd_ppl"}, "max_share": {"instruction": 0.5}}
        measured = [row | {"ifd_ppl": row[name]} for row in both]
        chosen.append({row["id"] for row in put_through(select, measured, columns=COLUMNS, **options)[0]})
    assert comparison["kept"] == 4 and comparison["by_both"] == len(chosen[0] & chosen[1]) == 3
    assert comparison["overlap"] == pytest.approx(3 / 4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.5, 0.9, 1.5]), min_size=1, max_size=20), st.floats(0.05, 1))
def test_a_model_agrees_with_itself(values, share):
    comparison = compare(np.array(values), np.array(values), share)
    assert comparison["kept"] == comparison["by_both"] and comparison["overlap"] in (1, None)
    assert comparison["spearman"] is None or comparison["spearman"] == pytest.approx(1)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 7), st.randoms(use_true_random=False))
def test_ties_are_broken_the_same_in_any_order_and_partitioning(tmp_path_factory, size, random):
    rows = rows_of([0.5] * 9, [0.5, 0.4, 0.6] * 3)
    comparisons = []
    for mixed in (rows, random.sample(rows, len(rows))):
        folder = tmp_path_factory.mktemp("out")
        put_through(stage, mixed, size, columns=COLUMNS, output=folder, share=0.4)
        comparisons.append((folder / "comparison.json").read_text())
    assert comparisons[0] == comparisons[1]


def test_a_missing_score_is_an_error():
    with pytest.raises(UserError, match="no score 'ifd_ppl_target'"):
        put_through(stage, rows_of([1], [1]), columns=COLUMNS, strong="ifd_ppl_target")


def test_weak_and_strong_must_be_different_models():
    with pytest.raises(UserError, match="one model measured both"):
        put_through(stage, rows_of([0.1, 0.2], [0.1, 0.2]), columns=COLUMNS)


def test_the_report_includes_the_comparison(tmp_path):
    output = tmp_path / "stages" / "compare"
    output.mkdir(parents=True)
    put_through(stage, rows_of([0.1, 0.2], [0.3, 0.4]), columns=COLUMNS, output=output)
    record_files(output)
    assert comparisons(Run(tmp_path, {"stages": ["score", "compare"]}))["compare"][
        "spearman"
    ] == pytest.approx(1)
