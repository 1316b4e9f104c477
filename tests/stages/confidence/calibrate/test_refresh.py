"""A refresh of a judged corpus: what stays promised, what is held back, what verdicts are asked for, what voids."""

import json

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
        given = {"labels": [str(tmp_path / "labels.jsonl")], "columns": dict.fromkeys(SCORES, pa.float64())}
        kept, _ = put_through(stage, rows, 500, tmp_path / run, output=output, **given, **options)
        notices = output / "notices.json"
        notices = json.loads(notices.read_text()) if notices.exists() else []
        return kept, json.loads((output / "report.json").read_text())["instruction"], notices

    return calibrate


def by_draw(rows, most):
    ids = np.array([row["id"] for row in rows])
    checks, drawn = draws(ids.tolist(), "0")
    return ids[checks][np.argsort(drawn[checks])][:most].tolist()


def test_new_rows_end_no_promise_and_are_not_under_it_until_the_sample_has_its_share_of_them(home):
    old, truth = planted(1500)
    new, more = planted(300, "new", seed=5)
    truth |= dict.fromkeys(more, False)  # the worst that can be
    labels = verdicts({row["id"]: truth[row["id"]] for row in old}, 700)
    before, first, _ = home("2026-1", old, labels)
    assert first["promise"]["threshold"] is not None

    kept, found, notices = home("2026-2", [*new, *old], labels)
    threshold = {row["id"]: row["threshold"] for row in kept}
    assert {row["id"]: row["threshold"] for row in before}.items() <= threshold.items()
    assert {threshold[row["id"]] for row in new} == {None}
    promise = found["promise"]
    assert (promise["release"], promise["later"]) == ("2026-1", 300)
    judged = {one["id"] for one in labels}
    reach = by_draw(old, len([name for name in judged if draws([name], "0")[0][0]]))
    lacking = [name for name in by_draw([*old, *new], 5000) if name in more]
    within = [name for name in lacking if draws([name], "0")[1][0] < draws([reach[-1]], "0")[1][0]]
    assert promise["missing"] == len(within) == found["labels"]["without verdict"]
    assert notices == [
        f"instruction: 300 rows came after 2026-1 and are not under its promise; {len(within)} rows need "
        "a verdict: datagen label"
    ]
    for name in ("kept", "rows", "above", "right", "bound"):
        assert promise[name] == first["promise"][name]

    # Judged, and wrong all of them: what the sample now says of all rows, it says.
    _, all_wrong, _ = home(
        "2026-3", [*old, *new], [*labels, *({"id": n, "verdict": "wrong"} for n in within)]
    )
    assert all_wrong["promise"]["release"] == "2026-1"
    assert all_wrong["labels"]["without verdict"] == 0


def test_a_few_verdicts_on_the_new_rows_extend_the_promise_to_them(home):
    old, truth = planted(1500)
    new, more = planted(75, "new", seed=5)
    labels = verdicts(truth, 700)
    home("2026-1", old, labels)
    deepest = max(draws([one["id"]], "0")[1][0] for one in labels if draws([one["id"]], "0")[0][0])
    asked = [name for name in more if draws([name], "0")[0][0] and draws([name], "0")[1][0] < deepest]
    assert 10 < len(asked) < 40
    said = [{"id": name, "verdict": "right" if more[name] else "wrong"} for name in asked]
    kept, found, notices = home("2026-2", [*old, *new], [*labels, *said])
    promise = found["promise"]
    assert (promise["release"], promise["later"], notices) == ("", 0, [])
    assert {row["threshold"] for row in kept} == {promise["threshold"]} != {None}
    # A third run without further rows repeats it, and knows all of them.
    _, again, _ = home("2026-3", [*old, *new], [*labels, *said])
    assert again["promise"]["threshold"] == promise["threshold"]


def test_the_promise_outlives_runs_that_could_not_make_it(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    _, first, _ = home("2026-1", rows, labels)
    _, none, _ = home("2026-2", rows, [])
    assert none["promise"]["threshold"] is None
    new, _ = planted(300, "new", seed=5)
    _, back, _ = home("2026-3", [*rows, *new], labels)
    assert back["promise"]["release"] == "2026-1"
    assert back["promise"]["threshold"] == first["promise"]["threshold"]


def test_another_seed_draws_another_sample_and_knows_no_earlier_one(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    home("2026-1", rows, labels)
    _, found, _ = home("2026-2", rows, labels, recipe={"seed": 1})
    assert found["promise"]["release"] == ""


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_a_sample_that_lost_its_wrong_rows_promises_nothing(home, share):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    wrong = [one["id"] for one in labels if one["verdict"] == "wrong"]
    gone = set(wrong[: round(share * len(wrong))])
    kept, found, notices = home("2026-1", [row for row in rows if row["id"] not in gone], labels)
    assert {row["threshold"] for row in kept} == {None}
    assert found["labels"]["no row"] == {"right": 0, "wrong": len(gone), "skip": 0}
    assert f"{len(gone)} verdicts match no row ({len(gone)} wrong)" in notices
    assert any("nothing is promised" in said and "more than chance explains" in said for said in notices)


def test_rows_that_go_whatever_their_verdict_void_nothing_and_are_counted(home):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    gone = {one["id"] for one in labels[::10]}
    _, found, notices = home("2026-1", [row for row in rows if row["id"] not in gone], labels)
    assert sum(found["labels"]["no row"].values()) == 70
    assert found["promise"]["threshold"] is not None
    assert [said for said in notices if said.startswith("70 verdicts match no row")]


def test_a_row_that_a_filter_of_this_run_dropped_is_not_lost(home, tmp_path):
    rows, truth = planted(1500)
    labels = verdicts(truth, 700)
    wrong = {one["id"] for one in labels if one["verdict"] == "wrong"}
    for run, stages, lost in (
        ("2026-1", {"curate": None, "calibrate": None}, 0),
        ("2026-2", {"curate": {"use": "./mine.py:stage"}, "calibrate": None}, len(wrong)),
    ):
        dropped = tmp_path / run / "stages" / "curate" / "dropped"
        write_table(pa.table({"id": sorted(wrong)}), dropped / "part-00000.parquet")
        left = [row for row in rows if row["id"] not in wrong]
        _, found, _ = home(run, left, labels, recipe={"stages": stages})
        assert found["labels"]["no row"]["wrong"] == lost
        assert (found["promise"]["threshold"] is None) == (lost > 0)


def test_the_chance_is_that_of_fishers_exact_test():
    assert chance([False] * 3, [True] * 7) == pytest.approx(1 / 120)
    assert chance([True, False], [True, False]) == pytest.approx(5 / 6)
    assert chance([True] * 3, [False] * 7) == 1
