"""Which stages of earlier runs are reused."""

import json
import os
import re
import shutil
from contextlib import contextmanager

import pyarrow as pa
import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run import runner, stage_key
from datagen.run.content import named_content, prompts_content
from datagen.run.folder import earlier_runs, open_run
from datagen.store.digests import digest, sealed
from datagen.store.parquet import parts, read_part
from tests.support import toys

pytestmark = pytest.mark.cluster


@pytest.fixture
def opened(on_workers):
    """Run on one cluster, and record when a run opens it."""
    times = []
    with on_workers(), pytest.MonkeyPatch.context() as patch:
        shared = runner.open_cluster

        @contextmanager
        def join(*arguments):
            times.append(1)
            with shared(*arguments) as client:
                yield client

        patch.setattr(runner, "open_cluster", join)
        yield times


@pytest.fixture
def go(tmp_path, opened):
    def start(change=lambda text: text, **options):
        path = toys.write_recipe(tmp_path)
        path.write_text(change(path.read_text()))
        return runner.run(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher(), **options)

    return start


def taken(run):
    return [record["stage"] for record in run.stage_records() if record.get("taken_over")]


def table(run, stage):
    return [row for path in parts(run.stage_folder(stage)) for row in read_part(path).to_pylist()]


def ids(run, stage="tallying"):
    return [row["id"] for row in table(run, stage)]


STAGES = ["source", "cutting", "asking", "scoring", "tallying"]


def test_an_unchanged_run_reuses_every_stage_and_opens_no_cluster(go, opened):
    first = go()
    opened.clear()
    second = go()
    assert opened == []
    assert second.folder != first.folder and second.finished
    assert taken(second) == STAGES and taken(first) == []
    assert ids(second) == ids(first)
    assert f"Nothing changed in run {second.folder.name}," in (second.folder / "report.html").read_text()
    for path in parts(first.stage_folder("tallying")):
        assert (second.stage_folder("tallying") / path.name).samefile(path)
    record = second.stage_record("asking")
    assert record["taken_over"] == first.folder.name
    assert (record["requests"]["reused"], record["requests"]["completions"]) == (24, 0)
    assert record == sealed(record)
    third = go()  # from a run that reused it as well
    assert taken(third) == STAGES


def test_after_a_change_users_stages_that_may_read_the_recipe_are_run_again(go):
    go()
    again = go(lambda text: text.replace('toys:asking"', 'toys:asking", samples: 1'))
    assert taken(again) == ["source"]
    assert len(ids(again, "asking")) == 8


def test_a_built_in_stage_is_run_again_if_its_options_or_tables_change(go, monkeypatch):
    monkeypatch.setattr(stage_key, "SEES_TABLES", {f"tests.support.toys:{name}" for name in STAGES})
    go()
    again = go(lambda text: text.replace('toys:asking"', 'toys:asking", samples: 1'))
    assert taken(again) == ["source", "cutting"]
    larger = go(lambda text: text.replace("documents: 12", "documents: 13"))
    assert taken(larger) == []
    judged = go(lambda text: text.replace('toys:scoring"', 'toys:scoring", role: target'))
    assert taken(judged) == ["source", "cutting", "asking", "tallying"]  # its rows were the same


def test_a_change_ends_at_a_stage_with_an_unchanged_table(go, monkeypatch):
    first = go()
    monkeypatch.setattr(stage_key, "code", lambda: "another")
    assert taken(go()) == []
    monkeypatch.undo()
    assert ids(go()) == ids(first)


def test_another_model_gets_all_requests(go):
    go()
    again = go(lambda text: text.replace("latency:", 'revision: "2", latency:'))
    assert again.stage_record("asking")["requests"]["completions"] == 24


def test_on_request_every_stage_is_run_again(go):
    first = go()
    again = go(rebuild=True)
    assert taken(again) == [] and ids(again) == ids(first)


