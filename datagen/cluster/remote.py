"""
A run as a guest in a Dask cluster that is there already.

It looks around first and says what is not as it must be. It leaves nothing behind: when its client is
gone, however that went, the workers stop what they do for it and close the engines it had opened.
"""

import asyncio
import importlib.metadata
import logging
import multiprocessing
import os
import platform
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, Scheduler, SchedulerPlugin, Worker, WorkerPlugin
from distributed.utils import silence_logging_cmgr
from distributed.versions import VersionMismatchWarning

from datagen.cluster.workers import Crew, start_command
from datagen.engines.pool import leave_engine_room
from datagen.errors import UserError
from datagen.store.parquet import UNFINISHED

CONNECT_SECONDS = 15  # in which a cluster that is there has answered


@contextmanager
def join_cluster(address: str, home: Path, engine: bool) -> Iterator[Client]:
    """
    Join a cluster, and leave it as it was when the block ends.

    Parameters
    ----------
    address
        Of its scheduler.
    home
        The recipe's folder. What a run of it that was killed still has going here is ended first.
    engine
        Whether a model is asked.

    Raises
    ------
    UserError
        When it does not answer, has nobody to do the work, or somebody who cannot.
    """
    with silence_logging_cmgr(logging.CRITICAL), warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # told by `_check`
        try:
            client = Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cluster: no Dask scheduler answers at {address}. Start one with `dask scheduler`, "
                "or leave the address out to work on this machine"
            ) from error
        with client:
            _check(client, address, home, engine)
            client.register_plugin(_Stay(str(home), client.id))
            client.register_plugin(_Guest(str(home)))
            yield client


class _Guest(WorkerPlugin):
    """A run on a worker, also on one that comes later."""

    def __init__(self, home: str) -> None:
        self.name, self._home = _name(home), home

    def setup(self, worker: Worker) -> None:
        """Let engines start processes: a daemon, as which a nanny starts its worker, may have none."""
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]

    async def teardown(self, worker: Worker) -> None:
        """End what the worker does for the run."""
        await asyncio.to_thread(leave_engine_room, self._home)


class _Stay(SchedulerPlugin):
    """
    Ends a run's stay as soon as its client is gone.

    Nobody else would: a killed run says no good-bye, and its workers do not know it.
    """

    def __init__(self, home: str, client: str) -> None:
        self.name, self._client = _name(home), client
        self._ending: asyncio.Future[None] | None = None

    async def start(self, scheduler: Scheduler) -> None:
        """Wait until an earlier run of the same recipe has left."""
        before = scheduler.plugins.get(self.name)
        if isinstance(before, _Stay):
            await before.end(scheduler)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """End the stay if it is our client that left."""
        if client == self._client:
            self.end(scheduler)

    def end(self, scheduler: Scheduler) -> "asyncio.Future[None]":
        """End the stay, once."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(scheduler))
        return self._ending

    async def _end(self, scheduler: Scheduler) -> None:
        with suppress(OSError):  # a worker that does not answer any more has nothing open
            if self.name in scheduler.worker_plugins:
                await scheduler.unregister_worker_plugin(comm=None, name=self.name)
        scheduler.remove_plugin(self.name)


def _name(home: str) -> str:
    return f"datagen {home}"


def _check(client: Client, address: str, home: Path, engine: bool) -> None:
    """Tell the user what is not as it must be, before anything is begun."""
    crew = Crew(client)
    if not crew.everybody:
        command = start_command(address, engine=False)
        raise UserError(f"the cluster at {address} has no workers; start some with: {command}")
    if engine and not crew.engines:
        raise UserError(
            f"the recipe asks a model, but no worker of the cluster at {address} has the resource engine; "
            f"start one with: {start_command(address, engine=True)}"
        )
    versions = _travelling_look()("")["versions"]
    for who, found in _look_around(client, home).items():
        who = f"cluster: {who} on {found['host']}"
        for package, version in versions.items():
            if (other := found["versions"][package]) != version:
                raise UserError(
                    f"{who} has {package} {other}, and this run has {version}; install the same everywhere"
                )
        if not found["sees"]:
            raise UserError(
                f"{who} cannot write to {home}; name a folder that all workers share with --outputs"
            )


def _look_around(client: Client, home: Path) -> dict[str, dict[str, Any]]:
    """Let everybody say what they have, and whether they see what is written to the folder."""
    look = _travelling_look()
    mark = home / f"{UNFINISHED}seen-{uuid.uuid4().hex}"
    mark.touch()
    try:
        found = {"the scheduler": client.run_on_scheduler(look, "")}
        return found | {f"the worker {who}": said for who, said in client.run(look, str(mark)).items()}
    finally:
        mark.unlink()


def _travelling_look() -> Callable[[str], dict[str, Any]]:
    """
    Make a function that looks around where it is run.

    It is made here, and so sent whole: it must arrive where datagen cannot be imported.
    """

    def look_around(mark: str) -> dict[str, Any]:
        versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
        for package in ("datagen", "distributed"):
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                versions[package] = "not installed"
        sees = not mark or (os.path.isfile(mark) and os.access(os.path.dirname(mark), os.W_OK))  # noqa: PTH113, PTH120
        return {"host": platform.node(), "versions": versions, "sees": sees}

    return look_around
