"""Metrics for Prometheus: the file during and after a run."""

import pytest

from datagen.operate.metrics import watching
from datagen.request import Usage
from datagen.store.digests import sealed
from datagen.store.parquet import write_json
from tests.support.runs import write_run
from tests.support.toys import SilentWatcher

pytest.importorskip("prometheus_client")

RELEASED = 'datagen_last_release_timestamp_seconds{recipe="laws"}'
RECORD = {
    "stage": "asking",
    "rows_in": 10,
    "rows_out": 7,
    "dropped": {"short": 2, "long": 1},
    "made": {"instructions": 9},
    "lost": {"reading": 2},
    "seconds": 1.5,
    "requests": {"completions": 4, "reused": 6},
}


def figures(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def of(name, kind):
    return f'datagen_{name}{{kind="{kind}",recipe="laws",stage="asking"}}'


def test_the_file_has_the_progress_and_outcome_of_the_run(tmp_path):
    path = tmp_path / "datagen.prom"
    with watching(SilentWatcher(), tmp_path / "laws", path) as watcher:
        watcher.begin("asking", 3)
        assert figures(path)['datagen_running{recipe="laws"}'] == 1
        watcher.judged("asking", 3, 1)
        watcher.funnel("asking", {"instructions": 4}, {})
        watcher.advance("asking", 1, Usage(completions=4, prompt_tokens=40, completion_tokens=9), 0.5)
        watcher.occupied(0.75)
        watcher.end(RECORD, False)
        during = figures(path)
    assert (during[of("partitions", "all")], during[of("partitions", "done")]) == (3, 1)
    assert [during[of("rows", kind)] for kind in ("in", "kept", "dropped")] == [10, 7, 3]
    assert [during[of("answers", kind)] for kind in ("new", "reused")] == [4, 6]
    assert [during[of("tokens", kind)] for kind in ("prompt", "completion")] == [40, 9]
    assert during['datagen_stage_seconds{recipe="laws",stage="asking"}'] == 1.5
    examples = 'datagen_examples{{kind="{}",product="{}",recipe="laws",stage="asking"}}'
    assert during[examples.format("made", "instructions")] == 9
    assert during[examples.format("lost", "reading")] == 2
    occupancy = 'datagen_engine_occupancy{recipe="laws"}'
    assert during[occupancy] == 0.75
    after = figures(path)
    assert after['datagen_running{recipe="laws"}'] == after[occupancy] == 0
    assert RELEASED not in after


def release(folder, name, finished):
    """Make a run the latest release of the recipe in a folder."""
    run = write_run(folder / name, {}, [])
    write_json(sealed(run.manifest | {"finished": finished}), run.folder / "manifest.json")
    (folder / "latest").unlink(missing_ok=True)
    (folder / "latest").symlink_to(name)


def test_the_time_of_the_latest_release_is_exported_during_and_after_every_run(tmp_path):
    path, home = tmp_path / "datagen.prom", tmp_path / "laws"
    release(home, "a", "2026-11-29T10:00:00+00:00")
    with pytest.raises(KeyError), watching(SilentWatcher(), home, path) as watcher:
        watcher.begin("asking", 3)
        assert figures(path)[RELEASED] == 1795946400
        raise KeyError
    assert figures(path)[RELEASED] == 1795946400
    with watching(SilentWatcher(), home, path):
        release(home, "b", "2026-11-30T10:00:00+00:00")
    assert figures(path)[RELEASED] == 1795946400 + 86400


def test_a_failed_run_is_not_running_and_not_released(tmp_path):
    path = tmp_path / "datagen.prom"
    with pytest.raises(KeyError), watching(SilentWatcher(), tmp_path / "laws", path):
        raise KeyError
    exported = figures(path)
    assert exported['datagen_running{recipe="laws"}'] == 0
    assert not any("last_release" in name for name in exported)


def test_without_a_file_the_watcher_is_unchanged(tmp_path):
    silent = SilentWatcher()
    with watching(silent, tmp_path / "laws", None) as watcher:
        assert watcher is silent
