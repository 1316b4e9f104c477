"""Listing, rolling back and cleaning up releases."""

import errno
import json
import os
import sys
from contextlib import suppress

import pyarrow as pa
import pytest

from datagen.cli import main
from datagen.errors import UserError
from datagen.operate import releases as releases_module
from datagen.operate.releases import as_json, releases, restored_documents, rollback
from datagen.recipe.model import Recipe
from datagen.report.releases import show
from datagen.run.folder import PILOT, earlier_runs, open_run
from datagen.run.lease import lease
from datagen.store.digests import sealed
from datagen.store.parquet import write_json, write_table
from tests.support.runs import row, write_run


def clean(*arguments, **options):
    """Clean up; return the names of the removed runs, and name -> reason of the kept ones."""
    removed, kept = releases_module.clean(*arguments, **options)
    return [name_of(path) for path in removed], {name_of(path): why for path, why in kept.items()}


def name_of(path):
    return f"pilot {path.name}" if path.parent.name.endswith(PILOT) else path.name


def recipe(**changes):
    return Recipe(**{"name": "r", "corpus": [{"path": "docs"}]} | changes)


@pytest.fixture
def home(tmp_path):
    """Five finished runs, each with the answers of those before it."""
    names = ["a", "b", "c", "d", "e"]
    for number, name in enumerate(names):
        inherits = names[:number]
        write_run(tmp_path / name, {"s": "t"}, [row("s", "?", name)], number + 1, inherits=inherits)
    (tmp_path / "latest").symlink_to("e")
    return tmp_path


def test_runs_are_listed_oldest_first(home):
    listed = releases(home)
    assert [release.run for release in listed] == ["a", "b", "c", "d", "e"]
    assert [release.latest for release in listed] == [False] * 4 + [True]
    with pytest.raises(UserError, match="has no runs"):
        releases(home / "none")


def test_a_rollback_restores_the_previous_release_and_withdraws_the_latest(home):
    withdrawn, latest = rollback(home)
    assert (withdrawn.folder.name, latest.folder.name) == ("e", "d")
    assert open_run(home / "latest").folder.name == "d"
    state = json.loads((home / "e" / "manifest.json").read_text())["state"]
    assert state.startswith("withdrawn") and "in favour of d" in state
    assert open_run(home / "e").over and not open_run(home / "e").finished
    assert rollback(home)[1].folder.name == "c"
    assert rollback(home, "a")[1].folder.name == "a"


def test_a_rollback_to_a_run_that_was_never_released_is_rejected(home):
    for name, state in (("f", "withheld: it fails kept<0.8"), ("g", "failed"), ("h", "running")):
        write_run(home / name, {"s": "t"}, [], 6, state=state)
    for name in ("nothing", "f", "g", "h"):
        with pytest.raises(UserError, match=f"no release '{name}'. Other releases, for --to: a, b, c, d"):
            rollback(home, name)
    with pytest.raises(UserError, match="e is the latest release already"):
        rollback(home, "e")
    assert open_run(home / "latest").folder.name == "e" and open_run(home / "e").finished


def test_a_withdrawn_release_is_restored_by_name_only(home):
    rollback(home)
    withdrawn, latest = rollback(home, "e")
    assert (withdrawn.folder.name, latest.folder.name) == ("d", "e")
    assert open_run(home / "latest").finished and open_run(home / "e").finished
    assert open_run(home / "d").withdrawn
    assert rollback(home)[1].folder.name == "c"  # not d, which is withdrawn
    rollback(home, "a")
    with pytest.raises(
        UserError, match=r"not withdrawn\. Other releases, for --to: b, c \(withdrawn\), d \("
    ):
        rollback(home)


