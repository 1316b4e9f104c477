"""Run, judge, run again: the labels of the first run carry the promise of the second, on real workers."""

import json

import numpy as np

from datagen.recipe.model import load_recipe
from datagen.run.runner import run
from datagen.stages.confidence.labels.session import label
from datagen.store.parquet import parts, read_part
from tests.support.toys import Silent

SOURCE = '''
import pyarrow as pa
from datagen.schema import EXAMPLES, fraction, table_of
from datagen.stage import Outcome, SourceStage

def read(part, options, context):
    """Rows of which the answer is right as often as the score says."""
    rows = []
    for number in range(part, 1200, 3):
        score = fraction("score", str(number)) ** 0.3
        said = "right" if fraction("truth", str(number)) < score else "wrong"
        row = {"id": str(number), "kind": "instruction", "task": "qa", "question": f"{number}?", "answer": said}
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


def finished(folder, labels):
    (folder / "recipe.yaml").write_text(RECIPE.replace("LABELS", labels))
    made = run(load_recipe(folder / "recipe.yaml"), folder / "outputs", Silent())
    stage = made.stage_folder("calibrate")
    rows = [row for path in parts(stage) for row in read_part(path).to_pylist()]
    return made, rows, json.loads((stage / "report.json").read_text())["instruction"]


def test_a_run_that_is_judged_makes_the_next_one_keep_its_promise(tmp_path):
    (tmp_path / "source.py").write_text(SOURCE)
    made, rows, report = finished(tmp_path, "[]")
    assert len(rows) == 1200
    assert {(row["confidence"], row["threshold"]) for row in rows} == {(None, None)}
    assert report["promise"]["needed"] == 28

    truth = {row["question"]: row["answer"][0] for row in rows}

    class Reader:
        """A person who reads the question on the screen and knows the answer."""

        def print(self, *said, **_):
            for one in said:
                if str(one) in truth:
                    self.key = truth[str(one)]

    person = Reader()
    label(made.folder, tmp_path / "labels.jsonl", 750, None, key=lambda: person.key, out=person)
    _, rows, report = finished(tmp_path, "[labels.jsonl]")
    assert report["labels"]["learn"] == 250 and report["labels"]["check"] == 500
    threshold = report["promise"]["threshold"]
    assert {row["threshold"] for row in rows} == {threshold}
    kept = [row["answer"] == "right" for row in rows if row["confidence"] >= threshold]
    assert len(kept) > 200
    assert np.mean(kept) >= 0.9 > np.mean([row["answer"] == "right" for row in rows])
