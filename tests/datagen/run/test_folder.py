"""Run folders: continued when unfinished and the same."""

from unittest.mock import Mock

import pytest

from datagen.recipe.model import Recipe
from datagen.request import Completion, Identity
from datagen.run import folder
from datagen.store.journal import Journal

MODELS = {"generator": Identity("m", "1")}


def recipe(**changes):
    return Recipe(**{"name": "r", "corpus": [{"path": "docs"}]} | changes)


def begin(home, of=None, models=MODELS, **options):
    return folder.begin(of or recipe(), home, models, **options)


def test_an_unfinished_run_is_continued(tmp_path):
    first = begin(tmp_path)
    assert begin(tmp_path).folder == first.folder


@pytest.mark.parametrize(
    "change", [{"of": recipe(seed=1)}, {"models": {"generator": Identity("m", "2")}}, {"fresh": True}]
)
def test_another_recipe_or_model_or_wish_begins_a_new_run(tmp_path, change):
    first = begin(tmp_path)
    assert begin(tmp_path, **change).folder != first.folder


def test_a_finished_run_is_left_alone_and_is_the_latest(tmp_path):
    first = folder.finish(begin(tmp_path), tmp_path)
    second = begin(tmp_path)
    assert second.folder != first.folder
    assert folder.open_run(tmp_path / "latest").folder == first.folder
    folder.finish(second, tmp_path)
    assert folder.open_run(tmp_path / "latest").folder == second.folder
    assert [run.folder for run in folder.earlier_runs(tmp_path)] == [first.folder, second.folder]


def test_what_a_killed_run_left_unfinished_is_cleared(tmp_path):
    run = begin(tmp_path)
    (run.folder / "stages" / ".unfinished-mine").mkdir()
    (run.folder / ".unfinished-handoff").mkdir()
    (run.folder / "completions" / ".unfinished-segment").write_text("half")
    again = begin(tmp_path)
    assert [path.name for path in again.folder.rglob(".unfinished*")] == []


def test_a_run_that_died_before_it_had_a_manifest_is_no_run_and_takes_nothing_along(tmp_path, monkeypatch):
    first = folder.finish(begin(tmp_path), tmp_path)
    journal = Journal(first.completions.folder, "shard")
    journal.append(Completion("key", "an answer", "stop", "m", "1"))
    journal.close()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder, "write_json", Mock(side_effect=KeyboardInterrupt))
        begin(tmp_path)
    later = begin(tmp_path)
    assert [run.folder for run in folder.earlier_runs(tmp_path)] == [first.folder, later.folder]
    assert later.completions.find(["key"])["key"].text == "an answer"
