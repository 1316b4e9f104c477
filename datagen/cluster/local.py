"""
Dask workers on this machine, or those of an existing cluster.

CPU stages run on ordinary workers. Engines run on workers that declare the resource ``engine``: such a worker
loads each model once and processes several partitions at a time, all of which feed the engine. CPU stages
avoid it while there is an ordinary worker, because they would block the loop that feeds the engine.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.cluster.hardware import cores
from datagen.cluster.workers import PARTITIONS_AT_ONCE
from datagen.engines.pool import leave_engine_pool
from datagen.recipe.sections import Cluster
from datagen.stop import children_ignore_interrupts

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

# A client of the cluster can run code as the run's owner. So it listens on localhost only and requires the
# run's TLS keys. Ports are chosen freely, so that concurrent runs do not collide.
HERE, HERE_WEB = "tls://127.0.0.1:0", "127.0.0.1:0"
SCHEDULER = {"dashboard": False, "dashboard_address": HERE_WEB, "host": HERE}
DASK_LOG = "dask.log"  # in a run's folder; absent if Dask logged nothing
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

SETTINGS = {
    "distributed.worker.daemon": False,  # daemons cannot start child processes, which engines need
    "distributed.comm.timeouts.connect": "60s",
    "distributed.scheduler.worker-saturation": 1.0,
    # A stolen CPU task would wait on the engine's worker until a partition is generated.
    "distributed.scheduler.work-stealing": False,
    # Dask would let workers return freed memory at once, only to ask for it again with the next large array:
    # up to a quarter of the time of stages that work on columns.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # All threads and Arrow share one heap. Heaps of their own each keep what they once needed.
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": "1",
    "distributed.nanny.pre-spawn-environ.ARROW_DEFAULT_MEMORY_POOL": "system",
    # Dask would serve pages about the run without authentication.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def open_cluster(cluster: Cluster, home: Path, engine: bool, log: Path | None = None) -> "Iterator[Client]":
    """
    Start a cluster on this machine, or join the one that the recipe names.

    Parameters
    ----------
    cluster
        The recipe's section: the address to join, or the number of workers to start.
    home
        The recipe's folder, absolute.
    engine
        Whether the run sends requests to a model.
    log
        File for the log of Dask; None: no log. The workers of a named cluster keep their own logs.

    Raises
    ------
    UserError
        If the named cluster cannot execute the run.
    """
    if cluster.address:
        from datagen.cluster.log import log_to
        from datagen.cluster.remote import join_cluster

        log_to(log)
        with join_cluster(cluster.address, home, engine) as client:
            yield client
    else:
        with local_cluster(home, cluster.workers, engine, log) as client:
            yield client


@contextmanager
def local_cluster(
    home: Path, workers: int = 0, engine: bool = True, log: Path | None = None
) -> "Iterator[Client]":
    """
    Start a cluster on this machine; stop it and its engines when the block ends.

    Parameters
    ----------
    home
        The recipe's folder.
    workers
        Processes for CPU stages; 0: one per core.
    engine
        Also start a worker for engines.
    log
        File for the log of Dask; None: no log.
    """
    import dask
    from distributed import Client, Scheduler, SpecCluster
    from distributed.security import Security

    from datagen.cluster.log import LogOfWorkers, log_to
    from datagen.cluster.placement import FreePlacement

    log_to(log)
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # workers must not import modules from the working folder
    security = Security.temporary()
    specs = _workers(workers or cores(), engine, security)
    scheduler = {"cls": Scheduler, "options": {**SCHEDULER, "security": security}}
    with dask.config.set(SETTINGS), ExitStack() as opened:
        with children_ignore_interrupts():
            cluster = SpecCluster(
                workers=specs,
                scheduler=scheduler,
                security=security,
                name="datagen",
            )
            opened.enter_context(cluster)
        client = opened.enter_context(Client(cluster))
        client.register_plugin(LogOfWorkers(log))
        client.register_plugin(FreePlacement())
        yield client
        # Only after success: a failed run kills its workers, and their engines end with them (parent_watch).
        client.run(leave_engine_pool, str(home))


def _workers(workers: int, engine: bool, security: "Security") -> dict[str, object]:
    """Describe the workers to Dask: processes for CPU stages, and one for engines."""
    from distributed import Nanny

    ordinary: dict[str, object] = {
        "nthreads": 1,
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,  # until the worker has its log
        "host": HERE,
        "dashboard_address": HERE_WEB,
        "security": security,
    }
    specs: dict[str, object] = {f"cpu-{n}": {"cls": Nanny, "options": ordinary} for n in range(workers)}
    if engine:
        # Dask limits each worker to one thread for arithmetic; a CPU engine needs all cores.
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
    return specs
