"""`datagen label`: judging in the terminal and on a page, stopping, going back, continuing."""

import html.parser
import io
import json
import re

import pytest
import rich.console

from datagen.errors import UserError
from datagen.run.folder import open_run
from datagen.schema import EXAMPLES, PASSAGES, table_of
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws
from datagen.stages.confidence.labels.session import label
from datagen.stages.confidence.labels.terminal import CONTROL
from datagen.store.parquet import part_name, write_json, write_table
from tests.support.rows import example

EVIL = "</script><script>alert(1)</script> [bold]x[/] \x1b[2J\x1b]0;title\x07 ~"


@pytest.fixture
def run(tmp_path):
    """Create the remains of a finished run: a manifest, and the table of the stage score in two parts."""
    folder = tmp_path / "run"
    recipe = {"name": "atlas", "seed": 0, "stages": {"score": None, "curate": None}}
    stage = folder / "stages" / "score"
    manifest = {"recipe": recipe, "stages": ["score"], "state": "finished", "fingerprint": "f"}
    write_json(manifest, folder / "manifest.json")
    rows = [example(question=f"{number}?", answer=EVIL, context="c") for number in range(30)]
    rows += [example("refusal", question=f"{number}?", answer="no") for number in range(10)]
    for part in (0, 1):
        write_table(table_of(EXAMPLES, rows[part::2]), stage / part_name(part))
    write_json({"stage": "score"}, stage / "stage.json")
    return folder


def judge(run, keys, rows=8, **options):
    """Press keys and return the labels and the output."""
    out = rich.console.Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False)
    label(open_run(run), None, rows, None, key=iter(keys).__next__, out=out, **options)
    path = run / "labels.jsonl"
    return (file.read(path) if path.exists() else []), out.file.getvalue()


def test_verdicts_are_saved_immediately_and_the_next_session_continues(run):
    labels, shown = judge(run, "rxws q".replace(" ", ""))
    assert [label["verdict"] for label in labels] == ["right", "wrong", "skip"]
    assert "1 of 8" in shown and "5 of 8 rows remain" in shown
    assert all(label["kind"] == "instruction" and label["question"] for label in labels)
    again, shown = judge(run, "rrrrr")
    assert [row["id"] for row in again[:3]] == [label["id"] for label in labels]
    assert len(again) == 8 and "0 of 8 rows remain" in shown
    assert judge(run, "")[0] == again  # no rows remain
    assert len(judge(run, "rr", rows=10)[0]) == 10


def test_back_changes_a_verdict_and_stops_at_the_first_row(run):
    labels, _ = judge(run, "bbrbwq")
    assert [label["verdict"] for label in labels] == ["wrong"]


def test_the_drawn_rows_are_the_sample_of_calibrate(run):
    labels, _ = judge(run, "r" * 18, rows=18)
    checks, drawn = draws([label["id"] for label in labels], "0")
    assert checks.tolist() == [True, True, False] * 6
    assert sorted(drawn[checks]) == drawn[checks].tolist()


def test_a_verdict_is_saved_before_the_next_row_is_shown(run):
    def keys():
        yield "r"
        assert len(file.read(run / "labels.jsonl")) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(run, keys())
    assert len(file.read(run / "labels.jsonl")) == 1


def test_external_labels_stay_in_the_file_and_are_not_asked_again(run):
    labels, _ = judge(run, "q")
    rows = judge(run, "rq")[0]
    external = {"question": rows[0]["question"], "answer": EVIL, "verdict": "wrong", "by": "gold"}
    file.write([external], run / "labels.jsonl")
    labels, _ = judge(run, "rrrrrrr")
    assert labels[0] == external
    assert len(labels) == 8
    assert rows[0]["id"] not in [label.get("id") for label in labels]


def test_row_texts_cannot_control_the_terminal_or_the_browser(run, tmp_path):
    _, shown = judge(run, "q")
    assert "\x1b[2J" not in shown and "\x1b]0;" not in shown and "\x07" not in shown
    assert "[bold]x[/]" in shown
    page = tmp_path / "page.html"
    label(open_run(run), None, 8, page)
    scripts = Scripts(page.read_text())
    assert len(scripts.found) == 2
    rows = json.loads(scripts.found[0])
    assert len(rows) == 8 and rows[0]["answer"] == EVIL


def test_spaces_of_every_kind_are_shown_as_they_are_and_codes_as_one_sign():
    text = "§\u202f101\u00a0and\u3000so on\u2009\u200d\n\tnext"
    assert CONTROL.sub("�", text) == text
    for code in "\0\x07\r\x0b\x1b\x7f\x85\x9b\u2028\u2029\u202e\u2066":
        assert CONTROL.sub("�", f"a{code}b") == "a�b"


