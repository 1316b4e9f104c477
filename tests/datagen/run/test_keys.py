"""The key of a stage includes its dependencies and nothing else."""

import os

import pytest

from datagen.engines.identity import identities
from datagen.recipe.load import load_recipe
from datagen.run import stage_key
from datagen.run.stage_key import key_of, step_of

RECIPE = """
name: keyed
corpus: [{path: docs}]
models: {generator: {engine: scripted, model: "tests.support.toys:model", revision: "1"}}
prompts: own
stages:
  ingest:
  chunk:
  instruct: {tasks: [extractive_question]}
  decontaminate: {against: [set.jsonl]}
  mix:
"""


class Home:
    """A recipe and all files that it names."""

    def __init__(self, folder):
        self.folder, self.recipe = folder, RECIPE
        for name, text in (
            ("docs/a.md", "# A"),
            ("docs/b.md", "# B"),
            ("set.jsonl", "{}"),
            ("own/x.yaml", "a: 1"),
        ):
            self.write(name, text)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def keys(self, made=""):
        """Return the key of each stage; `made` is the content of every table."""
        (self.folder / "recipe.yaml").write_text(self.recipe)
        recipe = load_recipe(self.folder / "recipe.yaml")
        models, records, by_stage = identities(recipe.models), {}, {}
        for name in recipe.stages:
            step = step_of(recipe, name, self.folder / "outputs" / "keyed" / "run", models, records)
            by_stage[name] = key_of(step, recipe, models)
            records[name] = {
                "stage": name,
                "files": {"part-00000.parquet": made, "dropped/part-0.parquet": made},
            }
        return by_stage

    def replace(self, old, new):
        assert old in self.recipe
        self.recipe = self.recipe.replace(old, new)


ALL = {"ingest", "chunk", "instruct", "decontaminate", "mix"}
CHANGES = {
    "a document is edited": (lambda home: home.write("docs/a.md", "# Z"), {"ingest"}),
    "a document comes": (lambda home: home.write("docs/c.md", "# C"), {"ingest"}),
    "a document goes": (lambda home: (home.folder / "docs/b.md").unlink(), {"ingest"}),
    "a document is renamed": (lambda home: (home.folder / "docs/b.md").rename(home.folder / "docs/c.md"), {"ingest"}),
    "two documents are swapped": (
        lambda home: (home.write("docs/a.md", "# B"), home.write("docs/b.md", "# A")),
        {"ingest"},
    ),
    "a date": (lambda home: os.utime(home.folder / "docs/a.md", (1, 1)), set()),
    "a file that is not read": (lambda home: home.write("docs/.hidden", "x"), set()),
    "metadata of the documents": (lambda home: home.replace("{path: docs}", "{path: docs, language: de}"), {"ingest", "mix"}),
    "the size of partitions": (lambda home: home.replace("prompts:", "cluster: {partition_mb: 1}\nprompts:"), {"ingest"}),
    "the number of workers": (lambda home: home.replace("prompts:", "cluster: {workers: 1}\nprompts:"), set()),
    "the budget and the gates": (
        lambda home: home.replace("prompts:", 'budget: {requests: 5}\ngates: ["kept<0.5"]\nmin_rows: {reading: 1}\nmin_task_rows: {x: 1}\nprompts:'),
        set(),
    ),
    "the seed": (lambda home: home.replace("prompts:", "seed: 1\nprompts:"), ALL),
    "a prompt": (lambda home: home.write("own/x.yaml", "a: 2"), ALL - {"ingest"}),
    "a test set": (lambda home: home.write("set.jsonl", '{"a": "b"}'), {"decontaminate"}),
    "the model": (lambda home: home.replace('revision: "1"', 'revision: "2"'), {"instruct", "mix"}),
    "settings of requests": (lambda home: home.replace('revision: "1"', 'revision: "1", window: 3'), set()),
    "an option": (lambda home: home.replace("chunk:", "chunk: {max_chars: 900}"), {"chunk", "mix"}),
    "a later stage": (lambda home: home.replace("  mix:", "  dedup:\n  mix:"), {"mix"}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_affects_the_expected_stages(change, tmp_path):
    home = Home(tmp_path)
    make, reached = CHANGES[change]
    before = home.keys()
    assert before == home.keys() and len(set(before.values())) == len(before)
    make(home)
    after = home.keys()
    assert {name for name in before if before[name] != after[name]} == reached


def test_the_length_that_the_target_accepts_affects_the_stages_that_measure_rows(tmp_path):
    home = Home(tmp_path)
    home.recipe += "  handoff:\n"
    home.replace('revision: "1"}', 'revision: "1"}, target: {model: bundled, max_model_len: 512}')
    before = home.keys()
    home.replace("512", "256")
    after = home.keys()
    assert {name for name in before if before[name] != after[name]} == {"mix", "handoff"}


def test_a_table_affects_the_stages_that_read_it(tmp_path):
    home = Home(tmp_path)
    before, after = home.keys("one"), home.keys("two")
    assert {name for name in before if before[name] != after[name]} == ALL - {"ingest"}


def test_the_code_affects_every_stage(tmp_path, monkeypatch):
    home = Home(tmp_path)
    before = home.keys()
    monkeypatch.setattr(stage_key, "code", lambda: "another")
    after = home.keys()
    assert all(before[name] != after[name] for name in before)


def test_another_folder_changes_no_key(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert Home(tmp_path / "a").keys() == Home(tmp_path / "b").keys()
