"""A refresh of a judged corpus: which promises remain, which rows are held back, which verdicts are needed."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from datagen.stages.confidence.calibrate import stage
from datagen.stages.confidence.calibrate.lost import chance
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws
from datagen.store.parquet import write_table
from tests.stages.confidence.calibrate.test_calibrate import SCORES, planted, verdicts
from tests.support.rows import put_through


@pytest.fixture
def home(tmp_path):
    """The folder of a recipe's runs."""

    def calibrate(run, rows, labels, **options):
        file.write(labels, tmp_path / "labels.jsonl")
        output = tmp_path / run / "stages" / "calibrate"
        output.mkdir(parents=True)
        settings = {
            "labels": [str(tmp_path / "labels.jsonl")],
            "columns": dict.fromkeys(SCORES, pa.float64()),
        }
        kept, _ = put_through(stage, rows, 500, tmp_path / run, output=output, **settings, **options)
        notices = output / "notices.json"
        notices = json.loads(notices.read_text()) if notices.exists() else []
        return kept, json.loads((output / "report.json").read_text())["instruction"], notices

    return calibrate


def by_draw(rows, most):
    ids = np.array([row["id"] for row in rows])
    checks, drawn = draws(ids.tolist(), "0")
    return ids[checks][np.argsort(drawn[checks])][:most].tolist()


@pytest.mark.slow
def test_new_rows_keep_the_promise_but_are_not_covered_until_sampled(home):
    old, truth = planted(1500)
    new, more = planted(300, "new", seed=5)
    truth |= dict.fromkeys(more, False)  # the worst case
    labels = verdicts({row["id"]: truth[row["id"]] for row in old}, 700)
    before, first, _ = home("2026-1", old, labels)
    assert first["promise"]["threshold"] is not None

    kept, report, notices = home("2026-2", [*new, *old], labels)
    threshold = {row["id"]: row["threshold"] for row in kept}
    assert {row["id"]: row["threshold"] for row in before}.items() <= threshold.items()
    assert {threshold[row["id"]] for row in new} == {None}
    promise = report["promise"]
    assert (promise["release"], promise["later"]) == ("2026-1", 300)
    judged = {label["id"] for label in labels}
    reach = by_draw(old, len([name for name in judged if draws([name], "0")[0][0]]))
    lacking = [name for name in by_draw([*old, *new], 5000) if name in more]
    within = [name for name in lacking if draws([name], "0")[1][0] < draws([reach[-1]], "0")[1][0]]
    assert promise["missing"] == len(within) == report["labels"]["without verdict"]
    assert notices == [
        f"instruction: the promise of 2026-1 does not cover 300 rows added since; {len(within)} rows need "
        "a verdict: datagen label"
    ]
    for name in ("kept", "rows", "above", "right", "bound"):
        assert promise[name] == first["promise"][name]

    # All judged, and all wrong: the sample now shows the precision of all rows.
    _, all_wrong, _ = home(
        "2026-3", [*old, *new], [*labels, *({"id": n, "verdict": "wrong"} for n in within)]
    )
    assert all_wrong["promise"]["release"] == "2026-1"
    assert all_wrong["labels"]["without verdict"] == 0


@pytest.mark.parametrize(("judged", "added", "seed"), [(1200, 80, 0), (1400, 100, 4)])
def test_unjudged_new_rows_never_reduce_the_rows_that_are_covered(home, judged, added, seed):
    """A stricter promise about all rows is possible, but covers fewer rows than the old promise."""
    old, truth = planted(1500, seed=seed)
    labels = verdicts(truth, judged)
    new, _ = planted(added, "new", seed=5)
    before, _, _ = home("2026-1", old, labels)
    after, report, notices = home("2026-2", [*old, *new], labels)
    covered = [
        sum(row["threshold"] is not None and row["confidence"] >= row["threshold"] for row in rows)
        for rows in (before, after)
    ]
    assert 0 < covered[0] <= covered[1]
    assert (report["promise"]["release"], report["promise"]["later"]) == ("2026-1", added)
    assert len(notices) == 1 and f"does not cover {added} rows added since" in notices[0]


def test_a_few_verdicts_on_the_new_rows_extend_the_promise_to_them(home):
    old, truth = planted(1500)
    new, more = planted(75, "new", seed=5)
    labels = verdicts(truth, 700)
    home("2026-1", old, labels)
    deepest = max(draws([label["id"]], "0")[1][0] for label in labels if draws([label["id"]], "0")[0][0])
    gaps = [name for name in more if draws([name], "0")[0][0] and draws([name], "0")[1][0] < deepest]
    assert 10 < len(gaps) < 40
    verdicts_on_gaps = [{"id": name, "verdict": "right" if more[name] else "wrong"} for name in gaps]
    kept, report, notices = home("2026-2", [*old, *new], [*labels, *verdicts_on_gaps])
    promise = report["promise"]
    assert (promise["release"], promise["later"], notices) == ("", 0, [])
    assert {row["threshold"] for row in kept} == {promise["threshold"]} != {None}
    # A third run without new rows repeats the promise about all rows.
    _, again, _ = home("2026-3", [*old, *new], [*labels, *verdicts_on_gaps])
    assert again["promise"]["threshold"] == promise["threshold"]


