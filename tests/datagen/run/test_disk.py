"""Runs on a full or faulty disk: one message, no request sent twice, nothing lost silently."""

import os
import resource
import subprocess
import sys
from collections import Counter

import pytest

from datagen.recipe.load import load_recipe
from datagen.run.folder import open_run
from datagen.store.completions import Completions
from tests.support import ROOT, toys

pytestmark = pytest.mark.cluster


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    return tmp_path / "calls"


def calls(log):
    return Counter(log.read_text().splitlines())


@pytest.fixture
def run_toy(run_on_workers):
    def run(folder, rebuild=False):
        recipe = load_recipe(toys.write_recipe(folder))
        return run_on_workers(recipe, folder / "outputs", toys.SilentWatcher(), rebuild=rebuild)

    return run


def run_on_a_disk_with_room_for(size, recipe):
    """Run the command line with a limit on the size of each file, in bytes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "datagen", "run", recipe, "--outputs", recipe.parent / "outputs"]
    return subprocess.run(
        command,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_full_disk_stops_the_run_with_one_message_and_the_next_run_resumes(tmp_path, log):
    window, partitions = 4, 3
    recipe = toys.write_recipe(tmp_path, documents=300, latency=0.002, window=window)
    full = run_on_a_disk_with_room_for(30_000, recipe)
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert full.stderr.count("error: ") == 1
    assert "could not be written: File too large. Make room" in full.stderr
    [folder] = (tmp_path / "outputs/toy").glob("*/completions")
    assert Completions(folder).journals(), "it was full in the middle of generating"
    assert 0 < len(calls(log)) < 600

    mended = run_on_a_disk_with_room_for(resource.RLIM_INFINITY, recipe)
    assert mended.returncode == 0, mended.stderr
    assert open_run(tmp_path / "outputs/toy/latest").folder == folder.parent
    made = calls(log)
    assert len(made) == 600
    # The limit is per file, so it was reached once per partition, with the requests then in flight.
    assert sum(made.values()) - 600 <= window * partitions


def test_a_refresh_requests_the_contents_of_corrupt_segments_again_and_reports_it_once(
    tmp_path, log, caplog, run_toy
):
    short, spoiled, _ = (segment.path for segment in run_toy(tmp_path).completions.segments())
    os.truncate(short, short.stat().st_size // 2)
    data = bytearray(spoiled.read_bytes())
    data[100] ^= 1  # in the column of keys
    spoiled.write_bytes(data)

    second = run_toy(tmp_path, rebuild=True)
    record = second.stage_record("asking")
    assert record["requests"]["completions"] == 16, "two partitions of three"
    assert Counter(calls(log).values()) == {1: 8, 2: 16}
    assert (second.completions.folder / "corrupt" / short.name).exists()
    assert f"{short.name} was moved to" in caplog.text
    [message] = record["damage"]
    assert spoiled.name in message

    caplog.clear()
    third = run_toy(tmp_path, rebuild=True).stage_record("asking")
    assert third["requests"]["completions"] == 0
    assert "damage" not in third
    assert "datagen" not in {record.name.partition(".")[0] for record in caplog.records}
