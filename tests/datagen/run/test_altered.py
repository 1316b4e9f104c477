"""Altered run folders give a message or a new run, never a traceback or a loss."""

import json
import os
import shutil

import pytest

from datagen.engines.identity import identities
from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.request import Completion
from datagen.run import release
from datagen.run.folder import earlier_runs, open_run
from datagen.run.integrity import complete_stage
from datagen.run.lifecycle import begin, finish
from datagen.store.completions import Completions
from datagen.store.disk import translate_file_errors
from datagen.store.journal import Journal
from tests.support import toys


@pytest.fixture
def home(tmp_path):
    return tmp_path / "outputs"


@pytest.fixture
def begun(tmp_path, home):
    """Start or resume a run with one stored completion."""
    recipe = load_recipe(toys.write_recipe(tmp_path))

    def start():
        with translate_file_errors():
            return begin(recipe, home, identities(recipe.models))

    run = start()
    journal = Journal(run.folder / "completions", "asking")
    journal.append(Completion("paid", "for", "stop", "m", "1", (), logprobs=()))
    journal.close()
    return run, start


def answers(run):
    return set(Completions(run.folder / "completions").find(["paid"]))


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, 5, "x", [1], {"a": 1}, ...], ids=repr)
@pytest.mark.parametrize("name", ["recipe", "stages", "inherits", "state", "fingerprint", "number", "id"])
def test_a_run_with_an_altered_manifest_is_not_resumed_and_its_answers_are_kept(begun, name, value):
    run, start = begun
    path = run.folder / "manifest.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in (record | {name: value}).items() if v is not ...}))
    again = start()
    assert again.folder != run.folder and answers(again) == {"paid"}


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 200_000, b"9" * 9000])
def test_an_invalid_manifest_is_reported_and_its_answers_are_kept(begun, data):
    run, start = begun
    (run.folder / "manifest.json").write_bytes(data)
    with pytest.raises(UserError, match=r"manifest\.json"):
        open_run(run.folder)
    again = start()
    assert again.folder != run.folder and answers(again) == {"paid"}


@pytest.mark.parametrize("where", [("recipe", "stages"), ("recipe", "name"), ("models",), ("started",)])
def test_an_altered_value_in_a_manifest_is_reported(begun, where):
    run, _ = begun
    path = run.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    part = manifest
    for name in where[:-1]:
        part = part[name]
    part[where[-1]] = ["altered"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(
        UserError, match=r"manifest\.json was altered by hand.*next run of its recipe uses its completions"
    ):
        open_run(run.folder)


@pytest.mark.parametrize("altered", [{"rows_in": "9"}, {"stage": {}}, {"figures": [1]}, {"new": 1}])
def test_an_altered_stage_record_is_reported(begun, altered):
    run, _ = begun
    beside, folder = run.folder / "stages" / ".unfinished-cutting", run.stage_folder("cutting")
    beside.mkdir()
    record = {"stage": "cutting", "rows_in": 9, "figures": {}}
    complete_stage(beside, folder, record, lambda function, paths: [*map(function, paths)])
    assert run.stage_record("cutting")["rows_in"] == 9
    path = folder / "stage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | altered))
    with pytest.raises(UserError, match=r"stage\.json was altered by hand.*Run the recipe again"):
        run.stage_record("cutting")


@pytest.mark.timeout(60)
def test_a_pipe_in_place_of_a_record_is_reported(begun):
    run, _ = begun
    folder = run.stage_folder("cutting")
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "stage.json")
    with pytest.raises(UserError, match=r"not a regular file\. Run the recipe again"):
        run.stage_record("cutting")


@pytest.mark.parametrize(
    "record", [{}, {"stage": "cutting", "rows_in": "9"}, {"stage": "cutting", "dropped": []}]
)
def test_an_invalid_stage_record_without_a_digest_is_reported(begun, record):
    run, _ = begun
    run.stage_folder("cutting").mkdir()
    (run.stage_folder("cutting") / "stage.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"stage\.json is not a stage's record: .* missing or invalid"):
        run.stage_record("cutting")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("name", ["x-1-2.jsonl", "segment-0.parquet", ".unfinished-x"])
def test_non_files_among_the_completions_are_ignored(begun, name, make):
    run, start = begun
    make(run.folder / "completions" / name)
    again = start()
    assert again.folder == run.folder and answers(again) == {"paid"}


@pytest.mark.parametrize("name", ["stages", "completions"])
def test_a_file_in_place_of_a_folder_is_reported(begun, name):
    run, start = begun
    shutil.rmtree(run.folder / name)
    (run.folder / name).write_text("")
    with pytest.raises(UserError, match=rf"{name}.*Move it away"):
        start()


def test_a_folder_in_place_of_latest_is_reported_before_the_run_starts(begun, home):
    run, start = begun
    (home / "latest").mkdir()
    with pytest.raises(UserError, match=r"latest is a folder.*Move it away"):
        start()
    with pytest.raises(UserError, match="latest is a folder"):
        finish(run, home)
    (home / "latest").rmdir()
    assert start().folder == run.folder


def test_a_run_without_rows_does_not_replace_an_unreadable_release(begun, home):
    run, start = begun
    finish(run, home)
    (run.folder / "manifest.json").write_text("{}")
    assert "cannot be counted" in release.objection(start(), home)
    assert len(earlier_runs(home)) == 2
