"""Run, judge, run again: the labels of the first run support the promise of the second, on real workers."""

import html
import io
import json

import numpy as np
import pytest
import rich.console

from datagen.recipe.load import load_recipe
from datagen.report.console import Console
from datagen.schema import fraction
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws
from datagen.stages.confidence.labels.session import label
from datagen.store.parquet import parts, read_part
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

SOURCE = '''
import pyarrow as pa
from datagen.schema import EXAMPLES, fraction, table_of
from datagen.stage import Outcome, SourceStage

def read(part, options, context):
    """Rows whose answers are right with the probability given by the score."""
    rows = []
    for number in range(part, 1200, 3):
        score = fraction("score", str(number)) ** 0.3
        answer = "right" if fraction("truth", str(number)) < score else "wrong"
        row = {"id": str(number), "kind": "instruction", "task": "qa", "question": f"{number}?", "answer": answer}
        rows.append(row | {"p_true": score})
    yield Outcome.all_kept(table_of(pa.schema([*EXAMPLES, ("p_true", pa.float64())]), rows))

stage = SourceStage("scored", "scored rows", lambda o, c: [0, 1, 2], read, gives="examples")
'''

RECIPE = """
name: circle
corpus: [{path: source.py}]
cluster: {workers: 1}
stages:
  scored: {use: "./source.py:stage"}
  calibrate: {labels: LABELS}
"""


def finished(run, folder, labels):
    (folder / "recipe.yaml").write_text(RECIPE.replace("LABELS", labels))
    made = run(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())
    stage = made.stage_folder("calibrate")
    rows = [row for path in parts(stage) for row in read_part(path).to_pylist()]
    return made, rows, json.loads((stage / "report.json").read_text())["instruction"]


def test_labels_of_a_run_let_the_next_one_keep_its_promise(tmp_path, run_on_workers):
    (tmp_path / "source.py").write_text(SOURCE)
    made, rows, report = finished(run_on_workers, tmp_path, "[]")
    assert len(rows) == 1200
    assert {(row["confidence"], row["threshold"]) for row in rows} == {(None, None)}
    assert report["promise"]["needed"] == 28

    truth = {row["question"]: row["answer"][0] for row in rows}

    class Reader:
        """A person who reads the question on the screen and knows the answer."""

        def print(self, *texts, **_):
            for text in texts:
                if str(text) in truth:
                    self.key = truth[str(text)]

    person = Reader()
    label(made, tmp_path / "labels.jsonl", 750, None, key=lambda: person.key, out=person)
    _, rows, report = finished(run_on_workers, tmp_path, "[labels.jsonl]")
    assert report["labels"]["learn"] == 250 and report["labels"]["check"] == 500
    threshold = report["promise"]["threshold"]
    assert {row["threshold"] for row in rows} == {threshold}
    kept = [row["answer"] == "right" for row in rows if row["confidence"] >= threshold]
    assert len(kept) > 200
    assert np.mean(kept) >= 0.9 > np.mean([row["answer"] == "right" for row in rows])


LINE = (
    RECIPE.replace(
        "  calibrate:",
        """  measure:
  calibrate:""",
    )
    + """  hold_back:
    use: curate
    min: {confidence: {instruction: threshold}, words: {}}
  mix: {validation: 0}
  handoff:
"""
)


def line(run, folder, labels, tail=""):
    (folder / "recipe.yaml").write_text(
        LINE.replace("LABELS", labels).replace("source.py", f"source{tail}.py")
    )
    (folder / f"source{tail}.py").write_text(
        SOURCE.replace(
            'row | {"p_true": score}', 'row | {"p_true": score, "prompt": chat(row["question"], None)}'
        )
        .replace("import EXAMPLES,", "import EXAMPLES, chat,")
        .replace("1200", tail or "1200")
    )
    console = Console()
    console._out = rich.console.Console(file=io.StringIO(), width=200, highlight=False)
    made = run(load_recipe(folder / "recipe.yaml"), folder / "outputs", console)
    console.summarize(made)
    card = (
        (made.folder / "handoff" / "README.md").read_text().split("## What is promised")[1].split("\n## ")[0]
    )
    report = html.unescape((made.folder / "report.html").read_text())
    return made, console._out.file.getvalue(), report, " ".join(card.split())


def test_console_report_and_card_state_held_back_rows_and_promises(tmp_path, run_on_workers):
    made, console, report, card = line(run_on_workers, tmp_path, "[]")
    held = "1,200 rows are held back: no limit of confidence is known for them (instruction: 28 rows need a verdict)"
    assert made.stage_record("hold_back")["dropped"] == {"held back": 1200}
    assert console.count(held) == 2 and held in report and held in card  # with the stage, and at the end
    assert "instruction: nothing is promised about 0 rows" in card

    ids = [str(number) for number in range(1200)]
    truth = {name: fraction("truth", name) < fraction("score", name) ** 0.3 for name in ids}
    labels = [{"id": name, "verdict": "right" if truth[name] else "wrong"} for name in ids]
    draw = dict(zip(ids, draws(ids, "0")[1].tolist(), strict=True))
    file.write([label for label in labels if draw[label["id"]] < 0.75], tmp_path / "labels.jsonl")
    made, console, report, card = line(run_on_workers, tmp_path, "[labels.jsonl]")
    rows = [row for path in parts(made.stage_folder("handoff")) for row in read_part(path).to_pylist()]
    assert np.mean([row["answer"] == "right" for row in rows]) >= 0.9
    promise = json.loads((made.stage_folder("handoff") / "promises.json").read_text())[0]
    assert (promise["rows"], promise["others"], promise["release"]) == (len(rows), 0, made.folder.name)
    assert f"of {len(rows):,} rows at least 90% are right" in card
    sample = f"{promise['judged']:,} judged rows of a random sample, {promise['right']:,} of them right"
    assert sample in card
    assert f"in run {made.folder.name}" in card and "at most 10% of samples" in card
    assert json.loads((made.folder / "handoff" / "manifest.json").read_text())["promises"] == [promise]
    assert f"promised  instruction: at least 90% of {len(rows):,} rows are right" in console
    assert "held back" not in console + card and f"{100 * promise['bound']:.1f} %" in report

    made, console, report, card = line(run_on_workers, tmp_path, "[labels.jsonl]", tail="1260")
    [again] = json.loads((made.stage_folder("handoff") / "promises.json").read_text())
    assert (again["release"], again["rows"], again["others"]) == (
        promise["release"],
        promise["rows"],
        0,
    )  # the old rows, as promised; the new ones are held back
    assert "does not cover 60 rows" in card and "60 rows are held back" in console