def test_a_rollback_without_runs_is_an_error_and_creates_nothing(tmp_path):
    with pytest.raises(UserError, match="has no latest release; make one with"):
        rollback(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_rollback_names_the_documents_that_it_brings_back(tmp_path):
    old = write_run(tmp_path / "a", {"s": "t", "secret": "u"}, [], 1)
    new = write_run(tmp_path / "b", {"s": "edited", "added": "v"}, [], 2)
    assert restored_documents(new, old) == ["secret"]
    assert restored_documents(old, old) == []
    (old.stage_folder("ingest") / "part-00000.parquet").write_bytes(b"damaged")
    assert restored_documents(new, old) is None


def test_the_command_warns_of_documents_that_a_rollback_brings_back(tmp_path, monkeypatch, capsys):
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: docs}]\n")
    home = tmp_path / "outputs" / "r"
    write_run(home / "a", {"s": "t", "secret": "u"}, [], 1)
    write_run(home / "b", {"s": "t"}, [], 2, inherits=["a"])
    (home / "latest").symlink_to("b")

    def say(*arguments):
        monkeypatch.setattr(sys, "argv", ["datagen", "rollback", str(tmp_path / "r.yaml"), *arguments])
        with suppress(SystemExit):
            main()
        return capsys.readouterr()

    said = say()
    assert said.out == "a is the latest release again; b is withdrawn\n"
    assert "a has 1 document that b does not have, such as secret" in said.err
    assert say("--to", "b").err == ""
    assert json.loads(say("--to", "a", "--json").out)["restored_documents"] == ["secret"]


@pytest.mark.parametrize("step", ["write_json", "point_latest"])
def test_an_interrupted_rollback_restores_the_same_release_when_it_is_repeated(home, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(releases_module, step, full)
        rollback(home)
    assert open_run(home / "latest").folder.name == "e"
    withdrawn, latest = rollback(home)
    assert (withdrawn.folder.name, latest.folder.name) == ("e", "d")
    assert open_run(home / "latest").finished and open_run(home / "e").withdrawn


def test_files_shared_with_other_runs_do_not_count_as_a_runs_own(home):
    (home / "d" / "large").write_bytes(b"x" * 100_000)
    before = {release.run: release.own_bytes for release in releases(home)}
    (home / "e" / "large").hardlink_to(home / "d" / "large")
    after = {release.run: release.own_bytes for release in releases(home)}
    assert before["d"] - after["d"] == 100_000 and after["e"] == before["e"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"null" * 9),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
    ],
    ids=["empty", "junk", "folder", "pipe", "dangling link"],
)
def test_a_run_with_a_damaged_handoff_is_listed_with_unknown_rows(home, damage, capsys, caplog):
    whole = {release.run: release for release in releases(home)}
    path = home / "b" / "handoff" / "refusals" / "train" / "train-00000-of-00001.parquet"
    write_table(pa.table({"prompt": ["?"]}), path)
    assert {release.run: release for release in releases(home)}["b"].rows["refusals"] == 1
    damage(path)
    listed = {release.run: release for release in releases(home)}
    assert set(listed["b"].rows.values()) == {None} and str(path) in caplog.text
    assert listed["a"] == whole["a"] and list(listed) == list(whole)
    show("r", as_json(list(listed.values())))
    assert "?" in next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("b "))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_manifest_of_the_latest_release_ends_neither_releases_nor_clean(home, content):
    (home / "e" / "manifest.json").write_bytes(content)
    listed = {release.run: release for release in releases(home)}
    assert listed["e"].latest and listed["e"].state == "unreadable" and len(listed) == 5
    removed, kept = clean(home, recipe(), 0, remove=True)
    assert kept["e"] == "the latest release" and "d" in kept and removed == ["a", "b", "c"]
    with pytest.raises(UserError, match=r"latest/manifest\.json cannot be read"):
        rollback(home)


def test_a_run_that_did_not_end_is_listed_as_unfinished(home, capsys):
    write_run(home / "f", {"s": "t"}, [], 6, state="running")
    write_run(home / "g", {"s": "t"}, [], 7, state="stopped: budget")
    show("r", releases_module.as_json(releases(home)))
    lines = capsys.readouterr().out.splitlines()
    states = [line.split()[1] for line in lines if line.split()[:1] in (["d"], ["f"], ["g"])]
    assert states[:3] == ["finished", "unfinished", "stopped"]


def test_clean_keeps_the_newest_and_removes_nothing_without_confirmation(home):
    removable, kept = clean(home, recipe(), 1, remove=False)
    assert removable == ["a", "b", "c"] and set(kept) == {"d", "e"}
    assert len(earlier_runs(home)) == 5
    clean(home, recipe(), 1, remove=True)
    assert sorted(path.name for path in home.iterdir() if path.is_dir() and not path.is_symlink()) == [
        "d",
        "e",
    ]
    assert clean(home, recipe(), 1, remove=True)[0] == []


