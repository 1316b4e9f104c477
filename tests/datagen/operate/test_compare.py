"""Comparison of two runs, and gates on its figures."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.recipe.gates import failed, read_gate
from datagen.report.changes import headline, summary, write_changes
from datagen.report.compare import compare
from datagen.run import release, runner
from datagen.run.folder import open_run
from datagen.run.lifecycle import WithheldError
from datagen.store.parquet import write_table
from tests.support.runs import row, write_run

OLD = {"same": "text", "edited": "text", "gone": "text"}
NEW = {"same": "text", "edited": "other text", "come": "new text"}


@pytest.fixture
def comparison(tmp_path):
    kept = row("same", "kept?", "yes")
    lost = row("same", "dropped?", "yes")
    old = [
        kept,
        lost,
        row("same", "changed?", "old"),
        row("edited", "old?", "yes"),
        row("gone", "gone?", "yes"),
    ]
    new = [kept, row("same", "changed?", "new"), row("come", "come?", "yes"), row("edited", "new?", "yes")]
    before = write_run(tmp_path / "a", OLD, old, columns={"score": [0.5] * 5})
    after = write_run(
        tmp_path / "b", NEW, new, 2, dropped=[(lost, "near duplicate")], columns={"score": [1.0] * 4}
    )
    return compare(before, after)


def test_documents_and_rows_are_counted_by_change(comparison):
    assert comparison.documents == {"added": 1, "edited": 1, "removed": 1, "unchanged": 1}
    counts = {"old": 5, "new": 4, "kept": 1, "added": 2, "changed": 1, "retired": 3}
    assert comparison.products["instructions"] == counts
    assert comparison.kept == 0.2
    assert "1 added, 1 edited, 1 removed, 1 unchanged" in headline(summary(comparison))


def test_every_row_that_is_not_in_both_runs_is_listed_with_a_reason(comparison, tmp_path):
    write_changes(comparison, tmp_path)
    listed = [json.loads(line) for line in (tmp_path / "changes.jsonl").read_text().splitlines()]
    reasons = {(line["change"], line["source"], line["reason"]) for line in listed}
    assert reasons == {
        ("changed", "same", "made from an unchanged document"),
        ("added", "come", "document added"),
        ("added", "edited", "document edited"),
        ("retired", "edited", "document edited"),
        ("retired", "gone", "document removed"),
        ("retired", "same", "last: near duplicate"),
    }
    assert all(bool(line["id"]) == (line["change"] != "retired") for line in listed)
    assert all(bool(line["was"]) == (line["change"] != "added") for line in listed)


def row_of(source, question, answer):
    """Make a row whose id depends on its source, as those of passages do."""
    return row(source, question, answer) | {"id": f"{source} {question} {answer}"}


def test_a_renamed_document_is_unchanged_and_its_rows_are_kept(tmp_path):
    old = [row_of("a/x", "what?", "yes"), row_of("a/x", "who?", "me"), row_of("stays", "where?", "here")]
    new = [row_of("b/x", "what?", "yes"), row_of("b/x", "who?", "you"), row_of("stays", "where?", "here")]
    before = write_run(tmp_path / "a", {"a/x": "text", "stays": "other"}, old)
    after = write_run(tmp_path / "b", {"b/x": "text", "stays": "other"}, new, 2)
    comparison = compare(before, after)
    assert comparison.documents == {"added": 0, "edited": 0, "removed": 0, "unchanged": 2}
    counts = {"old": 3, "new": 3, "kept": 2, "added": 1, "changed": 0, "retired": 1}
    assert comparison.products["instructions"] == counts
    moved = [change for change in comparison.changes if change.change == "moved"]
    assert [(change.id, change.was, change.source) for change in moved] == [
        (new[0]["id"], old[0]["id"], "b/x")
    ]
    assert comparison.near_duplicates == 0


def test_a_copied_document_is_added_and_one_of_two_equal_ones_removed(tmp_path):
    rows = {name: [row_of(name, "what?", "yes")] for name in "abc"}
    one = write_run(tmp_path / "1", {"a": "text"}, rows["a"])
    two = write_run(tmp_path / "2", {"b": "text", "c": "text"}, rows["b"] + rows["c"], 2)
    there, back = compare(one, two), compare(two, one)
    assert there.documents == {"added": 1, "edited": 0, "removed": 0, "unchanged": 1}
    assert back.documents == {"added": 0, "edited": 0, "removed": 1, "unchanged": 1}
    names = ("kept", "added", "retired")
    assert [there.products["instructions"][name] for name in names] == [1, 1, 0]
    assert [back.products["instructions"][name] for name in names] == [1, 0, 1]


def test_near_duplicates_among_new_rows_are_counted(tmp_path):
    long = "the archive of the river guild keeps every account of barges that passed the bridge since then"
    old = [
        row("d", f"What does {long} say?", long),
        row("d", "Who keeps bees?", "Nobody in the whole valley does."),
    ]
    new = [
        row("d", f"What does {long} say?", f"{long} and"),
        row("d", "Who keeps cats?", "All people of the town do."),
    ]
    before, after = write_run(tmp_path / "a", {"d": "t"}, old), write_run(tmp_path / "b", {"d": "t"}, new, 2)
    comparison = compare(before, after)
    assert (
        comparison.near_duplicates == 1
        and "near duplicates of old rows among the new ones: 1" in headline(summary(comparison))
    )


def test_scores_yields_and_mixture_of_both_runs_are_compared(comparison):
    assert comparison.scores == {"score": [0.5, 1.0]}
    assert comparison.yields["last"] == [5 / 4, 1.0]
    assert comparison.mixture == {"instructions": [1.0, 1.0]}
    assert comparison.figures()["score.score"] == 2.0


def test_a_run_compared_with_itself_is_unchanged(tmp_path):
    run = write_run(tmp_path / "a", OLD, [row("same", "kept?", "yes")])
    same = compare(run, run)
    assert same.kept == 1.0 and not same.changes and set(+Counter(same.documents)) == {"unchanged"}


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_every_row_is_counted_once(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        write_run(folder / name, {"d": "t"}, [row("d", f"{n // 2}?", str(n)) for n in sorted(numbers)])
        for name, numbers in (("a", before), ("b", after))
    ]
    comparison = compare(*runs)
    changes = Counter(change.change for change in comparison.changes)
    counts = comparison.products["instructions"]
    assert counts["old"] == len(before) == counts["kept"] + changes["changed"] + changes["retired"]
    assert counts["new"] == len(after) == counts["kept"] + changes["changed"] + changes["added"]
    assert counts["kept"] == len(before & after)


@pytest.mark.parametrize(
    ("gate", "fails"),
    [("kept<0.8", True), ("kept < 80%", True), ("kept<10%", False), ("kept<0.2", False), ("kept<=0.2", True), ("rows.instructions<1", True),
     ("retired>0.5", True), ("score.score>1.9", True), ("documents<1", False)],
)  # fmt: skip
def test_a_gate_fails_on_its_condition(comparison, gate, fails):
    assert bool(failed([gate], comparison.figures())) is fails


@pytest.mark.parametrize(
    "text", ["kept", "kept=1", "<0.8", "kept<many", "kept<1.2.3", "kep<0.8", "rows.books<1", "share.trian<1"]
)
def test_an_invalid_gate_is_reported(text):
    with pytest.raises(ValueError, match=r"gate|figure"):
        read_gate(text)


def test_a_gate_on_a_missing_score_is_reported(comparison):
    with pytest.raises(UserError, match=r"did you mean score\.score"):
        failed(["score.scor<1"], comparison.figures())


def compare_scores(folder, old, new):
    """Compare two runs of one row, with these scores of it; None: without the column."""
    line = [row("same", "kept?", "yes")]
    columns = [{} if score is None else {"score": [score]} for score in (old, new)]
    before = write_run(folder / "a", OLD, line, columns=columns[0])
    return compare(before, write_run(folder / "b", OLD, line, 2, columns=columns[1]))


def test_a_score_that_is_0_in_both_runs_is_unchanged(tmp_path):
    figures = compare_scores(tmp_path, 0.0, 0.0).figures()
    assert figures["score.score"] == 1.0
    assert failed(["score.score>1.1", "score.score<0.9"], figures) == []


@pytest.mark.parametrize(("old", "new"), [(0.0, 0.5), (None, 0.5), (0.5, None)])
def test_a_gate_on_a_score_that_cannot_be_compared_says_what_to_do(tmp_path, old, new):
    with pytest.raises(
        UserError, match=r"'score\.score<0\.9': score\.score cannot be compared.*without this gate"
    ):
        failed(["score.score<0.9"], compare_scores(tmp_path, old, new).figures())


def test_products_and_splits_without_rows_have_a_share_of_0(comparison):
    conditions = ["share.refusals<1%", "share.refusals>40%", "share.validation<=0", "share.instructions<0.9"]
    assert failed(conditions, comparison.figures()) == [
        "share.refusals<1% (share.refusals is 0)",
        "share.validation<=0 (share.validation is 0)",
    ]


@pytest.mark.parametrize(
    ("gates", "message"),
    [(["kept<0.8"], "kept<0.8"), (["kept<0.1"], ""), (["score.none<1"], "cannot be tested"), ([], "")],
)
def test_a_run_that_fails_a_gate_is_not_released(tmp_path, gates, message):
    old = [row("same", f"{n}?", "yes") for n in range(4)]
    before = write_run(tmp_path / "a", OLD, old)
    (tmp_path / "latest").symlink_to("a")
    run = write_run(tmp_path / "b", OLD, old[:2], 2, "running", recipe={"name": "r", "gates": gates})
    changed = release.changes(run, tmp_path)
    assert changed.kept == 0.5
    objection = release.objection(run, tmp_path, changed)
    assert (message in objection) if message else objection == ""
    assert release.changes(before, tmp_path) is None


def test_with_gates_a_release_that_cannot_be_read_is_not_replaced(tmp_path):
    write_run(tmp_path / "a", OLD, [row("same", "0?", "yes")])
    (tmp_path / "latest").symlink_to("a")
    run = write_run(tmp_path / "b", OLD, [], 2, "running", recipe={"name": "r", "gates": ["kept<0.1"]})
    (tmp_path / "a" / "stages" / "last" / "part-00000.parquet").write_bytes(b"")
    changed = release.changes(run, tmp_path)
    assert changed is None
    assert "cannot be compared" in release.objection(run, tmp_path, changed)


@pytest.mark.parametrize(("minimum", "message"), [(2, ""), (3, "2 of 3 rows in instructions")])
def test_a_run_with_exactly_the_minimum_of_rows_is_released(tmp_path, monkeypatch, minimum, message):
    monkeypatch.setattr(release, "products", lambda run: {"instructions": {"train": 2}})
    recipe = {"name": "r", "min_rows": {"instructions": minimum}}
    run = write_run(tmp_path / "a", OLD, [], 1, "running", recipe=recipe)
    objection = release.objection(run, tmp_path)
    assert (message in objection) if message else objection == ""


@pytest.mark.parametrize(
    ("least", "message"),
    [({"duty": 3}, ""), ({"duty": 4, "right": 1}, "3 of 4 rows of duty and 0 of 1 rows of right")],
)
def test_a_run_with_too_few_rows_of_a_task_is_withheld(tmp_path, least, message):
    run = write_run(tmp_path / "a", OLD, [], 1, "running", recipe={"name": "r", "min_task_rows": least})
    for product, tasks in (
        ("instructions", ["duty", "duty"]),
        ("refusals", ["duty"]),
        ("knowledge_test", ["right"]),
    ):
        write_table(pa.table({"task": tasks}), run.folder / "handoff" / product / "train" / "train-0.parquet")
    objection = release.objection(run, tmp_path)
    assert (message in objection) if message else objection == ""


@pytest.mark.parametrize(("rows", "message"), [(1, "but the latest release has 1"), (0, "")])
def test_a_run_without_rows_does_not_replace_a_release_with_rows(tmp_path, rows, message):
    write_run(tmp_path / "a", OLD, [row("same", f"{n}?", "yes") for n in range(rows)])
    (tmp_path / "latest").symlink_to("a")
    run = write_run(tmp_path / "b", OLD, [], 2, "running")
    objection = release.objection(run, tmp_path, release.changes(run, tmp_path))
    assert (message in objection) if message else objection == ""


@pytest.mark.parametrize(
    ("before", "after", "least", "message"),
    [
        ({"instructions": 3}, {"instructions": 1}, {}, ""),
        (
            {"instructions": 3},
            {"refusals": 2},
            {},
            "has no instructions (the latest release has 3); min_rows: {instructions: 0} permits that",
        ),
        ({"instructions": 3}, {"refusals": 2}, {"instructions": 0}, ""),
        (
            {"instructions": 3, "reading": 1},
            {"refusals": 2},
            {"reading": 0},
            "has no instructions (the latest release has 3); min_rows: {instructions: 0}",
        ),
        (
            {"instructions": 3, "reading": 1},
            {"refusals": 2},
            {"refusals": 1},
            "no reading (the latest release has 1) and no instructions (the latest release has 3)",
        ),
        ({"instructions": 3}, {}, {"instructions": 0}, "it has no rows, but the latest release has 3"),
        ({}, {"refusals": 2}, {}, ""),
    ],
)
def test_a_run_that_lost_a_product_is_released_only_if_its_recipe_permits_that(
    tmp_path, before, after, least, message
):
    (tmp_path / "latest").symlink_to("a")
    for name, counts in (("a", before), ("b", after)):
        run = write_run(tmp_path / name, OLD, [], 2, "running", recipe={"name": "r", "min_rows": least})
        (run.folder / "handoff").mkdir()
        for product, count in counts.items():
            table = pa.table({"task": ["t"] * count})
            write_table(table, run.folder / "handoff" / product / "train" / "train-0.parquet")
    objection = release.objection(run, tmp_path)
    assert (message in objection) if message else objection == ""


def test_a_run_with_rows_replaces_a_release_that_cannot_be_read(tmp_path):
    run = write_run(tmp_path / "b", OLD, [row("same", "0?", "yes")], 2, "running")
    (tmp_path / "a").mkdir()
    (tmp_path / "latest").symlink_to("a")
    assert release.objection(run, tmp_path) == ""


def test_a_run_without_rows_does_not_replace_a_release_that_cannot_be_read(tmp_path):
    write_run(tmp_path / "a", OLD, [row("same", "0?", "yes")])
    (tmp_path / "latest").symlink_to("a")
    (tmp_path / "a" / "manifest.json").write_text("{")
    run = write_run(tmp_path / "b", OLD, [], 2, "running")
    assert "cannot be counted" in release.objection(run, tmp_path, release.changes(run, tmp_path))


def test_an_edited_row_is_changed_although_it_keeps_its_id(tmp_path):
    rows = [
        row("same", f"{name}?", "old") for name in ("plain", "edited", "edited again", "kept edit", "undone")
    ]
    originals = [None, None, '{"answer": "x"}', '{"answer": "x"}', '{"answer": "x"}']
    before = write_run(tmp_path / "a", OLD, rows, columns={"original": originals})
    new = [
        rows[0],
        rows[1] | {"answer": "new"},
        rows[2] | {"answer": "newer"},
        rows[3],
        rows[4] | {"answer": "x"},
    ]
    edited = [None, '{"answer": "old"}', '{"answer": "x"}', '{"answer": "x"}', None]
    after = write_run(tmp_path / "b", OLD, new, 2, columns={"original": edited})
    compared = compare(before, after)
    assert {change.id: change.reason for change in compared.changes} == {
        rows[1]["id"]: "edited",
        rows[2]["id"]: "edited",
        rows[4]["id"]: "edit withdrawn",
    }
    assert all(change.change == "changed" and change.was == change.id for change in compared.changes)
    assert compared.products["instructions"]["kept"] == 2
    untouched = write_run(tmp_path / "c", OLD, rows, 3)
    assert not compare(untouched, write_run(tmp_path / "d", OLD, rows, 4)).changes


def test_latest_moves_only_if_no_gate_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("datagen.report.html.write_report", lambda run: None)
    old = [row("same", f"{n}?", "yes") for n in range(4)]
    write_run(tmp_path / "a", OLD, old)
    (tmp_path / "latest").symlink_to("a")
    run = write_run(tmp_path / "b", OLD, old[:2], 2, "running", recipe={"name": "r", "gates": ["kept<0.8"]})
    with pytest.raises(WithheldError, match=r"fails kept<0\.8 .* latest is unchanged"):
        runner._release(run, tmp_path)
    assert (tmp_path / "latest").resolve().name == "a" and open_run(tmp_path / "b").manifest["finished"]
    run = write_run(tmp_path / "c", OLD, old, 3, "running", recipe={"name": "r", "gates": ["kept<0.8"]})
    assert runner._release(run, tmp_path).finished
    assert (tmp_path / "latest").resolve().name == "c"
