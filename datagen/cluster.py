"""
Where the work is done: a Dask cluster on this machine.

CPU stages run on ordinary workers, one a core. Engines live on a worker that declares the resource
``engine``: it loads each model once and holds several partitions at a time, so that the engine is fed
from all of them.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster

from datagen.generation import close_engine_room
from datagen.machine import cores

PARTITIONS_AT_ONCE = 4  # that one engine is fed from
# On any free ports, so that runs side by side do not disturb each other.
SCHEDULER = {"dashboard": False, "dashboard_address": "127.0.0.1:0", "port": 0, "host": "127.0.0.1"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def local_cluster(workers: int = 0, engine: bool = True) -> Iterator[Client]:
    """
    Open a cluster on this machine and close it, engines included, when the block ends.

    Parameters
    ----------
    workers
        Processes for CPU stages; 0: one a core.
    engine
        Also open a worker for engines.
    """
    settings = {
        "distributed.worker.daemon": False,  # an engine starts processes of its own
        "distributed.comm.timeouts.connect": "60s",
        "distributed.scheduler.worker-saturation": 1.0,
    }
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # a worker shall not import re.py of the folder it is in
    # What fails is told to the user by the run, once; Dask's own logs would say it again from each process.
    ordinary: dict[str, Any] = {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    specs: dict[str, Any] = {
        f"cpu-{n}": {"cls": Nanny, "options": ordinary} for n in range(workers or cores())
    }
    if engine:
        # Dask leaves each worker one thread for arithmetic; an engine on the CPU wants them all.
        threads = {name: os.environ.get(name, str(cores())) for name in THREADS}
        specs["engine"] = {
            "cls": Nanny,
            "options": ordinary
            | {
                "nthreads": PARTITIONS_AT_ONCE,
                "resources": {"engine": 1.0},
                "env": threads,
            },
        }
    scheduler = {"cls": Scheduler, "options": SCHEDULER}
    with (
        dask.config.set(settings),
        SpecCluster(
            workers=specs, scheduler=scheduler, name="datagen", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
        # In good order only: a failed run kills its workers, and their engines end by lifeline.py.
        client.run(close_engine_room)


def ordinary_workers(client: Client) -> list[str]:
    """Addresses of the workers without an engine; all where every worker has one."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    ordinary = [address for address, worker in workers.items() if not worker["resources"].get("engine")]
    return ordinary or list(workers)


def one_shard() -> dict[str, float]:
    """What a generating task takes of a worker's engine."""
    return {"engine": 1.0 / PARTITIONS_AT_ONCE}