def test_a_promise_survives_runs_that_cannot_make_it(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    _, first, _ = home("2026-1", rows, labels)
    _, none, _ = home("2026-2", rows, [])
    assert none["promise"]["threshold"] is None
    new, _ = planted(300, "new", seed=5)
    _, back, _ = home("2026-3", [*rows, *new], labels)
    assert back["promise"]["release"] == "2026-1"
    assert back["promise"]["threshold"] == first["promise"]["threshold"]


def test_a_run_that_promises_one_task_keeps_the_earlier_promise_of_another(home):
    one, first = planted(1500, "one")
    other, second = planted(1500, "other", seed=3)
    labels = verdicts(first, 700), verdicts(second, 700)
    both = {"promise": {"instruction/one": 0.9, "instruction/other": 0.9, "instruction": 0.9}}
    rows = [*one, *other]
    home("2026-1", rows, labels[0], **both)
    home("2026-2", rows, labels[1], **both)
    new, _ = planted(400, "one", seed=9)
    new = [row | {"id": row["id"] + "new"} for row in new]
    kept, _, notices = home("2026-3", [*rows, *new], labels[0], **both)
    assert any(
        notice.startswith("instruction/one: the promise of 2026-1 does not cover 400 rows")
        for notice in notices
    )
    assert {row["threshold"] for row in kept if row["id"].endswith("new")} == {None}


def test_another_seed_draws_a_new_sample_without_earlier_promises(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    home("2026-1", rows, labels)
    _, report, _ = home("2026-2", rows, labels, recipe={"seed": 1})
    assert report["promise"]["release"] == ""


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_a_sample_that_lost_its_wrong_rows_promises_nothing(home, share):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    wrong = [label["id"] for label in labels if label["verdict"] == "wrong"]
    lost = set(wrong[: round(share * len(wrong))])
    kept, report, notices = home("2026-1", [row for row in rows if row["id"] not in lost], labels)
    assert {row["threshold"] for row in kept} == {None}
    assert report["labels"]["no row"] == {"right": 0, "wrong": len(lost), "skip": 0}
    assert f"{len(lost)} verdicts match no row ({len(lost)} wrong)" in notices
    assert any(
        "nothing is promised" in notice and "more than chance explains" in notice for notice in notices
    )


def test_after_wrong_rows_were_lost_all_rows_must_be_judged(home):
    rows, truth = planted(400)
    labels = verdicts(truth, 300)
    wrong = {label["id"] for label in labels if label["verdict"] == "wrong"}
    left = [row for row in rows if row["id"] not in wrong]
    judged = {label["id"] for label in labels}
    unjudged = [row["id"] for row in left if row["id"] not in judged]
    _, report, notices = home("2026-1", left, labels)
    assert report["promise"]["missing"] == len(unjudged) > 0
    assert notices[-1].endswith(
        f"; {len(unjudged)} rows need a verdict: datagen label --rows {math.ceil(1.5 * len(left))}"
    )
    rest = [{"id": name, "verdict": "right"} for name in unjudged]
    _, report, _ = home("2026-2", left, [*labels, *rest[1:]])
    assert (report["promise"]["threshold"], report["promise"]["missing"]) == (None, 1)
    _, report, _ = home("2026-3", left, [*labels, *rest])
    assert report["promise"]["threshold"] is not None


def test_rows_lost_regardless_of_verdict_keep_the_promise_and_are_counted(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    lost = {label["id"] for label in labels[::10]}
    _, report, notices = home("2026-1", [row for row in rows if row["id"] not in lost], labels)
    assert sum(report["labels"]["no row"].values()) == 70
    assert report["promise"]["threshold"] is not None
    assert [notice for notice in notices if notice.startswith("70 verdicts match no row")]


def test_a_row_that_a_filter_of_this_run_dropped_is_not_lost(home, tmp_path):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    wrong = {label["id"] for label in labels if label["verdict"] == "wrong"}
    for run, stages, lost in (
        ("2026-1", {"curate": None, "calibrate": None}, 0),
        ("2026-2", {"curate": {"use": "./mine.py:stage"}, "calibrate": None}, len(wrong)),
    ):
        dropped = tmp_path / run / "stages" / "curate" / "dropped"
        write_table(pa.table({"id": sorted(wrong)}), dropped / "part-00000.parquet")
        left = [row for row in rows if row["id"] not in wrong]
        _, report, _ = home(run, left, labels, recipe={"stages": stages})
        assert report["labels"]["no row"]["wrong"] == lost
        assert (report["promise"]["threshold"] is None) == (lost > 0)


def test_the_p_value_is_that_of_fishers_exact_test():
    assert chance([False] * 3, [True] * 7) == pytest.approx(1 / 120)
    assert chance([True, False], [True, False]) == pytest.approx(5 / 6)
    assert chance([True] * 3, [False] * 7) == 1
