"""After any sequence of edits, a refreshed run equals a run from scratch with the same answers."""

import os
import random
import shutil
import tarfile
import zipfile

import pytest

from datagen.recipe.load import load_recipe
from datagen.run import runner
from datagen.store.parquet import parts, read_part
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster
EDITS = (
    *("add", "edit", "remove", "rename", "case", "copy", "zip", "tar", "move", "relocate", "touch"),
    *("samples", "seed", "revision", "threshold"),
)
# One sequence per kind of edit, about ten seconds each; DATAGEN_SEQUENCES=50 runs more.
SEQUENCES = int(os.environ.get("DATAGEN_SEQUENCES", len(EDITS)))

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
  curate: {min: {words: {instruction: %(threshold)s}}}
  dedup:
  tallying: {use: "tests.support.toys:tallying"}
"""


class Corpus:
    """A folder of facts and a recipe, edited at random."""

    def __init__(self, folder, draw):
        self.folder, self.draw = folder, draw
        self.settings = {"revision": "1", "seed": 0, "samples": 2, "threshold": 0}
        (folder / "facts").mkdir(parents=True)
        for number in range(6):
            self.write(number)

    def write(self, number):
        text = f"Fact {number} is {self.draw.randrange(1000)}.\n"
        (self.folder / "facts" / f"{number}.txt").write_text(text)

    def edit(self, kind=None):
        """Make one change of this kind, or of a random one; some change no content."""
        facts, number = self.folder / "facts", self.draw.randrange(1000)
        files = sorted(path for path in facts.rglob("*") if path.is_file())
        file = self.draw.choice(files)
        match kind or self.draw.choice(EDITS):
            case "add":
                self.write(self.draw.randrange(6, 40))
            case "edit" if file.suffix.lower() == ".txt":
                file.write_text(f"Fact {self.draw.randrange(40)} is new.\n")
            case "remove" if len(files) > 1:
                file.unlink()
            case "rename":
                file.rename(file.with_name(f"r{number}{file.suffix}"))
            case "case":
                file.rename(file.with_name(file.name.swapcase()))
            case "copy":
                shutil.copyfile(file, facts / f"c{number}{file.suffix}")
            case "zip" if file.suffix.lower() == ".txt":
                with zipfile.ZipFile(facts / f"z{number}.zip", "w") as archive:
                    archive.write(file, file.name)
                file.unlink()
            case "tar" if file.suffix.lower() == ".txt":
                with tarfile.open(facts / f"t{number}.tar.gz", "w:gz") as archive:
                    archive.add(file, file.name)
                file.unlink()
            case "move":
                (facts / f"m{number}").mkdir()
                file.rename(facts / f"m{number}" / file.name)
            case "relocate":
                self.folder = self.folder.rename(self.folder.with_name(f"x{number}"))
            case "touch":
                file.touch()
            case "samples" | "seed" | "revision" as name:
                self.settings[name] = self.draw.choice([1, 2])
            case "threshold":
                self.settings["threshold"] = self.draw.choice([0, "50%"])

    def run(self, **options):
        path = self.folder / "recipe.yaml"
        path.write_text(RECIPE % self.settings)
        return runner.run(load_recipe(path), self.folder / "outputs", SilentWatcher(), **options)


def tables(run):
    """Read every table of a run, rows kept and dropped, as values."""
    by_run = {}
    for name in run.manifest["stages"]:
        for folder in (run.stage_folder(name), run.stage_folder(name) / "dropped"):
            by_run[name, folder.name] = [read_part(path).to_pylist() for path in parts(folder)]
    return by_run


def refreshed_and_scratch(corpus, kind):
    """Edit and refresh a few times, the first time by an edit of this kind; then run from scratch."""
    corpus.run()
    corpus.edit(kind)
    refreshed = corpus.run()
    for _ in range(corpus.draw.randint(0, 2)):
        corpus.edit()
        refreshed = corpus.run()
    scratch = corpus.run(rebuild=True)
    assert all(record.get("requests", {}).get("completions", 0) == 0 for record in scratch.stage_records())
    assert not any(record.get("taken_over") for record in scratch.stage_records())
    return refreshed, scratch


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_a_refreshed_run_equals_a_run_from_scratch(seed, on_workers, tmp_path):
    corpus = Corpus(tmp_path / "corpus", random.Random(seed))
    with on_workers():
        refreshed, scratch = refreshed_and_scratch(corpus, EDITS[seed % len(EDITS)])
    assert tables(refreshed) == tables(scratch)