def test_the_page_shows_the_unjudged_rows_and_saves_the_same_labels(run, tmp_path):
    labels, _ = judge(run, "rrq")
    page = tmp_path / "page.html"
    label(open_run(run), None, 8, page)
    scripts = Scripts(page.read_text())
    rows = json.loads(scripts.found[0])
    assert len(rows) == 6 and not {row["id"] for row in rows} & {label["id"] for label in labels}
    fields = re.search(r"for \(const name of (\[.*?\])\) if \(row\[name\]\) label", scripts.found[1])[1]
    assert set(labels[0]) == {"id", "verdict"} | {
        name for name in json.loads(fields) if name not in ("text", "rejected")
    }
    assert not re.search(r"""(src|href)=["']http""", page.read_text())


def test_folders_without_a_run_or_table_are_rejected(run, tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        label(open_run(tmp_path), None, 8, None)
    with pytest.raises(UserError, match="stages/mine contains no table"):
        label(open_run(run), None, 8, None, stage="mine")
    write_table(table_of(PASSAGES, []), run / "stages" / "chunk" / part_name(0))
    with pytest.raises(UserError, match="stages/chunk has no rows to judge"):
        label(open_run(run), None, 8, None, stage="chunk")
    (run / "stages" / "score" / "stage.json").unlink()
    with pytest.raises(UserError, match="no stage that produces examples is complete"):
        label(open_run(run), None, 8, None)


class Scripts(html.parser.HTMLParser):
    """Collects the contents of script elements, as a browser parses them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self.found.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.found[-1] += data


def test_without_a_terminal_the_command_names_the_other_ways(run, tmp_path, monkeypatch):
    def no_terminal():
        raise OSError(6, "No such device or address")

    monkeypatch.setattr("typer.getchar", no_terminal)
    with pytest.raises(UserError, match=r"no terminal to judge in .*--page FILE"):
        label(open_run(run), tmp_path / "labels.jsonl", 8, None)

    def end():
        raise EOFError

    monkeypatch.setattr("typer.getchar", end)
    label(open_run(run), tmp_path / "labels.jsonl", 8, None)
    assert not (tmp_path / "labels.jsonl").exists()


@pytest.mark.parametrize("state", ["finished", "running"])
def test_rows_of_a_run_without_confidence_are_judged_from_its_latest_tables(tmp_path, state):
    rows = {
        "mine": [example(question=f"mined {number}?") for number in range(12)],
        "write": [example("refusal", question=f"written {number}?") for number in range(12)],
        "read": [example("reading", question=None, answer=None, text=f"text {n}") for n in range(12)],
    }
    rows["curate"] = rows["mine"][:9]  # read the first table only
    for name, of_stage in rows.items():
        folder = tmp_path / "stages" / name
        write_table(table_of(EXAMPLES, of_stage), folder / part_name(0))
        takes, reads = ("examples", ["mine"]) if name == "curate" else ("passages", ["chunk"])
        record = {"stage": name, "takes": takes, "gives": "examples", "reads": reads}
        write_json(record, folder / "stage.json")
    recipe = {"name": "atlas", "seed": 0, "stages": dict.fromkeys(rows)}
    manifest = {"recipe": recipe, "stages": list(rows), "state": state, "fingerprint": "f"}
    write_json(manifest, tmp_path / "manifest.json")
    labels, _ = judge(tmp_path, "r" * 33, rows=30)
    expected = {row["id"] for name in ("curate", "write", "read") for row in rows[name]}
    judged = {label["id"] for label in labels}
    assert len(judged) == len(labels) and judged <= expected
    assert {label["kind"] for label in labels} == {"instruction", "refusal", "reading"}


def test_a_promise_in_the_recipe_decides_which_rows_are_judged_before_calibrate_has_run(run):
    (run / "stages" / "score" / "stage.json").unlink()
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["recipe"]["stages"] = {"write": None, "calibrate": {"promise": {"refusal": 0.9}}}
    write_json(manifest | {"stages": ["write", "calibrate"]}, run / "manifest.json")
    (run / "stages" / "score").rename(run / "stages" / "write")
    record = {"stage": "write", "takes": "passages", "gives": "examples", "reads": []}
    write_json(record, run / "stages" / "write" / "stage.json")
    labels, _ = judge(run, "r" * 8)
    assert len(labels) == 8 and {label["kind"] for label in labels} == {"refusal"}
