"""
How often a promised precision is broken: over samples, refreshes, optional stopping and truncated files.

``python -m benchmarks.promises --draws 300``

The rows of the population have known labels and three scores, two of them informative. The verdicts are
processed by the stage `calibrate`. Prints, as a line of JSON, for each case: the share of samples with a
promise, with a broken promise, and the share of promises that are broken.

* ``once``: a fixed number of labels;
* ``until_it_passes``: labels are added until a promise is made; equivalent to truncating the file there;
* ``refresh``: 5 % new rows without a label, after a run with a promise: the promise about the old rows, and
  the number of new rows that it covers; then with the few labels on new rows that are requested;
* ``deleted``: the rows judged wrong are removed from the corpus;
* ``dedup``: right answers recur and wrong ones do not; the promise about the rows that dedup keeps.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import add_quick
from datagen.recipe.model import Recipe
from datagen.schema import EXAMPLES, table_of
from datagen.stage import Context, Partitions
from datagen.stages.confidence.calibrate import handed_off, stage
from datagen.stages.confidence.calibrate.curves import Bools
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws

TARGET = 0.9
ROWS, NEW, LABELS = 4000, 200, 600
SHOWN = 50  # draws after which the figures so far are shown
SCORES = ("one", "other", "noise")
STAGES: dict[str, None] = dict.fromkeys(("calibrate", "handoff"))


class Population:
    """Rows with known labels, and a folder for their runs."""

    def __init__(self, seed: int, folder: Path, rows: int = ROWS) -> None:
        drawn = np.random.default_rng(seed)
        values = drawn.normal(size=(rows, 3))
        odds = 1.2 + 1.2 * values[:, 0] + 0.7 * values[:, 1]
        self.right: Bools = drawn.random(rows) < 1 / (1 + np.exp(-odds))
        self.ids = [f"{seed}-{number}" for number in range(rows)]
        columns = [{"id": name, "kind": "instruction", "task": "qa"} for name in self.ids]
        self.table = table_of(EXAMPLES, columns)
        for number, name in enumerate(SCORES):
            self.table = self.table.append_column(name, pa.array(values[:, number]))
        self.truth = dict(zip(self.ids, self.right.tolist(), strict=True))
        self.folder = folder
        checks, draw = draws(self.ids, "0")
        check, teach = (np.array(self.ids)[mine][np.argsort(draw[mine])] for mine in (checks, ~checks))
        self.order = [str(name) for pair in zip(check[0::2], check[1::2], teach) for name in pair]  # noqa: B905

    def calibrate(self, run: str, rows: Bools, judged: list[str]) -> tuple[dict[str, Any], pa.Table]:
        """Run the stage on rows with verdicts on some of them; return the promise and the rows."""
        labels = self.folder / "labels.jsonl"
        verdicts = (file.RIGHT if self.truth[name] else file.WRONG for name in judged)
        file.write(
            ({"id": name, "verdict": word} for name, word in zip(judged, verdicts, strict=True)), labels
        )
        output = self.folder / run / "stages" / "calibrate"
        output.mkdir(parents=True, exist_ok=True)
        context = replace(self.context("calibrate", run), output=output)
        options = stage.options.model_validate({"labels": [str(labels)], "promise": {"instruction": TARGET}})
        table = self.table.filter(pa.array(rows))
        known = next(iter(stage.run(Partitions([reader(table)]), options, context)))
        assert stage.apply is not None
        report = json.loads((output / "report.json").read_text(encoding="utf-8"))
        return report["instruction"]["promise"], stage.apply(table, known, options, context).kept

    def context(self, name: str, run: str) -> Context:
        """Create a stage's context."""
        recipe = {"name": "promises", "corpus": [{"path": "."}], "stages": STAGES}
        return Recipe.model_validate(recipe).context(name, self.folder / run)

    def precision(self, rows: pa.Table) -> float | None:
        """Return the share of right rows among those that the promise covers; None without a promise."""
        return self.share(under(rows))

    def share(self, ids: list[str]) -> float | None:
        """Return the share of right rows; None without rows."""
        return float(np.mean([self.truth[name] for name in ids])) if ids else None


def reader(table: pa.Table) -> Callable[[Sequence[str] | None], pa.Table]:
    """Read columns of a table."""
    return lambda names: (
        table if names is None else table.select([n for n in names if n in table.column_names])
    )


def under(rows: pa.Table) -> list[str]:
    """List the rows that the promise covers."""
    columns = (rows[name].to_pylist() for name in ("id", "confidence", "threshold"))
    return [name for name, sure, least in zip(*columns, strict=True) if least is not None and sure >= least]


