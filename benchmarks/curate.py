"""
Time to filter a million scored rows with the stage curate, within a run.

``python -m benchmarks.curate --rows 1_000_000 --workers 2``

The rows are as wide as those of a real run: a passage, messages with passage and question, an answer,
lineage, and the columns of measure and score, with random values. A run of two stages generates and curates
them; the time of the second stage is the cost of a new threshold. Wall time includes waiting for other work
on the machine; CPU time, summed over all processes, does not. The last line of output is JSON.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from benchmarks import add_quick
from datagen.recipe.model import Recipe
from datagen.request import Usage
from datagen.run.runner import run
from datagen.schema import EXAMPLES, content_id
from datagen.stage import Context, Options, Outcome, SourceStage
from datagen.store.record import StageRecord

PARTITION = 10_000  # rows
PASSAGES = 500  # per partition, each with many questions
SCORES = ("grounding", "leakage", "standalone", "words", "loop", "diversity", "script", "echo", "p_true")

LIMITS = {
    "min": {"p_true": {"instruction": 0.3, "instruction/summary": "20%"}, "grounding": {"instruction": 0.1}},
    "max": {"leakage": {"instruction": 0.95}},
}


class Size(Options):
    """The number of rows."""

    rows: int = PARTITION


def plan(options: Size, context: Context) -> Sequence[tuple[int, int]]:
    """Divide the rows into partitions."""
    starts = range(0, options.rows, PARTITION)
    return [(start, min(PARTITION, options.rows - start)) for start in starts]


def make(part: tuple[int, int], options: Size, context: Context) -> Iterator[Outcome]:
    """Make a partition of scored instructions."""
    start, count = part
    draw = np.random.default_rng(start)
    words = np.array(["".join(map(chr, draw.integers(97, 123, size))) for size in draw.integers(2, 10, 3000)])

    def texts(number: int, length: int) -> pa.Array:
        return pa.array(
            [" ".join(line) + "." for line in words[draw.zipf(1.2, (number, length)) % len(words)]]
        )

    passage = pa.array(draw.integers(PASSAGES, size=count))
    context_ = texts(PASSAGES, 150).take(passage)
    question, answer = texts(count, 12), texts(count, 20)
    ids = pa.array([content_id(str(number)) for number in range(start, start + count)])
    columns: dict[str, Any] = {"id": ids, "context": context_, "question": question, "answer": answer}
    columns |= {"kind": pa.array(["instruction"] * count), "evidence": answer}
    columns["task"] = pa.array(draw.choice(["summary", "definition", "extractive_question"], count))
    columns["prompt"] = pa.array(
        [[{"role": "user", "content": text}] for text in context_.to_pylist()], EXAMPLES.field("prompt").type
    )
    provenance = {
        "document_id": "d" * 32,
        "source": "corpus.jsonl",
        "prompt": "instructions/summary",
        "model": "a-model",
    }
    lineage = [
        provenance | {"passage_id": key, "requests": [key], "parents": [key]} for key in ids.to_pylist()
    ]
    columns["lineage"] = pa.array(lineage, EXAMPLES.field("lineage").type)
    columns["logprob"] = -draw.exponential(1.0, count)
    rows = pa.table([columns.get(one.name, pa.nulls(count, one.type)) for one in EXAMPLES], schema=EXAMPLES)
    for name in SCORES:
        rows = rows.append_column(name, pa.array(draw.random(count)))
    rows = rows.set_column(
        rows.column_names.index("words"), "words", pa.array(draw.integers(2, 60, count) * 1.0)
    )
    flaws = pa.array(
        ["unfinished sentence" if one else None for one in draw.random(count) < 0.02], pa.string()
    )
    yield Outcome.all_kept(rows.append_column("flaw", flaws).append_column("flaw_detail", flaws))


made = SourceStage("made", "makes scored rows", plan, make, gives="examples", options=Size)


class Clock:
    """A watcher of a run that measures the CPU time of the stage curate."""

    def __init__(self) -> None:
        self.record: StageRecord = {}
        self.processors = self._started = 0.0

    def joined(self, dashboard: str) -> None:
        """Do nothing."""

    def begin(self, stage: str, partitions: int) -> None:
        """Record the CPU time at the start of a stage."""
        self._started = _spent()
        print(f"{stage}: {partitions} partitions", file=sys.stderr)

    def advance(self, stage: str, partitions: int, usage: Usage, under_way: float) -> None:
        """Do nothing."""

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """Do nothing."""

    def funnel(self, stage: str, made: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """Do nothing."""

    def occupied(self, share: float) -> None:
        """Do nothing."""

    def end(self, record: StageRecord, resumed: bool) -> None:
        """Record the result of the stage; curate is the last one."""
        self.processors, self.record = _spent() - self._started, record


def _spent() -> float:
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))


def main() -> None:
    """Generate the rows, curate them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="folder for the run; default: a temporary one")
    add_quick(parser, rows=100_000)
    options = parser.parse_args()
    stages = {"made": {"use": "benchmarks.curate:made", "rows": options.rows}, "curate": LIMITS}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        recipe = Recipe.model_validate(
            {
                "name": "benchmark",
                "corpus": [{"path": "none"}],
                "cluster": {"workers": options.workers},
                "stages": stages,
            }
        )
        clock = Clock()
        done = run(recipe, Path(folder), clock)
        size = sum(path.stat().st_size for path in done.stage_folder("made").glob("*.parquet"))
    figures = {
        "rows": clock.record["rows_in"],
        "kept": clock.record["rows_out"],
        "dropped": clock.record["dropped"],
        "mib": round(size / 2**20),
        "workers": options.workers,
        "seconds": clock.record["seconds"],
        "processor_seconds": round(clock.processors, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
