"""Which stages of earlier runs are reused."""

import json
import shutil
from contextlib import contextmanager

import pyarrow as pa
import pytest

from datagen.recipe.load import load_recipe
from datagen.run import runner, takeover
from datagen.run.content import named_content
from datagen.run.folder import open_run
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


def ids(run, stage="tallying"):
    return [row["id"] for path in parts(run.stage_folder(stage)) for row in read_part(path).to_pylist()]


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
    monkeypatch.setattr(takeover, "SEES_TABLES", {f"tests.support.toys:{name}" for name in STAGES})
    go()
    again = go(lambda text: text.replace('toys:asking"', 'toys:asking", samples: 1'))
    assert taken(again) == ["source", "cutting"]
    larger = go(lambda text: text.replace("documents: 12", "documents: 13"))
    assert taken(larger) == []
    judged = go(lambda text: text.replace('toys:scoring"', 'toys:scoring", role: target'))
    assert taken(judged) == ["source", "cutting", "asking", "tallying"]  # its rows were the same


def test_a_change_ends_at_a_stage_with_an_unchanged_table(go, monkeypatch):
    first = go()
    monkeypatch.setattr(takeover, "code", lambda: "another")
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
