"""Whole runs on a disk that is full or breaks: one message, nothing paid for twice, nothing lost in silence."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import toys

from datagen.completions import Completions
from datagen.recipe import load_recipe
from datagen.runner import run
from datagen.runs import open_run


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    return tmp_path / "calls"


def calls(log):
    return Counter(log.read_text().splitlines())


def run_toy(folder):
    return run(load_recipe(toys.write_recipe(folder)), folder / "outputs", toys.Silent())


def run_on_a_disk_with_room_for(size, recipe):
    """Run the command line; no file may grow beyond so many bytes."""
    environment = os.environ | {"PYTHONPATH": str(Path(toys.__file__).parent)}
    command = [sys.executable, "-m", "datagen", "run", recipe, "--outputs", recipe.parent / "outputs"]
    return subprocess.run(
        command,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_full_disk_stops_the_run_with_one_message_and_the_next_goes_on(tmp_path, log):
    window = 4
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
    assert sum(made.values()) - 600 <= window, "at most what was in flight is asked again"


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[100] ^= 1  # in the column of keys
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [truncate, flip])
def test_a_refresh_asks_again_for_what_a_corrupt_segment_held_and_says_so(tmp_path, log, spoil, caplog):
    first = run_toy(tmp_path)
    segments = first.completions.segments()
    spoil(segments[0].path)
    lost = segments[0].path.name
    second = run_toy(tmp_path)
    record = second.stage_record("asking")
    assert record["requests"]["completions"] == 8, "one partition of three"
    assert Counter(calls(log).values()) == {1: 16, 2: 8}
    told = caplog.text if spoil is truncate else json.dumps(record["damage"])
    assert lost in told
    assert (second.completions.folder / "corrupt" / lost).exists()
    caplog.clear()
    third = run_toy(tmp_path)
    assert third.stage_record("asking")["requests"]["completions"] == 0
    assert "damage" not in third.stage_record("asking") and not caplog.text
