"""Each file is read once under one name, and everything that is not read has a reason."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from datagen.errors import UserError
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest.find import matches
from datagen.stages.sources.ingest.formats import table
from tests.support.corpora import context, ingested, reasons, write


def test_an_empty_file_that_sorts_first_is_dropped(tmp_path):
    write(tmp_path, "docs/_SUCCESS", "")
    write(tmp_path, "docs/a.txt", "Words.")
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.txt"] and reasons(dropped) == {"docs/_SUCCESS": "unknown format"}


def test_a_non_regular_file_is_dropped(tmp_path):
    write(tmp_path, "docs/a.txt", "Words.")
    os.mkfifo(tmp_path / "docs/pipe.txt")
    (tmp_path / "docs/zero.txt").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "docs/socket.txt"))
        kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.txt"]
    assert reasons(dropped) == {
        "docs/pipe.txt": "not a regular file",
        "docs/socket.txt": "not a regular file",
        "docs/zero.txt": "link out of the corpus",
    }


def test_a_pipe_that_the_recipe_names_is_dropped(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    kept, dropped = ingested(tmp_path, "pipe.txt")
    assert not kept and reasons(dropped) == {"pipe.txt": "not a regular file"}


def test_links_are_followed_once_and_only_within_the_corpus(tmp_path):
    write(tmp_path, "docs/real/a.txt", "One.")
    write(tmp_path, "docs/.hidden/b.txt", "Two.")
    write(tmp_path, "elsewhere.txt", "Not of the corpus.")
    write(tmp_path.parent, f"{tmp_path.name}-outside/c.txt", "Not of the corpus.")
    links = {
        "alias.txt": "real/a.txt",  # a second name of a file, which sorts before it
        "copy": "real",  # a second name of a folder
        "up": "..",  # a loop
        "self": "self",  # a loop that cannot be opened
        "gone.txt": "nowhere.txt",
        "secret.txt": "../elsewhere.txt",
        "outside": f"../../{tmp_path.name}-outside",
        "shown": ".hidden",  # its only name that is not hidden
    }
    for name, target in links.items():
        (tmp_path / "docs" / name).symlink_to(target)
    kept, dropped = ingested(tmp_path, "docs")
    assert sorted(kept) == ["docs/real/a.txt", "docs/shown/b.txt"]
    assert reasons(dropped) == {
        "docs/alias.txt": "another name of a file",
        "docs/copy/": "another name of a folder",
        "docs/up": "link out of the corpus",
        "docs/self": "dangling link",
        "docs/gone.txt": "dangling link",
        "docs/secret.txt": "link out of the corpus",
        "docs/outside": "link out of the corpus",
    }


def test_hard_links_are_one_document(tmp_path):
    write(tmp_path, "docs/a.txt", "One.")
    (tmp_path / "docs/b.txt").hardlink_to(tmp_path / "docs/a.txt")
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.txt"] and reasons(dropped) == {"docs/b.txt": "another name of a file"}


def test_two_links_to_a_folder_of_the_recipe_are_one_folder(tmp_path):
    write(tmp_path, "real/a.txt", "One.")
    (tmp_path / "docs").mkdir()
    for name in ("x", "y"):
        (tmp_path / "docs" / name).symlink_to("../real")
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/x/a.txt"] and reasons(dropped) == {"docs/y/": "another name of a folder"}


def test_a_link_into_another_entry_is_followed(tmp_path):
    write(tmp_path, "docs/a.txt", "One.")
    write(tmp_path, "blobs/b", "Two.")
    (tmp_path / "docs/b.txt").symlink_to("../blobs/b")
    assert sorted(ingested(tmp_path, "docs", "blobs")[0]) == ["docs/a.txt", "docs/b.txt"]


def test_an_unreadable_folder_is_accounted_for(tmp_path, monkeypatch):
    write(tmp_path, "docs/a.txt", "One.")
    write(tmp_path, "docs/closed/b.txt", "Two.")
    listed = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.txt"] and reasons(dropped) == {"docs/closed/": "unreadable folder"}


def test_a_link_that_vanishes_while_it_is_followed_is_accounted_for(tmp_path, monkeypatch):
    write(tmp_path, "docs/a.txt", "One.")
    (tmp_path / "docs/gone.txt").symlink_to("nowhere.txt")

    def vanished(path):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "readlink", vanished)
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.txt"] and reasons(dropped) == {"docs/gone.txt": "dangling link"}


def test_names_that_are_not_utf8_are_read_and_written_with_escapes(tmp_path):
    folder = os.fsencode(tmp_path)
    Path(os.fsdecode(folder + b"/R\xe9sum\xe9.txt")).write_text("Words.")
    Path(os.fsdecode(folder + b"/R\xe9sum\xe9.pfd")).write_text("Words.")
    kept, dropped = ingested(tmp_path, ".")
    assert list(kept) == [r"R\xe9sum\xe9.txt"]
    assert reasons(dropped) == {r"R\xe9sum\xe9.pfd": "unknown format"}


def test_of_two_files_with_the_same_escaped_name_one_is_read(tmp_path):
    """One name has a byte that is not UTF-8, the other its escape."""
    for name in (b"R\xe9sum\xe9.txt", rb"R\xe9sum\xe9.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"Words of " + name[1:2] + b".")
    write(tmp_path, "b.txt", "Other words.")
    kept, dropped = ingested(tmp_path, ".")
    assert sorted(kept) == [r"R\xe9sum\xe9.txt", "b.txt"]
    assert reasons(dropped) == {r"R\xe9sum\xe9.txt": "another file of this name"}


@pytest.mark.parametrize("path", ["~nobody-of-this-name/docs", "./~"])
def test_a_path_that_matches_nothing_is_reported(tmp_path, path):
    with pytest.raises(UserError, match="matches no file"):
        ingested(tmp_path, path)


def test_the_folder_of_runs_is_not_part_of_the_corpus(tmp_path):
    for name in ("outputs/test/run/stages/x.jsonl", "outputs/other/run/y.txt"):
        write(tmp_path, name, '{"text": "Made before."}')
    write(tmp_path, "a.txt", "Words.")
    running = context(tmp_path, ".")
    running = replace(running, run_folder=tmp_path / "outputs/test/run")
    (task,) = ingest.plan(ingest.Options(), running)
    assert [file.name for file in task.files] == ["a.txt"]


def test_runs_in_other_folders_of_outputs_are_not_documents(tmp_path):
    for name in ("manifest.json", "stages/chunk/stage.json", "completions/x.jsonl", "handoff/README.md"):
        write(tmp_path, f"earlier/recipe/run/{name}", '{"text": "Words of an earlier run."}')
    write(tmp_path, "other/manifest.json", '{"text": "Words of a manifest of something else."}')
    kept, dropped = ingested(tmp_path, ".")
    assert [source.partition("#")[0] for source in kept] == ["other/manifest.json"]
    assert reasons(dropped) == {"earlier/recipe/run/": "run of datagen"}
    assert list(ingested(tmp_path, "earlier/recipe/run/handoff")[0]) == [
        "earlier/recipe/run/handoff/README.md"
    ]


def test_include_and_exclude(tmp_path):
    for name in ("a.md", "b.txt", "drafts/c.md", "manual/d.md", "manual/old/e.md"):
        write(tmp_path, f"docs/{name}", "Words.")

    def names(**globs):
        return sorted(name.removeprefix("docs/") for name in ingested(tmp_path, {"path": "docs", **globs})[0])

    assert names(include=["*.md"]) == ["a.md", "drafts/c.md", "manual/d.md", "manual/old/e.md"]
    assert names(include=["manual/**"]) == ["manual/d.md", "manual/old/e.md"]
    assert names(exclude=["drafts", "manual/old/*"]) == ["a.md", "b.txt", "manual/d.md"]
    assert names(include=["*.md"], exclude=["manual"]) == ["a.md", "drafts/c.md"]
    assert names(exclude=["*"]) == []  # excluded by the recipe, so not an error


def test_a_glob_matches_no_deeper_than_written(tmp_path):
    for name in ("a/x.txt", "a/deep/y.txt", "b/z.txt", "x.txt"):
        write(tmp_path, name, "Words.")
    assert sorted(ingested(tmp_path, "a*/*.txt")[0]) == ["a/x.txt"]
    assert sorted(ingested(tmp_path, "a/**/*.txt")[0]) == ["a/deep/y.txt", "a/x.txt"]
    with pytest.raises(UserError, match="matches no file"):
        ingested(tmp_path, "c*/*.txt")


@pytest.mark.parametrize(
    ("path", "pattern", "match"),
    [
        ("a/b", "**", True),
        ("a/b", "**/b", True),
        ("b", "**/b", True),
        ("a/b", "*", False),
        ("a/b/c", "a/**/c", True),
        ("a/c", "a/**/c", True),
        ("a.b", "a?b", True),
    ],
)
def test_globs(path, pattern, match):
    assert matches(path.split("/"), pattern.split("/")) is match


def test_tasks_are_balanced_by_count_as_well_as_by_size(tmp_path):
    for number in range(300):
        write(tmp_path, f"docs/{number}.txt", "")
    tasks = ingest.plan(ingest.Options(), context(tmp_path, "docs", partition_mb=0.1))
    sizes = [len(task.files) for task in tasks]
    assert sum(sizes) == 300 and max(sizes) <= 25


def test_the_documentation_lists_the_formats():
    page = (Path(__file__).parents[3] / "docs/documents.md").read_text(encoding="utf-8")
    assert f"-->\n\n{table()}\n<!--" in page


def test_a_file_that_becomes_a_pipe_or_a_link_or_vanishes_before_it_is_read_is_dropped(tmp_path):
    write(tmp_path, "secret", "Words outside of the corpus.")
    for name in ("a.txt", "b.txt", "c.txt", "d.txt", "real.txt"):
        write(tmp_path, f"docs/{name}", f"Words of {name}.")
    (tmp_path / "docs/link.txt").symlink_to("real.txt")
    running, options = context(tmp_path, "docs"), ingest.Options(seconds=5)
    tasks = ingest.plan(options, running)
    (tmp_path / "docs/a.txt").unlink()
    os.mkfifo(tmp_path / "docs/a.txt")
    (tmp_path / "docs/b.txt").unlink()
    (tmp_path / "docs/d.txt").unlink()
    (tmp_path / "docs/d.txt").symlink_to(tmp_path / "secret")
    parts = [part for task in tasks for part in ingest.read(task, options, running)]
    reasons = {row["source"]: row["reason"] for part in parts for row in part.dropped.to_pylist()}
    replaced = dict.fromkeys(["docs/a.txt", "docs/d.txt"], "not a file")
    assert reasons == {**replaced, "docs/b.txt": "unreadable file", "docs/link.txt": "another name of a file"}
    kept = sorted(row["source"] for part in parts for row in part.kept.to_pylist())
    assert kept == ["docs/c.txt", "docs/real.txt"]


def test_a_file_that_the_recipe_names_by_a_link_is_read(tmp_path):
    write(tmp_path, "elsewhere/real.txt", "Words of the file.")
    (tmp_path / "link.txt").symlink_to("elsewhere/real.txt")
    kept, dropped = ingested(tmp_path, "link.txt")
    assert list(kept) == ["link.txt"] and not dropped
