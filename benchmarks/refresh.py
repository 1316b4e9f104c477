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
from pathlib import Path
from typing import Any

import yaml

from benchmarks import add_quick
from datagen.recipe.registry import DEFAULT_PIPELINE
from datagen.request import Request

ROOT = Path(__file__).parents[1]
SHARE = 0.1  # of the passages that the model is asked about
TOWNS = ("Strelsau", "Szohod", "Klow", "Krasnoy", "Lutz", "Pyrus", "Lutenblag", "Mudville")


def documents(count: int) -> Iterator[str]:
    """Write short documents with different facts."""
    for number in range(count):
        town, year = f"{TOWNS[number % len(TOWNS)]}-{number}", 1200 + number % 700
        yield (
            f"# Archive {number}\n\nThe archive of district {number} stands in {town}. Its oldest records were "
            f"written in {year} by the clerks of the guild of {town}, who counted {number * 7 + 3} barges. "
            f"Visitors of {town} may read record {number} if a librarian has entered their names before noon.\n"
        )


def model(request: Request) -> str | dict[str, Any]:
    """Ask where the archive of a passage stands, and answer that."""
    text = request.messages[-1]["content"]
    if request.choices:
        return request.choices[0]
    if match := re.search(r"archive of district (\d+)\s+stands\s+in\s+([\w-]+)", text):
        question = f"In which town does the archive of district {match[1]} stand?"
        answer = match[2]
        return answer if request.schema is None else json.dumps({"question": question, "answer": answer})
    return {"text": "I cannot say.", "logprobs": [-0.5]} if request.schema is None else "{}"


def prepare(folder: Path, count: int) -> Path:
    """Write the documents and the recipe."""
    (folder / "documents").mkdir(parents=True)
    for number, text in enumerate(documents(count)):
        (folder / "documents" / f"{number:05}.md").write_text(text, encoding="utf-8")
    stages: dict[str, Any] = dict.fromkeys(DEFAULT_PIPELINE)
    stages |= {"comprehend": {"share": SHARE}, "instruct": {"share": SHARE}}
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