def once(people: Population) -> Iterator[tuple[str, float | None]]:
    """Judge a fixed number of rows."""
    yield (
        f"once, {LABELS} labels",
        people.precision(people.calibrate("1", everyone(people), people.order[:LABELS])[1]),
    )


def until_it_passes(people: Population) -> Iterator[tuple[str, float | None]]:
    """Judge until a promise is made; truncating the file there is equivalent."""
    found = None
    for labels in range(90, LABELS + 1, 30):
        found = people.precision(people.calibrate("0", everyone(people), people.order[:labels])[1])
        for path in (people.folder / "0").rglob("population.parquet"):
            path.unlink()
        if found is not None:
            break
    yield f"until it passes, 90 to {LABELS} labels", found


def refresh(people: Population) -> Iterator[tuple[str, float | None]]:
    """Add unjudged rows, then judge those that precede the last judged row of the sample."""
    old = np.arange(ROWS) < ROWS - NEW
    before = set(np.array(people.ids)[old])
    judged = [name for name in people.order if name in before][:LABELS]
    first, _ = people.calibrate("1", old, judged)
    if first["threshold"] is None:
        return
    _, rows = people.calibrate("2", everyone(people), judged)
    kept = under(rows)
    yield "refresh: old rows, of draws with a promise before", people.share([n for n in kept if n in before])
    yield (
        "refresh: all rows, where the promise covers new ones",
        people.share(kept if any(name not in before for name in kept) else []),
    )
    checks, draw = draws(people.ids, "0")
    place = dict(zip(people.ids, draw.tolist(), strict=True))
    check = dict(zip(people.ids, checks.tolist(), strict=True))
    deepest = max(place[name] for name in judged if check[name])
    asked = [n for n in people.ids if n not in before and check[n] and place[n] < deepest]
    _, rows = people.calibrate("3", everyone(people), [*judged, *asked])
    kept = under(rows)
    covers = any(name not in before for name in kept)
    yield (
        f"refresh, about {LABELS * NEW // ROWS * 2 // 3} new rows judged: all rows",
        people.share(kept if covers else []),
    )


def deleted(people: Population) -> Iterator[tuple[str, float | None]]:
    """Remove the rows that were judged wrong from the corpus."""
    judged = people.order[:LABELS]
    wrong = {name for name in judged if not people.truth[name]}
    rows = np.array([name not in wrong for name in people.ids])
    yield "wrong rows deleted", people.precision(people.calibrate("4", rows, judged)[1])


def dedup(people: Population) -> Iterator[tuple[str, float | None]]:
    """Drop four of five right rows and no wrong one, after calibrate or before it."""
    spared = np.random.default_rng(int(people.ids[0].partition("-")[0])).random(ROWS) < 0.2
    left = spared | ~people.right
    names = set(np.array(people.ids)[left])
    _, rows = people.calibrate("5", everyone(people), people.order[: 2 * LABELS])
    yield (
        "dedup after calibrate: promise of calibrate",
        people.share([n for n in under(rows) if n in names]),
    )
    handed = rows.filter(pa.array([name in names for name in rows["id"].to_pylist()]))
    mine = set(under(handed))
    handed = handed.filter(pa.array([name in mine for name in handed["id"].to_pylist()]))
    [promise] = handed_off.stated([handed], people.context("handoff", "5"))
    yield (
        "dedup after calibrate: promise on the card",
        None if promise["why"] else people.share(under(handed)),
    )
    judged = [name for name in people.order if name in names][:LABELS]
    yield "dedup before calibrate", people.precision(people.calibrate("6", left, judged)[1])


def everyone(people: Population) -> Bools:
    """Select all rows."""
    return np.ones(len(people.ids), np.bool_)


CASES = {case.__name__: case for case in (once, until_it_passes, refresh, deleted, dedup)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=300, help="simulated populations")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    add_quick(parser, draws=10)
    options = parser.parse_args()
    found: dict[str, list[float | None]] = {}
    for seed in range(options.draws):
        if seed % SHOWN == SHOWN - 1:
            print(json.dumps({title: _summary(all_) for title, all_ in found.items()}), file=sys.stderr)
        with tempfile.TemporaryDirectory() as name:
            people = Population(seed, Path(name))
            for case in options.cases:
                for title, precision in CASES[case](people):
                    found.setdefault(title, []).append(precision)
    print(json.dumps({title: _summary(all_) for title, all_ in found.items()}))


def _summary(precisions: list[float | None]) -> dict[str, float | int | None]:
    made = [precision for precision in precisions if precision is not None]
    broken = sum(precision < TARGET for precision in made)
    return {
        "draws": len(precisions),
        "promised": round(len(made) / len(precisions), 3),
        "broken": round(broken / len(precisions), 3),
        "broken, of those made": round(broken / len(made), 3) if made else None,
    }


if __name__ == "__main__":
    main()
