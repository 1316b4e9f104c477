"""Stages that read several tables at once, in several rounds: resumed after SIGKILL, and refreshed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from datagen.recipe.load import load_recipe
from datagen.run.folder import open_run
from datagen.store.completions import Completions
from datagen.store.parquet import parts
from tests.datagen.run.test_runner import calls, keys_in, rows
from tests.support import ROOT, toys

pytestmark = pytest.mark.cluster

# `again` repeats two of its three samples: those rows have one id in both tables, and one request for each round.
RECIPE = """
name: joined
corpus: [{path: facts}]
models: {generator: {engine: scripted, model: "tests.support.toys:model", latency: %s, window: 4}}
cluster: {workers: 1}
stages:
  %s
  cutting: {use: "tests.support.toys:cutting"}
  asking: {use: "tests.support.toys:asking"}
  again: {use: "tests.support.toys:asking", samples: 3}
  pressing: {use: "tests.support.toys:pressing"}
"""
SOURCE = 'source: {use: "tests.support.toys:source", documents: 24}'
ANSWERED = 24 * 3  # requests of `asking` and `again`; the answers about 15 of the 24 documents are valid
PRESSED = 15 * 3 * 3
STAGES = ("asking", "again", "pressing")


def write_recipe(folder, latency=0.0, source=SOURCE):
    folder.mkdir(exist_ok=True)
    path = folder / "joined.yaml"
    path.write_text(RECIPE % (latency, source))
    return path


def start(folder):
    command = [
        sys.executable,
        "-m",
        "datagen",
        "run",
        write_recipe(folder, 0.02),
        "--outputs",
        folder / "outputs",
    ]
    environment = os.environ | {toys.CALLS: str(folder / "calls"), "PYTHONPATH": str(ROOT)}
    with (folder / "output").open("w") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_gives_the_rows_of_an_undisturbed_one(tmp_path, run_on_workers):
    killed, draw = tmp_path / "killed", random.Random(0)
    killed.mkdir()
    lost = 0
    moments = draw.randrange(5, ANSWERED - 10), draw.randrange(ANSWERED, ANSWERED + PRESSED - 10)
    for moment in moments:
        process = start(killed)
        while len(calls(killed / "calls")) < moment:
            assert process.poll() is None, (killed / "output").read_text()
            time.sleep(draw.random() / 50)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1.5)  # its workers notice and exit
        [completions] = (killed / "outputs/joined").glob("*/completions")
        lost = sum(calls(killed / "calls").values()) - len(keys_in(Completions(completions)))
    process = start(killed)
    assert process.wait(timeout=240) == 0, (killed / "output").read_text()
    made = calls(killed / "calls")
    assert len(made) == ANSWERED + PRESSED
    assert sum(made.values()) - len(made) == lost, "only what was in flight is asked again"

    resumed = open_run(killed / "outputs/joined/latest")
    whole = run_on_workers(
        load_recipe(write_recipe(tmp_path / "whole")), tmp_path / "whole", toys.SilentWatcher()
    )
    for stage in STAGES:
        assert rows(resumed, stage) == rows(whole, stage), stage
        assert rows(resumed, stage, "dropped") == rows(whole, stage, "dropped"), stage
    assert len(rows(whole, "pressing")) == 15 * 3
    repeated = rows(whole, "pressing", "dropped")
    assert [row["reason"] for row in repeated] == ["repeated"] * 15 * 2, "they have one id in both tables"
    assert {row["answer"] for row in rows(whole, "pressing")} == {"press: Sure. doubt: Sure. insist: Sure."}
    assert [len(parts(whole.stage_folder(stage))) for stage in STAGES] == [3, 3, 3], (
        "the tables were read together"
    )


def test_a_refresh_asks_about_the_rows_of_changed_documents_only(tmp_path, run_on_workers):
    facts = tmp_path / "facts"
    facts.mkdir()

    def write(number, value):
        (facts / f"{number}.txt").write_text(f"Fact {number} is {value}.\n")

    def run():
        recipe = load_recipe(write_recipe(tmp_path, source="ingest:"))
        return run_on_workers(recipe, tmp_path / "outputs", toys.SilentWatcher())

    def asked(run):
        return {stage: run.stage_record(stage)["requests"]["completions"] for stage in STAGES}

    for number in (0, 1, 2, 5, 6):
        write(number, number)
    first = run()
    assert asked(first) == {"asking": 10, "again": 5, "pressing": 5 * 3 * 3}
    write(1, "new")
    write(7, 7)
    (facts / "2.txt").unlink()
    changed = run()
    assert asked(changed) == {"asking": 4, "again": 2, "pressing": 2 * 3 * 3}
    before, after = ({row["id"] for row in rows(made, "pressing")} for made in (first, changed))
    assert len(before & after) == 3 * 3, "the rows of unchanged documents keep their ids"
    assert len(before) == len(after) == 5 * 3
    same = run()
    assert asked(same) == dict.fromkeys(STAGES, 0)
    assert all(same.stage_record(stage)["taken_over"] for stage in STAGES)
