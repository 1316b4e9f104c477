"""`datagen explain`: finding, tracing and printing a row."""

import io
import json
import re

import pyarrow as pa
import pytest
import rich.console

from datagen.errors import UserError
from datagen.look.explain import explain, newest
from datagen.look.trail import Trails
from datagen.run.folder import open_run
from datagen.schema import EXAMPLES, ORIGINAL, table_of
from datagen.stages.confidence.labels import file
from datagen.store.parquet import part_name, write_json, write_table
from tests.support import finished


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(finished.write(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def trails(run):
    return Trails(run)


def test_a_unique_prefix_of_an_id_suffices(trails):
    ids = [finished.row(number)["id"] for number in range(finished.ROWS + 3)]
    for name in ids:
        others = [other for other in ids if other.startswith(name[:3])]
        if len(others) == 1:
            assert trails.find_id(name[:3]) == name
    with pytest.raises(UserError, match="several rows"):
        trails.find_id("")
    with pytest.raises(UserError, match="no row"):
        trails.find_id("not an id")
    with pytest.raises(UserError, match="no row"):
        trails.find_id("\udcff")  # an argument that is not UTF-8


def test_a_row_is_traced_from_its_creation_to_the_stage_that_dropped_it(trails):
    trail = trails.follow(finished.row(0)["id"])
    steps = [(step.stage, step.outcome, step.reason) for step in trail.steps]
    assert steps == [("write", "made", ""), ("measure", "kept", ""), ("dedup", "dropped", "near duplicate")]
    assert trail.steps[0].scores == {"logprob": -0.1}
    assert trail.steps[1].scores == {"grounding": 0.0, "words": 1.0} and not trail.steps[2].scores
    assert [text for text, marked in trail.passage if marked] == ["The ferry leaves\nat noon"]
    assert "".join(text for text, _ in trail.passage) == finished.PASSAGE


def test_a_row_dropped_by_its_first_stage_and_one_handed_off(trails):
    (step,) = trails.follow(finished.row(finished.ROWS)["id"]).steps
    assert (step.outcome, step.detail) == ("dropped", finished.EVIL)
    kept = trails.follow(finished.row(20)["id"])
    assert [step.outcome for step in kept.steps] == ["made", "kept", "kept", "kept"]
    assert kept.steps[-1].scores == {"confidence": 0.5}


def test_related_rows(trails):
    related = trails.follow(finished.row(0)["id"]).related
    assert related[0][:2] == ("repeats", finished.row(20)["id"])
    same = {name for relation, name, *_ in related if relation == "of the same passage"}
    assert same <= {finished.row(number)["id"] for number in range(4, finished.ROWS, 4)} and len(same) > 5


def test_requests_have_prompt_and_raw_answer_and_may_be_missing(trails):
    first, follow_up, missing = trails.requests([finished.KEY, finished.FOLLOW_UP, "0" * 32])
    assert (follow_up.prompt, follow_up.answer) == ("write/check", "")
    assert first.prompt == "write/ferries" and first.answer == f"raw {finished.EVIL}"
    assert first.messages == [{"role": "user", "content": f"Write about: {finished.EVIL}"}]
    assert (missing.prompt, missing.messages, missing.answer) == ("", [], "")


def test_the_terminal_shows_everything_without_control_characters(run):
    out = rich.console.Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False)
    explain(run, finished.row(0)["id"][:8], False, out)
    shown = out.file.getvalue()
    assert "\x1b[2J" not in shown
    marked = " ".join(re.findall(r"\x1b\[7m(.*?)\x1b\[0m", shown, re.DOTALL))
    assert " ".join(marked.split()) == finished.EVIDENCE
    for part in (
        "ferry 0",
        "near duplicate",
        "grounding 0",
        "write/ferries",
        "raw ",
        "repeats",
        "The ferry leaves",
    ):
        assert part in shown


def test_the_json_output_is_the_same(run):
    out = rich.console.Console(file=io.StringIO(), width=40, highlight=False)
    explain(run, finished.row(0)["id"][:8], True, out)
    value = json.loads(out.file.getvalue())
    assert value["row"]["id"] == finished.row(0)["id"] and value["stages"][-1]["reason"] == "near duplicate"
    assert value["requests"][0]["answer"] == f"raw {finished.EVIL}"
    assert [part["text"] for part in value["passage"] if part["evidence"]] == ["The ferry leaves\nat noon"]


def test_the_newest_finished_run(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        newest(tmp_path)
    for name, day in (("a", "2026-11-28"), ("b", "2026-11-29")):
        folder = finished.write(tmp_path / name / "run")
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"started": day}))
        (tmp_path / name / "latest").symlink_to("run")
    assert newest(tmp_path).folder == tmp_path / "b" / "run"


TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
TURNS += [{"role": "assistant", "content": f"Good day.{finished.EVIL}"}]


def one_row(folder, **fields):
    """A run of two stages: one makes a row, the next edits its answer."""
    made = finished.row(0) | {"lineage": {"passage_id": None, "requests": [], "parents": []}} | fields
    edited = made | {"answer": "at 12", "logprob": None, ORIGINAL: json.dumps({"answer": made["answer"]})}
    scored = edited | {"words": 2.0, "logprob": -0.3}
    columns = pa.schema([*EXAMPLES, (ORIGINAL, pa.string())])
    tables = (
        ("write", "passages", made, EXAMPLES),
        ("apply_edits", "examples", edited, columns),
        ("measure", "examples", scored, pa.schema([*columns, ("words", pa.float64())])),
    )
    for name, takes, row, schema in tables:
        write_table(table_of(schema, [row]), folder / "stages" / name / part_name(0))
        record = {"stage": name, "takes": takes, "gives": "examples", "dropped": {}}
        write_json(record, folder / "stages" / name / "stage.json")
    manifest = {"recipe": {"name": "one", "seed": 0, "stages": {}}, "stages": [name for name, *_ in tables]}
    write_json(manifest | {"state": "finished", "fingerprint": "f"}, folder / "manifest.json")
    return open_run(folder), made["id"]


def test_an_edited_row_shows_both_texts_and_the_scores_of_the_new_one(tmp_path):
    run, name = one_row(tmp_path)
    trail = Trails(run).follow(name)
    assert [step.outcome for step in trail.steps] == ["made", "edited", "kept"]
    assert trail.original == {"answer": "at noon"} and trail.last == (trail.row, "")
    assert trail.scores == trail.steps[2].scores == {"words": 2.0, "logprob": -0.3}
    out = rich.console.Console(file=io.StringIO(), width=100, highlight=False)
    explain(run, name, False, out)
    shown = out.file.getvalue()
    assert shown.index("at 12") < shown.index("answer before the edit") < shown.index("at noon")
    assert "apply_edits  edited" in shown
    explain(run, name, True, out := rich.console.Console(file=io.StringIO(), width=40, highlight=False))
    assert json.loads(out.file.getvalue())["original"] == {"answer": "at noon"}


@pytest.mark.parametrize("kind", ["preference", "refusal", "reading"])
def test_a_conversation_and_both_answers_are_shown(tmp_path, kind):
    question = [{"role": "user", "content": "When?"}]
    texts = {"question": None, "text": "The whole text."} if kind == "reading" else {}
    run, name = one_row(tmp_path, kind=kind, rejected="at one", prompt=[*TURNS, *question], **texts)
    out = rich.console.Console(file=io.StringIO(), width=100, highlight=False)
    explain(run, name, False, out)
    shown = out.file.getvalue()
    order = ["earlier message, system", "Be brief.", "earlier message, assistant", "Good day."]
    order += ["rejected", "at one"] if kind != "reading" else ["The whole text."]
    places = [shown.index(part) for part in order]
    assert places == sorted(places) and "\x1b[2J" not in shown
    assert Trails(run).follow(name).earlier_turns == TURNS


def test_the_verdict_and_the_pending_edit_are_shown(tmp_path):
    run, row = open_run(finished.write(tmp_path / "run")), finished.row(5)
    edit = {"id": row["id"], "edit": {"answer": "at nine\x1b"}, "verdict": "wrong"}
    file.write([edit], run.folder / "labels.jsonl")
    file.write(
        [{"question": row["question"], "answer": "at noon", "verdict": "skip"}], tmp_path / "other.jsonl"
    )

    def explained(as_json, labels=None):
        out = rich.console.Console(file=io.StringIO(), width=100, highlight=False)
        explain(run, row["id"], as_json, out, labels)
        return out.file.getvalue()

    text = explained(False)
    assert "new answer, pending\nat nine�" in text and "verdict\nwrong" in text
    shown = json.loads(explained(True))
    assert (shown["verdict"], shown["edit"]) == ("wrong", edit["edit"])
    text = explained(False, tmp_path / "other.jsonl")
    assert "verdict\nskip" in text and "applied by the next run" not in text
    with pytest.raises(UserError, match="cannot read the labels"):
        explained(False, tmp_path / "missing.jsonl")
