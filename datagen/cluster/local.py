"""
Where the work is done: Dask workers on this machine, or those of a cluster that is there already.

CPU stages run on ordinary workers. Engines live on workers that declare the resource ``engine``: such a
worker loads each model once and holds several partitions at a time, so that the engine is fed from all
of them. CPU stages stay away from it while there is an ordinary worker: they would take the interpreter
from the loop that feeds the engine.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.security import Security

from datagen.cluster.hardware import cores
from datagen.cluster.remote import join_cluster
from datagen.cluster.workers import PARTITIONS_AT_ONCE
from datagen.engines.pool import leave_engine_room
from datagen.recipe.sections import Cluster
from datagen.stop import deaf_children

# Whoever may connect runs code as the owner of the run. So a run listens on this machine alone, and answers
# only who holds its keys; on any free ports, so that runs side by side do not disturb each other.
HERE, HERE_WEB = "tls://127.0.0.1:0", "127.0.0.1:0"
SCHEDULER = {"dashboard": False, "dashboard_address": HERE_WEB, "host": HERE}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def open_cluster(cluster: Cluster, home: Path, engine: bool) -> Iterator[Client]:
    """
    Open a cluster on this machine, or join the one that the recipe names.

    Parameters
    ----------
    cluster
        Whose address to join, or how many workers to start.
    home
        The recipe's folder, absolute.
    engine
        Whether a model is asked.

    Raises
    ------
    UserError
        When the named cluster cannot do the run.
    """
    if cluster.address:
        with join_cluster(cluster.address, home, engine) as client:
            yield client
    else:
        with local_cluster(home, cluster.workers, engine) as client:
            yield client


@contextmanager
def local_cluster(home: Path, workers: int = 0, engine: bool = True) -> Iterator[Client]:
    """
    Open a cluster on this machine and close it, engines included, when the block ends.

    Parameters
    ----------
    home
        The recipe's folder.
    workers
        Processes for CPU stages; 0: one a core.
    engine
        Also open a worker for engines.
    """
    settings = {
        "distributed.worker.daemon": False,  # an engine starts processes of its own
        "distributed.comm.timeouts.connect": "60s",
        "distributed.scheduler.worker-saturation": 1.0,
        # Pages about the run, which Dask would serve to anybody.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # a worker shall not import re.py of the folder it is in
    # What fails is told to the user by the run, once; Dask's own logs would say it again from each process.
    security = Security.temporary()
    ordinary: dict[str, Any] = {
        "nthreads": 1,
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,
        "host": HERE,
        "dashboard_address": HERE_WEB,
        "security": security,
    }
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
    scheduler = {"cls": Scheduler, "options": {**SCHEDULER, "security": security}}
    with dask.config.set(settings), ExitStack() as opened:
        with deaf_children():
            cluster = SpecCluster(
                workers=specs,
                scheduler=scheduler,
                security=security,
                name="datagen",
                silence_logs=logging.CRITICAL,
            )
            opened.enter_context(cluster)
        client = opened.enter_context(Client(cluster))
        yield client
        # In good order only: a failed run kills its workers, and their engines end by lifeline.py.
        client.run(leave_engine_room, str(home))
