"""
Run on an existing Dask cluster.

Before the run, the cluster's requirements are checked. When the run's client disconnects, for whatever
reason, the workers cancel its tasks and stop the engines that it started.
"""

import asyncio
import importlib.metadata
import logging
import multiprocessing
import os
import platform
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client, Scheduler, SchedulerPlugin, Worker, WorkerPlugin
from distributed.versions import VersionMismatchWarning

from datagen.cluster.placement import FreePlacement
from datagen.cluster.workers import WorkerPool, start_command
from datagen.engines.pool import leave_engine_pool
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.store.parquet import UNFINISHED

CONNECT_SECONDS = 15  # time-out for connecting
ARRIVAL_SECONDS = 300  # time to wait for the first workers: a scheduler of jobs may still be starting them

log = logging.getLogger(__name__)


@contextmanager
def join_cluster(address: str, home: Path, engine: bool) -> Iterator[Client]:
    """
    Join a cluster, and clean up when the block ends.

    Parameters
    ----------
    address
        Address of its scheduler.
    home
        The recipe's folder. Remains of a killed run of the same recipe are ended first.
    engine
        Whether the run sends requests to a model.

    Raises
    ------
    UserError
        If the cluster does not answer, has no suitable workers, or does not meet the requirements.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # reported by `_check`
        try:
            client = Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cluster: no Dask scheduler answers at {address}. Start one with `dask scheduler`, "
                "or remove the address to run on this machine"
            ) from error
        with client:
            _check(client, address, home, engine)
            client.register_plugin(_RunCleanup(str(home), client.id))
            client.register_plugin(_RunOnWorker(str(home)))
            client.register_plugin(FreePlacement())
            yield client


class _RunOnWorker(WorkerPlugin):
    """A run's plugin on every worker, including those that join later."""

    def __init__(self, home: str) -> None:
        self.name, self._home = _name(home), home

    def setup(self, worker: Worker) -> None:
        """Let engines start processes: nannies start workers as daemons, which may have no children."""
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]

    async def teardown(self, worker: Worker) -> None:
        """End the run's generation on the worker."""
        await asyncio.to_thread(leave_engine_pool, self._home)


class _RunCleanup(SchedulerPlugin):
    """
    Cleans up after a run when its client disconnects.

    A killed run cannot clean up, and its workers do not notice.
    """

    def __init__(self, home: str, client: str) -> None:
        self.name, self._client = _name(home), client
        self._ending: asyncio.Future[None] | None = None

    async def start(self, scheduler: Scheduler) -> None:
        """Wait until an earlier run of the same recipe has been cleaned up."""
        earlier = scheduler.plugins.get(self.name)
        if isinstance(earlier, _RunCleanup):
            await earlier.end(scheduler)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Clean up if the disconnected client is ours."""
        if client == self._client:
            self.end(scheduler)

    def end(self, scheduler: Scheduler) -> "asyncio.Future[None]":
        """Clean up, once."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(scheduler))
        return self._ending

    async def _end(self, scheduler: Scheduler) -> None:
        with suppress(OSError):  # a worker that does not answer has nothing to clean up
            if self.name in scheduler.worker_plugins:
                await scheduler.unregister_worker_plugin(comm=None, name=self.name)
        scheduler.remove_plugin(self.name)


def _name(home: str) -> str:
    return f"datagen {home}"


def _check(client: Client, address: str, home: Path, engine: bool) -> None:
    """Check the cluster's requirements before the run starts."""
    _await_workers(client, address, engine)
    versions = _inspector()("")["versions"]
    for name, facts in _inspect(client, home).items():
        process = f"cluster: {name} on {facts['host']}"
        for package, version in versions.items():
            if (other := facts["versions"][package]) != version:
                raise UserError(
                    f"{process} has {package} {other}, and this run has {version}; install the same "
                    "version everywhere"
                )
        if not facts["sees"]:
            raise UserError(
                f"{process} cannot write to {home}; name a folder that all workers share with --outputs"
            )


def _await_workers(client: Client, address: str, engine: bool) -> None:
    """Wait until there is a worker, and one with an engine if the run needs one."""
    end = time.monotonic() + ARRIVAL_SECONDS
    shown = ""
    while missing := _missing(WorkerPool(client), address, engine):
        if time.monotonic() > end:
            raise UserError(missing)
        if missing != shown:
            log.warning(f"{missing}. Waiting for {ARRIVAL_SECONDS} seconds")
        shown = missing
        time.sleep(min(1.0, ARRIVAL_SECONDS))


def _missing(pool: WorkerPool, address: str, engine: bool) -> str:
    """Describe the workers that the cluster lacks; "" if it has all that the run needs."""
    if not pool.all:
        command = start_command(address, engine=False)
        return f"the cluster at {address} has no workers; start some with: {command}"
    if engine and not pool.engines:
        return (
            f"the recipe uses a model, but no worker of the cluster at {address} has the resource engine; "
            f"start one with: {start_command(address, engine=True)}"
        )
    return ""


def _inspect(client: Client, home: Path) -> dict[str, JsonObject]:
    """Return the versions of the scheduler and all workers, and whether workers can write to the folder."""
    inspect = _inspector()
    probe = home / f"{UNFINISHED}seen-{uuid.uuid4().hex}"
    probe.touch()
    try:
        facts = {"the scheduler": client.run_on_scheduler(inspect, "")}
        of_workers = client.run(inspect, str(probe))
        return facts | {f"the worker {address}": result for address, result in of_workers.items()}
    finally:
        probe.unlink()


def _inspector() -> Callable[[str], JsonObject]:
    """
    Return a function that inspects the process it runs in.

    A nested function is pickled by value, so it also works where datagen cannot be imported.
    """

    def inspect(probe: str) -> JsonObject:
        versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
        for package in ("datagen", "distributed"):
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                versions[package] = "not installed"
        sees = not probe or (os.path.isfile(probe) and os.access(os.path.dirname(probe), os.W_OK))  # noqa: PTH113, PTH120
        return {"host": platform.node(), "versions": versions, "sees": sees}

    return inspect
