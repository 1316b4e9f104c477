"""After any sequence of edits, a refreshed run holds what a run from scratch over the same answers holds."""

import os
import random
from contextlib import contextmanager

import pytest

from datagen.cluster.local import local_cluster
from datagen.recipe.model import load_recipe
from datagen.run import runner
from datagen.store.parquet import parts, read_part
from tests.support.toys import Silent

pytestmark = pytest.mark.cluster
SEQUENCES = int(os.environ.get("DATAGEN_SEQUENCES", "6"))  # of edits; each takes about ten seconds

RECIPE = """
name: toy
corpus: [{path: facts}]
models: {generator: {engine: scripted, model: "tests.support.toys:model", revision: "%(revision)s"}}
cluster: {workers: 1, partition_mb: 0.001}
seed: %(seed)s
stages:
  ingest:
  cutting: {use: "tests.support.toys:cutting"}
  asking: {use: "tests.support.toys:asking", samples: %(samples)s}
  measure:
  curate:
  dedup:
  tallying: {use: "tests.support.toys:tallying"}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with local_cluster(tmp_path_factory.mktemp("workers"), 1) as client:
        yield client


class Corpus:
    """A folder of facts and a recipe, edited at random."""

    def __init__(self, folder, draw):
        self.folder, self.draw = folder, draw
        self.settings = {"revision": "1", "seed": 0, "samples": 2}
        (folder / "facts").mkdir(parents=True)
        for number in range(6):
            self.write(number)

    def write(self, number):
        text = f"Fact {number} is {self.draw.randrange(1000)}.\n"
        (self.folder / "facts" / f"{number}.txt").write_text(text)

    def edit(self):
        """Make one change, of any kind: also one that changes nothing."""
        files = sorted((self.folder / "facts").iterdir())
        match self.draw.choice(["add", "edit", "remove", "rename", "touch", "samples", "seed", "revision"]):
            case "add":
                self.write(self.draw.randrange(6, 40))
            case "edit":
                self.draw.choice(files).write_text(f"Fact {self.draw.randrange(40)} is new.\n")
            case "remove" if len(files) > 1:
                self.draw.choice(files).unlink()
            case "rename":
                self.draw.choice(files).rename(self.folder / "facts" / f"r{self.draw.randrange(99)}.txt")
            case "touch":
                self.draw.choice(files).touch()
            case "samples" | "seed" | "revision" as name:
                self.settings[name] = self.draw.choice([1, 2])

    def run(self, **options):
        path = self.folder / "recipe.yaml"
        path.write_text(RECIPE % self.settings)
        return runner.run(load_recipe(path), self.folder / "outputs", Silent(), **options)


def tables(run):
    """Read every table of a run, rows kept and dropped, as values."""
    by_run = {}
    for name in run.manifest["stages"]:
        for folder in (run.stage_folder(name), run.stage_folder(name) / "dropped"):
            by_run[name, folder.name] = [read_part(path).to_pylist() for path in parts(folder)]
    return by_run


def check(corpus):
    corpus.run()
    for _ in range(corpus.draw.randint(1, 3)):
        corpus.edit()
        refreshed = corpus.run()
    scratch = corpus.run(rebuild=True)
    assert all(record.get("requests", {}).get("completions", 0) == 0 for record in scratch.stage_records())
    assert tables(refreshed) == tables(scratch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_a_refreshed_run_equals_a_run_from_scratch(seed, client, tmp_path, monkeypatch):
    @contextmanager
    def join(*_):
        yield client

    monkeypatch.setattr(runner, "open_cluster", join)
    check(Corpus(tmp_path, random.Random(seed)))
