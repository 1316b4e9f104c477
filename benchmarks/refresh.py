"""
An unchanged refresh of many documents: no engine starts, no model is called, and it takes seconds.

``python -m benchmarks.refresh --documents 10000``. Writes documents, runs the default pipeline on them with a
scripted model, and runs the same command again ``--repeat`` times. With ``--folder``, a later call measures
again without the first run.

The last line of output is JSON: of each unchanged run the seconds by the clock and of the processor, the
requests that were sent, and the stages that were run again.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import yaml

from benchmarks import add_quick
from datagen.recipe.registry import DEFAULT_PIPELINE
from datagen.request import Request

ROOT = Path(__file__).parents[1]
SHARE = 0.1  # of the passages that the model is asked about
TASKS = ["extractive_question"]
SYLLABLES = ("bar", "dor", "gen", "klo", "lat", "mol", "ruri", "syl", "van", "zub")

TEXT = """\
# {country}

The royal archive of {country} stands in {town}. Its oldest records were written down by the clerks of the
river guild, who kept accounts of every barge that passed. Visitors may read the records on weekdays, provided
that a librarian of {country} has entered their names in the guest ledger before noon.

The mint of {country} strikes silver coins in spring and copper coins in autumn, because the rivers freeze in
winter and the furnaces need water.
"""


def documents(count: int) -> Iterator[str]:
    """Write short documents about invented countries."""
    for names in islice(product(SYLLABLES, repeat=5), count):
        yield TEXT.format(country="".join(names).title() + "ia", town="".join(names[::-1]).title() + "ow")


def model(request: Request) -> str | dict[str, Any]:
    """Ask where the archive of a passage stands, and answer that; without a passage, name another town."""
    text = request.messages[-1]["content"]
    if request.choices:
        return request.choices[0]
    found = re.search(r"royal archive of (\w+)\s+stands\s+in\s+(\w+)", text)
    if request.schema is None:
        return found[2] if found else {"text": "It stands in Paris.", "logprobs": [-0.5]}
    if not found:
        return "{}"
    question = f"In which town does the royal archive of {found[1]} stand?"
    return {"text": json.dumps({"question": question, "answer": found[2]}), "logprobs": [-0.1]}


def prepare(folder: Path, count: int) -> Path:
    """Write the documents and the recipe."""
    (folder / "documents").mkdir(parents=True)
    for number, text in enumerate(documents(count)):
        (folder / "documents" / f"{number:05}.md").write_text(text, encoding="utf-8")
    stages: dict[str, Any] = dict.fromkeys(DEFAULT_PIPELINE)
    stages |= {name: {"share": SHARE, "tasks": TASKS} for name in ("comprehend", "instruct")}
    recipe = {
        "name": "refresh",
        "corpus": [{"path": "documents"}],
        "models": {"generator": {"engine": "scripted", "model": "benchmarks.refresh:model"}},
        "stages": stages,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def run(path: Path) -> dict[str, Any]:
    """
    Run the recipe.

    Returns
    -------
    Seconds by the clock and of the processor, rows by product, requests sent, and the stages not taken over.

    Raises
    ------
    SystemExit
        If the run fails.
    """
    command = [sys.executable, "-m", "datagen", "run", str(path), "--json"]
    began, spent = time.monotonic(), _processor_seconds()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    if done.returncode:
        raise SystemExit(f"the run failed:\n{done.stderr[-4000:]}")
    result = json.loads(done.stdout)
    return {
        "clock": round(time.monotonic() - began, 2),
        "processor": round(_processor_seconds() - spent, 2),
        "rows": {product: sum(splits.values()) for product, splits in result["rows"].items()},
        "requests": result["requests"].get("completions", 0),
        "run_again": [name for name, stage in result["stages"].items() if not stage["taken_over"]],
    }


def _processor_seconds() -> float:
    """Processor time of all ended child processes and their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3, help="unchanged runs")
    parser.add_argument("--folder", type=Path, help="kept for a later call; default: temporary")
    add_quick(parser, documents=500, repeat=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        folder = (options.folder or Path(own) / "refresh").resolve()
        if not folder.exists():
            prepare(folder, options.documents)
            print(f"the first run took {run(folder / 'recipe.yaml')['clock']:.0f} s", file=sys.stderr)
        results = [run(folder / "recipe.yaml") for _ in range(options.repeat)]
        print(json.dumps({"documents": options.documents, "runs": results}))


if __name__ == "__main__":
    main()
