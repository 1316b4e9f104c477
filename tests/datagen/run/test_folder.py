"""Run folders: resumed if they are unfinished and have the same fingerprint."""

import json
import os
import shutil
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.request import Completion, Identity
from datagen.run import folder, lifecycle
from datagen.store.completions import Completions
from datagen.store.journal import Journal

MODELS = {"generator": Identity("m", "1")}


def recipe(**changes):
    return Recipe(**{"name": "r", "corpus": [{"path": "docs"}]} | changes)


def begin(home, of=None, models=MODELS, **options):
    return lifecycle.begin(of or recipe(), home, models, **options)


def test_an_unfinished_run_is_continued(tmp_path):
    first = begin(tmp_path)
    assert begin(tmp_path).folder == first.folder


@pytest.mark.parametrize(
    "change", [{"of": recipe(seed=1)}, {"models": {"generator": Identity("m", "2")}}, {"fresh": True}]
)
def test_another_recipe_or_model_or_a_request_starts_a_new_run(tmp_path, change):
    first = begin(tmp_path)
    assert begin(tmp_path, **change).folder != first.folder


def test_outputs_in_a_folder_that_is_not_utf8_are_reported_before_any_work(tmp_path):
    home = tmp_path / os.fsdecode(b"R\xe9sum\xe9")
    with pytest.raises(
        UserError, match="not valid UTF-8, so tables cannot be written there; change --outputs"
    ):
        begin(home)
    assert not home.exists()


def test_anything_may_be_in_the_folder_of_prompts(tmp_path):
    prompts = tmp_path / "prompts"
    (prompts / "folder.yaml").mkdir(parents=True)
    (prompts / "dangling.yaml").symlink_to("nothing")
    (prompts / "a.yaml").write_bytes(b"user: caf\xe9")
    of = recipe(prompts=str(prompts))
    first = begin(tmp_path / "r", of)
    assert begin(tmp_path / "r", of).folder == first.folder
    (prompts / "a.yaml").write_bytes(b"user: tea")
    assert begin(tmp_path / "r", of).folder != first.folder


def test_a_finished_run_is_unchanged_and_is_the_latest(tmp_path):
    first = lifecycle.finish(begin(tmp_path), tmp_path)
    second = begin(tmp_path)
    assert second.folder != first.folder
    assert folder.open_run(tmp_path / "latest").folder == first.folder
    lifecycle.finish(second, tmp_path)
    assert folder.open_run(tmp_path / "latest").folder == second.folder
    assert [run.folder for run in folder.earlier_runs(tmp_path)] == [first.folder, second.folder]


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path):
    run = begin(tmp_path)
    (run.folder / "stages" / ".unfinished-mine").mkdir()
    (run.folder / ".unfinished-handoff").mkdir()
    (run.folder / "completions" / ".unfinished-segment").write_text("half")
    again = begin(tmp_path)
    assert [path.name for path in again.folder.rglob(".unfinished*")] == []


def test_a_folder_without_a_manifest_is_not_a_run_and_inherits_nothing(tmp_path, monkeypatch):
    first = lifecycle.finish(begin(tmp_path), tmp_path)
    journal = Journal(first.completions.folder, "shard")
    journal.append(Completion("key", "an answer", "stop", "m", "1"))
    journal.close()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(lifecycle, "write_json", Mock(side_effect=KeyboardInterrupt))
        begin(tmp_path)
    later = begin(tmp_path)
    assert [run.folder for run in folder.earlier_runs(tmp_path)] == [first.folder, later.folder]
    assert later.completions.find(["key"])["key"].text == "an answer"


def manifest_of(run):
    return json.loads((run.folder / "manifest.json").read_text())


def save_answer(run, key):
    journal = Journal(run.completions.folder, key)
    journal.append(Completion(key, f"answer {key}", "stop", "m", "1"))
    journal.close()


def answers(run, *keys):
    return sorted(run.completions.find(keys))


def names_backwards(monkeypatch):
    """A clock that goes back a day with every reading."""
    clock = iter(datetime(2030, 1, day, tzinfo=UTC) for day in range(28, 1, -1))
    stopped = Mock(now=lambda zone: next(clock))
    monkeypatch.setattr(lifecycle, "datetime", stopped)


def test_the_newest_run_is_resumed_and_inherited_from_regardless_of_the_clock(tmp_path, monkeypatch):
    names_backwards(monkeypatch)
    first = lifecycle.finish(begin(tmp_path), tmp_path)
    save_answer(first, "one")
    second = begin(tmp_path, recipe(seed=1))
    save_answer(second, "two")
    assert second.folder.name < first.folder.name
    assert [run.folder for run in folder.earlier_runs(tmp_path)] == [first.folder, second.folder]
    assert begin(tmp_path, recipe(seed=1)).folder == second.folder
    third = begin(tmp_path)
    assert third.folder not in (first.folder, second.folder)
    assert answers(third, "one", "two") == ["one", "two"]


def test_a_renamed_run_is_resumed_and_a_copy_does_not_count_as_newer(tmp_path):
    run = begin(tmp_path)
    renamed = run.folder.rename(tmp_path / "zz renamed [1]")
    assert begin(tmp_path).folder == renamed
    shutil.copytree(renamed, tmp_path / "a copy")
    renamed.rename(run.folder)
    assert begin(tmp_path).folder == run.folder
    assert len(folder.earlier_runs(tmp_path)) == 1
    shutil.copytree(run.folder, tmp_path / "zzz copy")
    assert lifecycle.finish(begin(tmp_path), tmp_path).folder == run.folder
    again = begin(tmp_path)
    assert again.folder not in (run.folder, tmp_path / "zzz copy", tmp_path / "a copy")


def test_runs_copied_from_two_machines_are_all_inherited_from(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    mine, theirs = begin(here, recipe(seed=1)), begin(there, recipe(seed=2))
    save_answer(mine, "mine")
    save_answer(theirs, "theirs")
    theirs.folder.rename(here / "brought along")
    both = begin(here)
    assert answers(both, "mine", "theirs") == ["mine", "theirs"]
    assert manifest_of(both)["number"] == 2
    later = begin(here, recipe(seed=3))
    assert answers(later, "mine", "theirs") == ["mine", "theirs"]
    assert set(manifest_of(later)["inherits"]) == {mine.id, theirs.id, both.id}


def test_answers_outlive_the_runs_between(tmp_path):
    first = begin(tmp_path, recipe(seed=1))
    save_answer(first, "one")
    second = begin(tmp_path, recipe(seed=2))
    save_answer(second, "two")
    shutil.rmtree(first.folder)
    third = begin(tmp_path, recipe(seed=3))
    shutil.rmtree(second.folder)
    assert answers(begin(tmp_path, recipe(seed=4)), "one", "two") == ["one", "two"]
    assert third.folder.exists()


def test_a_run_whose_answers_were_reused_is_not_read_again(tmp_path, monkeypatch):
    for seed in range(4):
        save_answer(begin(tmp_path, recipe(seed=seed)), f"key {seed}")
    inherited = []
    honest = Completions.inherit
    monkeypatch.setattr(
        Completions,
        "inherit",
        lambda self, earlier: inherited.append(earlier.folder) or honest(self, earlier),
    )
    last = begin(tmp_path, recipe(seed=9))
    assert len(inherited) == 1
    assert answers(last, *(f"key {seed}" for seed in range(4))) == [f"key {seed}" for seed in range(4)]
