"""Stages with damaged tables run again when a run is resumed, with a warning."""

import json
import os
import random
import shutil

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run import integrity
from datagen.store.digests import sealed
from datagen.store.parquet import parts, read_part, write_json
from tests.support import toys

pytestmark = pytest.mark.cluster

LINE = ["source", "cutting", "asking", "scoring", "tallying"]


class Watching(toys.SilentWatcher):
    """Records which stages were run and which were complete already."""

    def __init__(self):
        self.made, self.there = [], []

    def end(self, record, resumed):
        (self.there if resumed else self.made).append(record["stage"])


@pytest.fixture(scope="module")
def run_toy(run_on_workers):
    def run(place):
        watcher = Watching()
        return run_on_workers(load_recipe(place / "toy.yaml"), place / "outputs", watcher), watcher

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_toy):
    place = tmp_path_factory.mktemp("whole")
    toys.write_recipe(place)
    return run_toy(place)[0]


@pytest.fixture
def place(whole, tmp_path, monkeypatch):
    """A copy of the run in the state before its last stage."""
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    shutil.copytree(whole.folder.parents[1], tmp_path / "outputs", symlinks=True)
    shutil.copy(whole.folder.parents[2] / "toy.yaml", tmp_path)
    home = tmp_path / "outputs" / "toy"
    [run_folder] = (path.parent for path in home.glob("*/manifest.json") if not path.parent.is_symlink())
    reopen(run_folder)
    shutil.rmtree(run_folder / "stages" / "tallying")
    return run_folder


def reopen(run_folder, **changes):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    write_json(sealed(manifest | {"state": "running"} | changes), run_folder / "manifest.json")


def rows(run_folder, stage):
    kept = [read_part(path) for path in parts(run_folder / "stages" / stage)]
    return sorted(row["id"] for table in kept for row in table.to_pylist())


def flip(path):
    data = bytearray(path.read_bytes())
    data[random.Random(path.name).randrange(len(data))] ^= 4
    path.write_bytes(data)


def instead(path, make):
    path.unlink()
    make(path)


def edit_record(stage):
    path = stage / "stage.json"
    path.write_text(path.read_text().replace('"rows_out": 16', '"rows_out": 17'))


DAMAGE = {
    "a deleted part": lambda stage: (stage / "part-00001.parquet").unlink(),
    "a flipped bit": lambda stage: flip(stage / "part-00002.parquet"),
    "a flipped bit in a dropped part": lambda stage: flip(stage / "dropped" / "part-00000.parquet"),
    "a part of another stage": lambda stage: shutil.copy(
        stage.parent / "cutting" / "part-00000.parquet", stage / "part-00000.parquet"
    ),
    "an extra part": lambda stage: shutil.copy(stage / "part-00000.parquet", stage / "part-00009.parquet"),
    "an empty part": lambda stage: (stage / "part-00000.parquet").write_bytes(b""),
    "a pipe in place of a part": lambda stage: instead(stage / "part-00000.parquet", os.mkfifo),
    "a folder in place of a part": lambda stage: instead(stage / "part-00000.parquet", os.mkdir),
    "a link in place of a part": lambda stage: instead(
        stage / "part-00000.parquet", lambda path: path.symlink_to("nowhere")
    ),
    "an edited record": edit_record,
    "a cut record": lambda stage: (stage / "stage.json").write_text("{"),
    "a record of another shape": lambda stage: (stage / "stage.json").write_text("[]"),
    "no record": lambda stage: (stage / "stage.json").unlink(),
    "no stage": shutil.rmtree,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_stage_and_later_stages_are_run_again_without_new_requests(
    whole, place, how, caplog, tmp_path, run_toy
):
    DAMAGE[how](place / "stages" / "asking")
    done, watcher = run_toy(tmp_path)
    assert done.folder == place
    assert (watcher.there, watcher.made) == (LINE[:2], LINE[2:])
    for stage in LINE:
        assert rows(place, stage) == rows(whole.folder, stage)
    assert done.stage_record("asking")["requests"]["completions"] == 0
    assert not (tmp_path / "calls").exists()
    [message] = [record.getMessage() for record in caplog.records if "is damaged" in record.getMessage()]
    assert f"stage asking of {place}" in message
    assert "Run again: asking, scoring" in message


def test_intact_stages_are_not_run_again_and_not_mentioned(place, caplog, tmp_path, run_toy):
    _, watcher = run_toy(tmp_path)
    assert (watcher.there, watcher.made) == (LINE[:4], LINE[4:])
    assert "is damaged" not in caplog.text


def test_damage_during_a_run_stops_it_and_the_next_run_resumes(place, caplog, tmp_path, monkeypatch, run_toy):
    """A part is lost after the digests were compared."""
    honest = integrity.drop_damaged

    def lose_a_part(run_, each):
        honest(run_, each)
        (place / "stages" / "scoring" / "part-00001.parquet").unlink()

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"part-00001\.parquet.*Run the recipe again"),
    ):
        patch.setattr(integrity, "drop_damaged", lose_a_part)
        run_toy(tmp_path)
    _, watcher = run_toy(tmp_path)
    assert (watcher.there, watcher.made) == (LINE[:3], LINE[3:])


def test_a_run_with_a_damaged_manifest_is_not_resumed_but_its_answers_are_used(
    place, caplog, tmp_path, run_toy
):
    text = (place / "manifest.json").read_text()
    for spoiled in (
        "{",
        "[]",
        "",
        text.replace("running", "runninh"),
        text.replace('"seed": 0', '"seed": 4'),
    ):
        assert spoiled != text
        (place / "manifest.json").write_text(spoiled)
        done, watcher = run_toy(tmp_path)
        assert done.folder != place
        assert watcher.made == LINE
        assert not (tmp_path / "calls").exists()
        assert rows(done.folder, "tallying") == rows(place, "scoring")
        shutil.rmtree(done.folder)
        (tmp_path / "outputs" / "toy" / "latest").unlink()


def test_digests_are_those_of_the_files(whole):
    for stage in LINE:
        record = whole.stage_record(stage)
        digests = {
            path.relative_to(whole.stage_folder(stage)).as_posix()
            for path in whole.stage_folder(stage).rglob("*")
            if path.is_file()
        }
        assert {*record["files"], "stage.json"} == digests
        assert all(len(said) == 64 for said in record["files"].values())
