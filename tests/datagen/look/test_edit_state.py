"""The state of an edit in a run: pending, applied, refused with its reason, or withdrawn."""

import io
import json

import pytest
import rich.console

from datagen.errors import UserError
from datagen.look.edit_state import NO_STAGE, Edits
from datagen.look.explain import explain
from datagen.look.history import LastRow
from datagen.look.judging import Judging
from datagen.look.trail import Trails
from datagen.run.folder import Run, open_run
from datagen.schema import ORIGINAL
from datagen.stages.confidence.labels import file
from tests.support import finished
from tests.support.rows import example

ROW = example(question="When?", answer="at one") | {"id": "r"}
EDITED = ROW | {"answer": "at two", ORIGINAL: json.dumps({"answer": "at one"})}


def run_with(folder, outcomes=(), stages=("write", "apply_edits")):
    """Make a run whose stage apply_edits had these outcomes."""
    (folder / "stages" / "apply_edits").mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps({"id": "r", "fields": []} | outcome) + "\n" for outcome in outcomes)
    (folder / "stages" / "apply_edits" / "edits.jsonl").write_text(lines)
    return Run(folder, {"recipe": {"stages": dict.fromkeys(stages)}, "stages": list(stages)})


REFUSAL = {"outcome": "not applied", "reason": "its document has changed"}
NEW = {"edit": {"answer": "at two"}}
FORMER = {"original": {"answer": "at one"}}


@pytest.mark.parametrize(
    ("row", "label", "outcomes", "expected"),
    [
        (ROW, {}, [], None),
        (ROW, {"verdict": "right"}, [], None),
        (ROW, NEW | FORMER, [], ("pending", "")),
        (ROW, {"edit": {}}, [], None),  # withdrawn before a run applied it
        (EDITED, NEW | FORMER, [], ("applied", "")),
        (EDITED, {}, [], ("applied", "")),  # from another file of labels
        (EDITED, NEW | FORMER, [NEW | {"outcome": "applied", "reason": ""}], ("applied", "")),
        (EDITED, {"edit": {}}, [], ("withdrawn", "")),
        (EDITED, {"edit": {"answer": "at three"}} | FORMER, [], ("pending", "")),  # edited again
        (EDITED, {"edit": {"answer": "at two", "question": "When then?"}}, [], ("pending", "")),
        (ROW, NEW | FORMER, [NEW | REFUSAL], ("refused", REFUSAL["reason"])),
        (ROW, NEW | FORMER, [REFUSAL], ("refused", REFUSAL["reason"])),  # a list without the texts
        (None, NEW | FORMER, [NEW | REFUSAL], ("refused", REFUSAL["reason"])),
        (None, NEW | FORMER, [], ("refused", "this run has no row with this id")),
        (ROW, NEW | FORMER, [{"edit": {"answer": "at six"}} | REFUSAL], ("pending", "")),  # edited since
        (ROW, NEW | {"original": {"answer": "at ten"}}, [], ("refused", "the answer of the row has changed")),
        (ROW, {"edit": {"answer": " "}}, [], ("refused", "the new answer is blank")),
        (ROW, {"edit": {"text": "x"}}, [], ("refused", "the row has no text")),
        (ROW, {"edit": {"answer": "at one"}}, [], ("refused", "the row already has this text")),
    ],
)
def test_the_state_of_an_edit(tmp_path, row, label, outcomes, expected):
    edits = Edits(run_with(tmp_path, outcomes))
    assert edits.state("r", label, row and LastRow(row, "")) == expected


def test_a_row_that_cannot_be_edited_refuses_its_edit(tmp_path):
    state = Edits(run_with(tmp_path)).state("r", NEW, LastRow(ROW, "write dropped it when it was made"))
    assert state == ("refused", "write dropped it when it was made")


def test_an_edit_needs_the_stage_that_applies_it(tmp_path):
    assert Edits(run_with(tmp_path, stages=["write"])).state("r", NEW, LastRow(ROW, "")) == (
        "pending",
        NO_STAGE,
    )
    renamed = run_with(tmp_path)
    renamed.manifest["recipe"]["stages"] = {"fix": {"use": "apply_edits"}}
    assert Edits(renamed).state("r", NEW, LastRow(ROW, "")) == ("pending", "")


def test_a_list_of_outcomes_that_cannot_be_read_is_named(tmp_path):
    run = run_with(tmp_path)
    path = tmp_path / "stages" / "apply_edits" / "edits.jsonl"
    for content in (b"{", b"[]\n", b"{}\n", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"cannot read {path}"):
            Edits(run)


def test_all_edits_of_the_file_are_listed_also_without_a_row(tmp_path):
    run = open_run(finished.write(tmp_path / "run"))
    kept, dropped, failed = (finished.row(number)["id"] for number in (5, 0, finished.ROWS))
    edit = {"edit": {"answer": "at two"}}
    labels = [{"id": name, **edit} for name in (kept, dropped, failed)]
    labels += [{"id": "gone", "source": "pier.md", **edit}, {"id": finished.row(6)["id"], "edit": {}}]
    file.write(labels, tmp_path / "labels.jsonl")
    judging = Judging(run, Trails(run), tmp_path / "labels.jsonl", 12)
    listed = {edit["id"]: edit for edit in judging.edit_list()}
    assert {name: edit["state"] for name, edit in listed.items()} == {
        kept: "pending",
        dropped: "pending",
        failed: "refused",
        "gone": "refused",
    }
    assert listed["gone"] == {
        "id": "gone",
        "state": "refused",
        "reason": "this run has no row with this id",
        "has_row": False,
        "source": "pier.md",
        "fields": ["answer"],
    }
    assert listed[failed]["reason"] == "write dropped it when it was made" and listed[kept]["has_row"]
    judging.edit(finished.row(7)["id"], {"answer": "at nine"})
    assert judging.edits()[finished.row(7)["id"]].state == "pending"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ({"edit": {"answer": "at two"}}, f"pending: {NO_STAGE}"),
        ({"edit": {"answer": " "}}, "refused: the new answer is blank"),
    ],
)
def test_explain_states_what_becomes_of_an_edit(tmp_path, label, shown):
    run = open_run(finished.write(tmp_path / "run"))
    name = finished.row(5)["id"]
    file.write([{"id": name, **label}], run.folder / "labels.jsonl")
    explain(run, name, False, out := rich.console.Console(file=io.StringIO(), width=200, highlight=False))
    assert f"edit\n{shown}" in out.file.getvalue()
    explain(run, name, True, out := rich.console.Console(file=io.StringIO(), width=200, highlight=False))
    assert json.loads(out.file.getvalue())["edit_state"] == shown.split(",")[0].split(":")[0]