def test_clean_keeps_the_latest_release_however_old(home):
    rollback(home, "a")
    _, kept = clean(home, recipe(), 0, remove=True)
    assert kept["a"] == "the latest release"
    assert open_run(home / "latest").folder.name == "a"


def test_clean_keeps_labels_and_runs_that_the_recipe_names(home):
    (home / "a" / "labels.jsonl").write_text("")
    options = {"dedup": {"earlier": [str(home / "b")]}, "select": {"earlier": "latest"}}
    removable, kept = clean(home, recipe(stages=options), 0, remove=True)
    assert removable == ["c", "d"]
    assert "labels" in kept["a"] and "names" in kept["b"]


def test_clean_keeps_runs_whose_answers_no_kept_run_has(home):
    write_run(home / "x", {"s": "t"}, [], 0, state="withheld: no rows")
    _, kept = clean(home, recipe(), 0, remove=True)
    assert kept["x"] == "no kept run has its answers"


def test_clean_keeps_a_run_that_can_be_continued(home):
    names = ["a", "b", "c", "d", "e"]
    write_run(home / "f", {"s": "t"}, [], 6, state="running", inherits=names)
    _, kept = clean(home, recipe(), 0, remove=True)
    assert kept["f"] == "it can be continued" and "e" in kept


def test_leftovers_of_a_killed_clean_are_removed(home):
    (home / "a").rename(home / ".unfinished-gone-a")
    (home / ".unfinished-gone-a" / "manifest.json").unlink()
    clean(home, recipe(), 4, remove=True)
    assert not (home / ".unfinished-gone-a").exists()


@pytest.fixture
def pilots(home):
    """Three pilots: before the first run, before the last, and after it."""
    folder = home.with_name(f"{home.name}{PILOT}")
    for name, number, inherits in (("p", 0, []), ("q", 4, ["a", "b", "c", "p"]), ("r", 7, ["p", "q"])):
        write_run(folder / name, {"s": "t"}, [], number, inherits=inherits)
    return folder


def inherit(run, *ids):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["inherits"] += ids
    write_json(sealed(manifest), run / "manifest.json")


def test_clean_keeps_the_newest_pilot_and_removes_others(home, pilots):
    inherit(home / "e", "p", "q")
    removed, kept = clean(home, recipe(), 1, remove=False)
    assert removed == ["pilot p", "pilot q", "a", "b", "c"] and kept["pilot r"] == "the newest pilot"
    assert len(earlier_runs(pilots)) == 3
    clean(home, recipe(), 1, remove=True)
    assert [run.folder.name for run in earlier_runs(pilots)] == ["r"]
    assert [run.folder.name for run in earlier_runs(home)] == ["d", "e"]


def test_clean_keeps_a_pilot_whose_answers_no_kept_run_has(home, pilots):
    removed, kept = clean(home, recipe(), 1, remove=True)
    assert removed == ["pilot p", "pilot q", "a", "b", "c"]  # the newest pilot has their answers
    write_run(pilots / "s", {"s": "t"}, [], 8, inherits=[])
    removed, kept = clean(home, recipe(), 1, remove=True)
    assert removed == [] and kept["pilot r"] == "no kept run has its answers"


def test_clean_keeps_a_pilot_that_can_be_continued(home, pilots):
    write_run(pilots / "s", {"s": "t"}, [], 8, state="running", inherits=["p", "q", "r"])
    removed, kept = clean(home, recipe(), 4, remove=True)
    assert removed == ["pilot p", "pilot q"]
    assert (kept["pilot r"], kept["pilot s"]) == ("the newest pilot", "it can be continued")


def test_clean_waits_for_no_pilot_in_progress(home, pilots):
    with lease(pilots), pytest.raises(UserError, match="is held by another run"):
        clean(home, recipe(), 1, remove=True)
    assert len(earlier_runs(pilots)) == 3 and len(earlier_runs(home)) == 5


def test_clean_of_a_recipe_without_runs_is_an_error_and_creates_nothing(tmp_path):
    with pytest.raises(UserError, match="has no runs, so there is nothing to clean up"):
        clean(tmp_path / "none", recipe(), 1, remove=True)
    assert not (tmp_path / "none").exists()