def test_a_damaged_stage_is_run_again(go):
    first = go()
    path = parts(first.stage_folder("cutting"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    second = go()
    assert "cutting" not in taken(second) and "source" in taken(second)
    assert len(ids(second)) == 16
    assert digest(parts(second.stage_folder("cutting"))[0]) != digest(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_stage_with_something_else_in_place_of_a_part_is_run_again(go, make):
    first = go()
    path = parts(first.stage_folder("cutting"))[0]
    path.unlink()
    make(path)
    second = go()
    assert "cutting" not in taken(second) and "source" in taken(second)
    assert len(ids(second)) == 16


def test_a_stage_with_an_altered_record_is_run_again(go):
    first = go()
    path = first.stage_folder("cutting") / "stage.json"
    path.write_text(path.read_text().replace('"rows_out": 12', '"rows_out": 13'))
    assert "cutting" not in taken(go())


@pytest.mark.parametrize("change", ["failed", "rejected"])
def test_a_stage_with_unanswered_requests_is_run_again(go, change):
    first = go()
    path = first.stage_folder("asking") / "stage.json"
    record = json.loads(path.read_text())
    record["requests"][change] = 1
    path.write_text(json.dumps(sealed(record)))
    assert taken(go()) == ["source", "cutting", "scoring", "tallying"]


def test_the_newest_run_with_an_intact_stage_is_used(go):
    first, second = go(), go(rebuild=True)
    assert go().stage_record("cutting")["taken_over"] == second.folder.name
    shutil.rmtree(second.folder / "stages")
    third = go()
    assert third.stage_record("cutting")["taken_over"] not in ("", second.folder.name)
    assert open_run(first.folder.parent / "latest").folder == third.folder


def test_the_content_of_named_files_counts_and_their_dates_do_not(tmp_path):
    (tmp_path / "sets").mkdir()
    listed = tmp_path / "sets" / "a.jsonl"
    listed.write_text("one")
    options = {
        "against": [{"path": "sets/a.jsonl"}],
        "folder": "sets",
        "pattern": "sets/*.jsonl",
        "word": "de",
    }
    before = named_content(options, tmp_path)
    listed.touch()
    assert named_content(options, tmp_path) == before
    listed.write_text("two")
    assert named_content(options, tmp_path) != before
    for part in ("against", "folder", "pattern"):
        changed = {part: options[part]}
        listed.write_text("one")
        was = named_content(changed, tmp_path)
        listed.write_text("two")
        assert named_content(changed, tmp_path) != was, part
    assert named_content({"word": "de"}, tmp_path) == named_content({"word": "en"}, tmp_path)


def test_a_users_function_is_hashed_by_its_code(tmp_path):
    (tmp_path / "mine.py").write_text("def check(row): return 1")
    before = named_content(["./mine.py:check"], tmp_path)
    (tmp_path / "mine.py").write_text("def check(row): return 2")
    assert named_content(["./mine.py:check"], tmp_path) != before
    assert named_content(["no.such.module:check", "~nobody/x", "a\0b", "x" * 5000], tmp_path)


def test_reused_stages_have_equal_tables(go):
    first, second = go(), go()
    for stage in STAGES:
        for ours, theirs in zip(
            parts(first.stage_folder(stage)), parts(second.stage_folder(stage)), strict=True
        ):
            assert pa.Table.equals(read_part(ours), read_part(theirs))


def interrupt(monkeypatch, stage):
    """Stop the next run when this stage is complete."""

    class Interrupting(toys.SilentWatcher):
        def end(self, record, resumed):
            if record["stage"] == stage:
                raise UserError("interrupted")

    monkeypatch.setattr(toys, "SilentWatcher", Interrupting)
    return monkeypatch


def with_files(text):
    """Read the folder `facts` instead of invented documents."""
    text = text.replace("path: none", "path: facts")
    return re.sub(r"source: \{.*\}", "ingest:", text)


def test_an_interrupted_run_is_resumed_while_its_input_is_the_same(go, tmp_path, monkeypatch):
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "1.txt").write_text("Fact 1 is 1.\n")
    with monkeypatch.context() as patch, pytest.raises(UserError, match="interrupted"):
        interrupt(patch, "asking")
        go(with_files)
    (tmp_path / "facts" / "1.txt").touch()
    assert [run.folder for run in earlier_runs(tmp_path / "outputs" / "toy")] == [go(with_files).folder]


def test_a_withdrawn_document_is_not_released_by_an_interrupted_run(go, tmp_path, monkeypatch, caplog):
    (tmp_path / "facts").mkdir()
    for number in (1, 2):
        (tmp_path / "facts" / f"{number}.txt").write_text(f"Fact {number} is {number}.\n")
    with monkeypatch.context() as patch, pytest.raises(UserError, match="interrupted"):
        interrupt(patch, "asking")
        go(with_files)
    (tmp_path / "facts" / "2.txt").unlink()
    finished = go(with_files)
    assert "is not resumed, because the input or the code of ingest has changed" in caplog.text
    assert {row["question"][:14] for row in table(finished, "tallying")} == {"What is fact 1"}
    requests = finished.stage_record("asking")["requests"]
    assert (requests["completions"], requests["reused"]) == (0, 2)
    interrupted = earlier_runs(tmp_path / "outputs" / "toy")[0]
    assert interrupted.folder != finished.folder and interrupted.id in finished.manifest["inherits"]


def test_a_file_that_an_option_names_must_be_the_same_when_a_run_is_resumed(go, tmp_path, monkeypatch):
    def with_list(text):
        return text + "  decontaminate: {against: [leaked.jsonl]}\n"

    leaked = tmp_path / "leaked.jsonl"
    leaked.write_text('{"question": "What is fact 1, sample 0?"}\n')
    with monkeypatch.context() as patch, pytest.raises(UserError, match="interrupted"):
        interrupt(patch, "decontaminate")
        go(with_list)
    leaked.write_text('{"question": "What is fact 2, sample 0?"}\n')
    finished = go(with_list)
    assert "decontaminate" not in taken(finished) and "asking" in taken(finished)
    questions = {row["question"] for row in table(finished, "decontaminate")}
    assert "What is fact 1, sample 0?" in questions and "What is fact 2, sample 0?" not in questions


def test_a_stage_during_which_a_prompt_was_edited_is_run_again_with_stored_answers(
    tmp_path, on_workers, monkeypatch
):
    monkeypatch.setattr(stage_key, "SEES_TABLES", {f"tests.support.toys:{name}" for name in STAGES})
    (tmp_path / "own").mkdir()
    prompt = tmp_path / "own" / "toy.yaml"
    prompt.write_text("user: one\n")

    class Editing(toys.SilentWatcher):
        def judged(self, stage, kept, dropped):
            if stage == "asking":
                prompt.write_text("user: two\n")

    def start(watcher):
        path = toys.write_recipe(tmp_path, more="prompts: own\n")
        with on_workers():
            return runner.run(load_recipe(path), tmp_path / "outputs", watcher)

    first = start(Editing())
    [notice] = first.stage_record("asking")["notices"]
    assert "were changed during this stage" in notice and "run the recipe again" in notice
    assert "notices" not in first.stage_record("source")
    second = start(toys.SilentWatcher())
    assert "asking" not in taken(second)
    assert second.stage_record("asking")["requests"]["completions"] == 0
    assert "notices" not in second.stage_record("asking")
    assert taken(start(toys.SilentWatcher())) == STAGES


def test_own_prompts_are_told_apart_by_their_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "x.yaml").write_text("user: one\n")
    before = prompts_content(tmp_path)
    (tmp_path / "a" / "x.yaml").rename(tmp_path / "b" / "x.yaml")
    assert prompts_content(tmp_path) != before
