"""
CPU time of each stage of a recipe when all answers are stored.

``python -m benchmarks.stage_cpu examples/python-reference.yaml --outputs outputs``

A new run in a copy of the outputs runs every stage again. All tasks run in this process, one at a time, so
the time of a task is that of its stage; imports count in the stage that needs them first. Child processes
(the readers of local files) are not included. The last line of output is JSON.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from distributed import Client, LocalCluster

from benchmarks import add_quick
from datagen.recipe.load import load_recipe
from datagen.report.console import Console
from datagen.run import model_tasks, runner, tasks
from datagen.run.tasks import Job

T = TypeVar("T")
R = TypeVar("R")

TASKS = {
    name: (module, getattr(module, name))
    for module, names in (
        (tasks, ("read_source", "apply_map", "run_whole", "prepare")),
        (model_tasks, ("write_requests", "write_follow_ups", "generate", "read_answers")),
    )
    for name in names
}
SECONDS: defaultdict[str, float] = defaultdict(float)


def timed(name: str, job: Job, *arguments: object) -> object:
    """Execute a task, and add its CPU time to that of its stage."""
    start = time.process_time()
    try:
        return TASKS[name][1](job, *arguments)
    finally:
        SECONDS[job.name] += time.process_time() - start


def in_place(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for each item within the task that asks for it, instead of on all workers."""
    return [function(item) for item in items]


@contextmanager
def one_worker(*_: object) -> Iterator[Client]:
    """Open a cluster of one thread in this process."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            resources={"engine": 1},
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def main() -> None:
    """Run the recipe again, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--outputs", type=Path, required=True, help="folder of outputs with a finished run")
    add_quick(parser)
    arguments = parser.parse_args()
    from benchmarks import stage_cpu as this  # under this name, as workers find its functions

    replaced: list[tuple[ModuleType, str, object]] = [
        (module, name, partial(this.timed, name)) for name, (module, _) in this.TASKS.items()
    ]
    replaced += [(tasks, "_on_all_workers", this.in_place), (runner, "open_cluster", this.one_worker)]
    for module, name, function in replaced:
        setattr(module, name, function)
    recipe = load_recipe(arguments.recipe)
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        shutil.copytree(arguments.outputs / recipe.name, outputs / recipe.name, symlinks=True)
        with Console(to_stderr=True) as console:
            run = runner.run(recipe, outputs, console, rebuild=True)
        records = list(run.stage_records())
    for record in records:
        name, requests = record["stage"], record.get("requests", {"asked": 0, "reused": 0})
        sent = requests["asked"] - requests["reused"]
        print(f"{name:24} {record['rows_in']:7,} rows {this.SECONDS[name]:7.2f} s {sent} requests sent")
    print(json.dumps({name: round(seconds, 2) for name, seconds in this.SECONDS.items()}))


if __name__ == "__main__":
    main()
