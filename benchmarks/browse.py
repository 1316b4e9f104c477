"""
Response times of ``datagen browse``: filters, search and a threshold over a run of many rows.

The run consists of random words: rows of four tasks and of 20 words, two thirds of them handed off, the
others dropped for twelve reasons, with four scores; ten rows share a passage of 100 words. Each query is
repeated.

    python -m benchmarks.browse --rows 5000000 --folder browse-run
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import add_quick
from datagen.look.index import Index
from datagen.run.folder import open_run
from datagen.schema import EXAMPLES, LINEAGE, PASSAGES
from datagen.store.parquet import part_name, write_json, write_table

PART = 100_000  # rows of a partition
PER_PASSAGE = 10  # rows
TASKS = ("marked_question", "true_false", "does_not_know", "mined")
KINDS = ("instruction", "instruction", "refusal", "reading")
SCORES = ("grounding", "leakage", "words", "confidence")
REASONS = tuple(f"reason {number}" for number in range(12))
SOURCES = tuple(f"manuals/volume-{number:04}.pdf" for number in range(2000))
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
# The first ones are frequent.
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("", "n")][:5000]
QUESTIONS: dict[str, dict[str, str]] = {
    "first page": {},
    "kind, task and outcome": {"kind": "instruction", "task": "true_false", "stage": "handed off"},
    "reason": {"reason": "reason 7"},
    "source": {"source": "volume-0042"},
    "score, lowest first": {"score": "confidence", "min": "0.3", "max": "0.6", "order": "low"},
    "search, rare words": {"text": f"{WORDS[1234]} {WORDS[77]}"},
    "search, a frequent word": {"text": WORDS[1]},
    "search, six words": {"text": " ".join(WORDS[number] for number in (1234, 77, 3, 512, 9, 45))},
    "search, a phrase": {"text": f'"{WORDS[1]} {WORDS[2]} {WORDS[3]}"'},
    "all of them": {"kind": "instruction", "text": WORDS[42], "score": "grounding", "min": "0.5"},
}


def make_run(folder: Path, rows: int) -> None:
    """Write the files of a finished run's last two stages."""
    draw = np.random.default_rng(0)
    words = pa.array(WORDS)
    passages = max(1, rows // PER_PASSAGE)
    for number, count in enumerate(_parts(passages)):
        text = {"id": _names(count, number * PART), "text": _text(100, count, words, draw)}
        own = {part.name: text.get(part.name, pa.nulls(count, part.type)) for part in PASSAGES}
        write_table(pa.table(own), folder / "stages" / "chunk" / part_name(number))
    record = {"stage": "chunk", "takes": "documents", "gives": "passages", "dropped": {}}
    write_json(record, folder / "stages" / "chunk" / "stage.json")
    for stage, share, dropped in (("handoff", 2 / 3, False), ("curate", 1 / 3, True)):
        place = folder / "stages" / stage
        for number, count in enumerate(_parts(round(rows * share))):
            table = _table(count, passages, words, draw)
            if dropped:
                reasons = pa.array(REASONS).take(pa.array(draw.integers(0, len(REASONS), count)))
                table = table.append_column("reason", reasons).append_column("detail", reasons)
            write_table(table, (place / "dropped" if dropped else place) / part_name(number))
        record = {"stage": stage, "takes": "examples", "gives": "examples", "dropped": {}}
        write_json(record | {"reads": ["curate"] if stage == "handoff" else []}, place / "stage.json")
    manifest = {
        "recipe": {"name": "browse", "seed": 0, "stages": {}},
        "stages": ["chunk", "curate", "handoff"],
    }
    write_json(manifest | {"state": "finished", "fingerprint": "f"}, folder / "manifest.json")


def _parts(rows: int) -> Iterator[int]:
    for start in range(0, rows, PART):
        yield min(PART, rows - start)


def _names(count: int, first: int) -> pa.Array:
    return pa.array([f"passage {number}" for number in range(first, first + count)])


def _text(length: int, count: int, words: pa.Array, draw: np.random.Generator) -> pa.Array:
    columns = [words.take(pa.array(draw.zipf(1.3, count) % len(words))) for _ in range(length)]
    return pc.binary_join_element_wise(*columns, " ")


def _table(count: int, passages: int, words: pa.Array, draw: np.random.Generator) -> pa.Table:
    task = pa.array(draw.integers(0, len(TASKS), count))
    source = pa.array(SOURCES).take(pa.array(draw.integers(0, len(SOURCES), count)))
    passage = [f"passage {number}" for number in draw.integers(0, passages, count).tolist()]
    of_lineage = {"source": source, "passage_id": pa.array(passage)}
    hexadecimal = os.urandom(16 * count).hex()
    columns: dict[str, pa.Array] = {
        "id": pa.array([hexadecimal[start : start + 32] for start in range(0, 32 * count, 32)]),
        "kind": pa.array(KINDS).take(task),
        "task": pa.array(TASKS).take(task),
        "question": _text(12, count, words, draw),
        "answer": _text(8, count, words, draw),
        "lineage": pa.StructArray.from_arrays(
            [of_lineage.get(part.name, pa.nulls(count, part.type)) for part in LINEAGE],
            fields=list(LINEAGE),
        ),
    }
    scores = {name: pa.array(draw.beta(4, 2, count)) for name in SCORES}
    own = {part.name: columns.get(part.name, pa.nulls(count, part.type)) for part in EXAMPLES}
    return pa.table(own | scores)


def timed(work: Callable[[], Any], times: int) -> dict[str, Any]:
    """Measure calls: median and longest time, median CPU time, and the number of matching rows."""
    seconds, spent = [], []
    for _ in range(times):
        start, before = time.perf_counter(), time.process_time()
        answer = work()
        seconds.append(time.perf_counter() - start)
        spent.append(time.process_time() - before)
    return {
        "rows": answer.get("total"),
        "seconds": round(statistics.median(seconds), 2),
        "longest": round(max(seconds), 2),
        "cpu_seconds": round(statistics.median(spent), 2),
    }


def main() -> None:
    """Create the run if it does not exist, open it, and time the queries."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="folder of the run; created if missing")
    parser.add_argument("--times", type=int, default=5)
    add_quick(parser, rows=200_000)
    given = parser.parse_args()
    if not (given.folder / "manifest.json").exists():
        make_run(given.folder, given.rows)
    start = time.perf_counter()
    index = Index(open_run(given.folder))
    figures: dict[str, Any] = {"opened_seconds": round(time.perf_counter() - start, 1)}
    for name, question in QUESTIONS.items():
        figures[name] = timed(partial(index.rows, question), given.times)
        print(name, figures[name], file=sys.stderr, flush=True)
    values = iter(np.linspace(0.2, 0.8, given.times).tolist())
    figures["threshold moved"] = timed(
        lambda: index.threshold({"score": "confidence", "value": str(next(values))}), given.times
    )
    figures["memory_gib"] = round(psutil.Process().memory_info().rss / 2**30, 1)
    index.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
