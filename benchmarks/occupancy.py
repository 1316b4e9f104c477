"""
How busy an engine is over a whole run, and the overhead of the run.

``python -m benchmarks.occupancy`` runs the example recipe with a scripted engine of fixed latency, once with
sequential stages and once with overlapping stages, as in a normal run. The engine answers every request after
the same time, with at most ``--window`` requests in flight, so that the minimum time is known: requests times
latency, divided by the window. The last line of output is JSON:

* ``occupancy``: requests in flight as a share of the window, from the first request to the last.
* ``one_by_one``: the same with sequential stages.
* ``overhead``: wall time of the run, divided by the engine's minimum time.
* ``overhead_one_by_one``: the same with sequential stages.

``--quick`` reads every fourth topic of the corpus, with a shorter latency; the start and the end of a run
then weigh more.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from pydoc_data.topics import topics
from unittest import mock

from benchmarks import add_quick
from datagen.recipe.load import load_recipe
from datagen.report.console import Console
from datagen.request import Request
from datagen.run.flow import together
from datagen.run.occupancy import read_occupancy
from datagen.run.runner import run

EXAMPLE = Path(__file__).parents[1] / "examples" / "python-reference.yaml"
LATENCY, QUICK = 1.5, 0.5  # seconds
EVERY_FOURTH = {name: topics[name] for name in islice(sorted(topics), 0, None, 4)}
NAME = "benchmarks.occupancy"  # as the workers import it
UNKNOWN = "The text does not say."

_answers: dict[str, str] = {}  # question -> answer, of this process


def model(request: Request) -> str:
    """
    Answer the example's requests: write questions about marked answers, and answer them from the passage.

    Without the passage it does not know the answer.
    """
    message = request.messages[-1]["content"]
    if request.choices:
        return request.choices[0]
    if marked := re.search(r"\nSentence: (.+)\nAnswer: (.+)\n", message):
        sentence, answer = marked[1], marked[2]
        question = f"{sentence.replace(answer, 'what', 1).rstrip('.')}?"
        _answers[question] = answer
        return question
    if request.schema is not None:
        passage = message.partition("~~~")[2].partition("~~~")[0]
        sentence = next(iter(re.findall(r"[A-Z][^.]* is [^.]*\.", passage)), "It is.")
        reply = dict.fromkeys(request.schema["properties"], sentence)
        return json.dumps(reply | {"false_statement": sentence.replace(" is ", " is not ", 1)})
    asked = next((question for question in _answers if question in message), "")
    passage = message.replace(asked, "")
    return _answers[asked] if asked and _answers[asked] in passage else UNKNOWN


def measure(corpus: str, latency: float, window: int, one_by_one: bool) -> dict[str, float]:
    """Run the example; return its occupancy, its wall time and the engine's minimum time, in seconds."""
    generator = {"engine": "scripted", "model": f"{NAME}:model", "latency": latency, "window": window}
    changes = {"models.generator": generator | {"profile": "bundled"}, "corpus": [{"python": corpus}]}
    recipe = load_recipe(EXAMPLE, changes)
    chosen = (lambda recipe, names: [names[0]]) if one_by_one else together
    with tempfile.TemporaryDirectory() as folder, mock.patch("datagen.run.runner.together", chosen):
        started = time.monotonic()
        with Console(to_stderr=True) as console:
            finished = run(recipe, Path(folder), console)
        seconds = time.monotonic() - started
        requests = finished.spent.completions
        figures = {
            "requests": requests,
            "occupancy": read_occupancy(finished.folder).share,
            "seconds": seconds,
            "engine_seconds": requests * latency / window,
        }
    print(json.dumps({"one_by_one": one_by_one} | figures), file=sys.stderr, flush=True)
    return figures


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--latency", type=float, default=LATENCY, help="of the engine, in seconds")
    parser.add_argument("--window", type=int, default=16, help="requests in flight, at most")
    parser.add_argument(
        "--corpus", default="pydoc_data.topics:topics", help="as in a recipe, a mapping of texts"
    )
    add_quick(parser, latency=QUICK, corpus=f"{NAME}:EVERY_FOURTH")
    options = parser.parse_args()
    before, after = (
        measure(options.corpus, options.latency, options.window, one_by_one) for one_by_one in (True, False)
    )
    print(
        json.dumps(
            {
                "occupancy": round(after["occupancy"], 3),
                "one_by_one": round(before["occupancy"], 3),
                "overhead": round(after["seconds"] / after["engine_seconds"], 3),
                "overhead_one_by_one": round(before["seconds"] / before["engine_seconds"], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
