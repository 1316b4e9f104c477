"""
The methods of the stage select, on rows about many subjects, some common and some rare.

``python -m benchmarks.selection --rows 100000``

Half of a row's words are specific to its subject, half are common to all. The most frequent subject has a
tenth of the rows, the rarest only a few. Each method keeps one row in fifty, in a separate process with one
worker. Prints the seconds from the first row read to the last one written, the peak memory of the process
(including mapped files), the share of subjects with a kept row, and the mean similarity of a row to the
nearest kept one.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import add_quick
from datagen.schema import EXAMPLES
from datagen.stage import Context, Partitions
from datagen.stages.select.select import apply, stage
from datagen.stages.select.select.options import Options
from datagen.stages.shared.similarity.vectors import learn
from datagen.store.parquet import part_name, parts, read_part, write_table

METHODS = ("score", "entropy", "coverage", "vote_k", "novelty")
SUBJECTS = 1_000
PART = 10_000  # rows
WORDS = 40  # in a row
OWN = 30  # words of a subject
COMMON = 20_000  # words
KEPT = 1 / 50
SAMPLE = 2_000  # rows whose nearest kept row is searched


def write_rows(folder: Path, rows: int, seed: int) -> None:
    """Write the rows, with their subject as their task."""
    draw = np.random.default_rng(seed)
    share = 1 / np.arange(1, SUBJECTS + 1)
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        subjects = draw.choice(SUBJECTS, count, p=share / share.sum())
        common = (COMMON * draw.random((count, WORDS)) ** 3).astype(np.int64)
        own = COMMON + subjects[:, None] * OWN + draw.integers(0, OWN, (count, WORDS))
        words = np.where(draw.random((count, WORDS)) < 0.5, own, common)
        texts = [" ".join(f"w{word:x}" for word in row) for row in words.tolist()]
        given = {
            "id": pa.array([f"{seed}-{start + number}" for number in range(count)]),
            "kind": pa.array(["reading"] * count),
            "task": pa.array([str(subject) for subject in subjects]),
            "text": pa.array(texts),
        }
        columns = [given.get(field.name, pa.nulls(count, field.type)) for field in EXAMPLES]
        write_table(pa.table(columns, schema=EXAMPLES), folder / part_name(start // PART))


def run(folder: Path, method: str) -> None:
    """Select by a method in this process, and print the figures."""
    tables = parts(folder / "rows")
    options = Options.model_validate(
        {
            "method": {"reading": method},
            "max_share": {"reading": KEPT},
            "categories": ["task"],
            "earlier": [str(folder)] if method == "novelty" else [],
        }
    )
    with tempfile.TemporaryDirectory(dir=folder) as name:
        context = Context("select", run_folder=folder, output=Path(name))
        started = time.monotonic()
        outcomes = []
        partitions = Partitions([partial(read_part, path) for path in tables])
        judged = zip(partitions, stage.run(partitions, options, context), strict=True)
        for table, verdict in judged:
            outcomes.append(apply(table, verdict, options, context).kept)
            write_table(outcomes[-1], Path(name) / "part.parquet")
        seconds = time.monotonic() - started
    kept = pa.concat_tables(outcomes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {"seconds": round(seconds, 1), "peak_mib": peak, **worth(tables, kept, folder)}
    print(json.dumps(figures))


def worth(tables: list[Path], kept: pa.Table, folder: Path) -> dict[str, float]:
    """Return the share of subjects among the kept rows, and how similar rows are to the nearest kept one."""
    rows = pa.concat_tables([read_part(path, ["task", "text"]) for path in tables])
    with tempfile.TemporaryDirectory(dir=folder) as name:
        embedder = learn("", [partial(rows.column, "text")], Path(name) / "learned.npy")
        sample = embedder.embed(rows["text"].take(np.arange(0, len(rows), max(len(rows) // SAMPLE, 1))))
        near = (sample @ embedder.embed(kept["text"]).T).max(axis=1)
    subjects = pc.count_distinct(kept["task"]).as_py() / pc.count_distinct(rows["task"]).as_py()
    return {"subjects": round(subjects, 3), "nearest": round(float(near.mean()), 3)}


def main() -> None:
    """Run the benchmark; the figures come last, as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=100_000, help="number of rows, and of rows of an earlier release"
    )
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    add_quick(parser, rows=10_000)
    options = parser.parse_args()
    if options.child:
        return run(options.child, *options.methods)
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows", options.rows, seed=0)
        if "novelty" in options.methods:
            write_rows(folder / "stages" / "handoff", options.rows, seed=1)
        for method in options.methods:
            child = [sys.executable, "-m", "benchmarks.selection", "--child", name, "--methods", method]
            done = subprocess.run(child, check=True, capture_output=True, text=True)
            figures[method] = json.loads(done.stdout)
            print(method, done.stdout.strip(), file=sys.stderr)
    print(json.dumps({"rows": options.rows, **figures}))


if __name__ == "__main__":
    main()
