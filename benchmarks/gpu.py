"""
The pipeline on a GPU, relative to vLLM alone with the same requests.

``python -m benchmarks.gpu --model Qwen/Qwen2.5-7B-Instruct`` takes about eight minutes on one GPU; the model
may be a folder. A recipe from ingest to hand-off runs over CPython's language reference, once for each of
``--windows``, each time with an empty store. Then one ``LLM.chat`` call gets the requests of the last run,
once in their order and once shuffled. The last line of output is JSON:

* ``pipeline_ratio``: tokens per second of the run with the largest window, from its first request to its
  last, relative to the call.
* ``overhead``: duration of that run, relative to the call and vLLM's start.
* ``prefix_gain``: tokens per second of the call, relative to the shuffled one.
* ``first_answer_s``: seconds from the command to the first answer; ``vllm_start_s`` is vLLM's own share.
* ``tokens_a_second``: by window, and ``occupancy`` likewise.

It runs on a CPU too: ``--model bundled --quick``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from pydoc_data.topics import topics
from typing import cast

import pyarrow.parquet as pq
import yaml

from benchmarks import add_quick
from benchmarks.engine import chat, open_llm
from datagen.recipe.roles import VllmModel
from datagen.request import Request
from datagen.rows import RequestRow
from datagen.run.occupancy import read_occupancy
from datagen.schema import fraction
from datagen.store.completions import Completions

NAME = "gpu"
STAGES = "ingest chunk dedup_passages mine comprehend instruct measure curate dedup mix handoff"
EVERY_TENTH = {name: topics[name] for name in islice(sorted(topics), 0, None, 10)}
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Ran:
    """A run: its folder, durations in seconds, and tokens per second from its first request to its last."""

    folder: Path
    seconds: float
    first_answer: float
    pace: float
    occupancy: float


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or hub id of a chat model, or bundled")
    parser.add_argument("--windows", type=int, nargs="+", default=[128, 512], help="requests in flight")
    parser.add_argument(
        "--corpus", default="pydoc_data.topics:topics", help="as in a recipe, a mapping of texts"
    )
    parser.add_argument("--scratch", type=Path, help="folder for the runs")
    add_quick(parser, windows=[128], corpus="benchmarks.gpu:EVERY_TENTH")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        ran = {window: run(Path(scratch), options, window) for window in sorted(options.windows)}
        largest = ran[max(ran)]
        requests = list(requests_of(largest.folder))
    started = time.monotonic()
    llm = open_llm(VllmModel(model=options.model))
    start = time.monotonic() - started
    chat(llm, requests[:1])
    llm.reset_prefix_cache()
    alone = chat(llm, requests)
    llm.reset_prefix_cache()
    shuffled = chat(
        llm, sorted(requests, key=lambda request: fraction("shuffled", request.row, request.task))
    )
    llm.llm_engine.engine_core.shutdown()
    figures = {
        "requests": alone.requests,
        "pipeline_ratio": largest.pace / alone.pace,
        "overhead": largest.seconds / (start + alone.seconds),
        "prefix_gain": alone.pace / shuffled.pace,
        "first_answer_s": largest.first_answer,
        "vllm_start_s": start,
        "vllm_tokens_a_second": alone.pace,
    }
    by_window = {
        "tokens_a_second": {window: round(each.pace) for window, each in ran.items()},
        "occupancy": {window: round(each.occupancy, 3) for window, each in ran.items()},
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()} | by_window))


def run(scratch: Path, options: argparse.Namespace, window: int) -> Ran:
    """Run the recipe with an empty store, as a user would."""
    outputs = scratch / str(window)
    recipe = {
        "name": NAME,
        "corpus": [{"python": options.corpus}],
        "outputs": str(outputs),
        "cluster": {"partition_mb": 0.06},
        "models": {"generator": {"model": options.model, "window": window}},
        "stages": dict.fromkeys(STAGES.split()),
    }
    path = scratch / f"{window}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "datagen", "run", str(path)], stdout=sys.stderr)
    first = 0.0
    while process.poll() is None:
        if not first and any(file.stat().st_size for file in outputs.glob("*/*/completions/*.jsonl")):
            first = time.monotonic() - started
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"the run with {window} requests in flight failed")
    folder = outputs / NAME / "latest"
    occupancy = read_occupancy(folder)
    begin, end = occupancy.span
    tokens = Completions(folder / "completions").spent.completion_tokens
    ran = Ran(folder, seconds, first, tokens / ((end - begin) * occupancy.step), occupancy.share)
    print(json.dumps({"window": window, "seconds": seconds, "tokens": tokens}), file=sys.stderr, flush=True)
    return ran


def requests_of(folder: Path) -> Iterator[Request]:
    """Read the requests of a run, each once, except those that score a given text or choices."""
    seen = set()
    for path in sorted(folder.glob("stages/*/requests/*")) + sorted(folder.glob("stages/*/follow_ups/*")):
        for row in pq.read_table(path).to_pylist():
            request = Request.from_row(cast(RequestRow, row))
            if row["key"] not in seen and not (request.choices or request.given):
                seen.add(row["key"])
                yield request


if __name__ == "__main__":
    main()
