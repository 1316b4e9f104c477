"""
The worker pool, and the scheduling of partitions.

Workers may join and leave during a run. Partitions are submitted as slots become free, to the workers present
at that time: a new worker gets its share, and a dead worker loses only its current tasks. Those are retried
elsewhere; a task that kills several workers is reported to the user.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from datagen.errors import BudgetSpent, UserError
from datagen.json_types import JsonObject
from datagen.store.disk import translating_file_errors

if TYPE_CHECKING:  # a run that opens no cluster need not import it
    from distributed import Client, Future, KilledWorker, Scheduler

    Report: TypeAlias = Future[Any]  # of a task; the types of their results differ

PARTITIONS_AT_ONCE = 4  # partitions that feed one engine concurrently
REFRESH_SECONDS = 1.0  # maximum age of the list of workers
PATIENCE_SECONDS = 300.0  # time to wait for a suitable worker, for example one that is being restarted
AGAIN = "Then run again to resume"

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Partition:
    """
    A submitted partition.

    Parameters
    ----------
    title
        Name for messages: the stage and its input.
    reports
        Futures of its tasks' results. The first is the last to complete.
    engine
        Whether a task sends requests to a model.
    then
        Called with the results when all tasks are complete.
    """

    title: str
    reports: "Sequence[Report]"
    engine: bool = False
    then: Callable[..., None] = lambda *results: None


class LazyCluster:
    """
    A cluster that is opened when the first stage needs it.

    Parameters
    ----------
    cluster
        Opens it, for as long as the ``with`` block lasts.
    """

    def __init__(self, cluster: "Callable[[], AbstractContextManager[Client]]") -> None:
        self._cluster, self._opened = cluster, ExitStack()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._opened.__exit__(kind, error, traceback)

    @property
    def client(self) -> "Client":
        """The cluster's client."""
        if self._client is None:
            self._client = self._opened.enter_context(self._cluster())
        return self._client

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call a function for each item: on all workers, or in threads while there is no cluster."""
        if self._client is not None:
            return WorkerPool(self._client).each(function, items)
        with ThreadPoolExecutor() as threads:
            return list(threads.map(function, items))


class WorkerPool:
    """
    The workers of a cluster.

    Parameters
    ----------
    client
        Client of the cluster.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._workers: dict[str, JsonObject] = {}
        self._suitable_at = time.monotonic()  # last time at which there was a suitable worker
        self._refresh()

    @property
    def all(self) -> list[str]:
        """Addresses of all workers."""
        return list(self._workers)

    @property
    def engines(self) -> list[str]:
        """Addresses of the workers with an engine."""
        return [address for address, worker in self._workers.items() if worker["resources"].get("engine")]

    @property
    def ordinary(self) -> list[str]:
        """Addresses of the workers without an engine; of all workers if each has one."""
        engines = set(self.engines)
        return [address for address in self._workers if address not in engines] or self.all

    def places(self, engine: bool) -> int:
        """
        Number of partitions with or without an engine that may be submitted at once.

        With one, twice the engines' capacity, so that the next partitions are prepared in the meantime.
        Otherwise one per thread and none queued, so that the task that kills a worker is known.
        """
        if engine:
            return 2 * PARTITIONS_AT_ONCE * max(len(self.engines), 1)
        result: int = max(sum(self._workers[address]["nthreads"] for address in self.ordinary), 1)
        return result

    def submit(self, function: Callable[..., R], *arguments: object) -> "Future[R]":
        """Submit a task to an ordinary worker, if there is one."""
        # Others are allowed, because these may have left by then and the task would wait forever.
        return self._client.submit(
            translating_file_errors,
            function,
            *arguments,
            pure=False,
            workers=self.ordinary,
            allow_other_workers=True,
        )

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call a function for each item on the ordinary workers; return the results in order."""
        futures = self._client.map(
            function, items, pure=False, workers=self.ordinary, allow_other_workers=True
        )
        result: list[R] = self._client.gather(futures)
        return result

    def submit_to_engine(self, function: Callable[..., R], *arguments: object) -> "Future[R]":
        """Submit a task that uses a share of a worker's engine."""
        share = {"engine": 1.0 / PARTITIONS_AT_ONCE}
        return self._client.submit(translating_file_errors, function, *arguments, pure=False, resources=share)

    def process(self, submit: Callable[[bool], Partition | None]) -> Iterator[Partition]:
        """
        Submit partitions as places become free, and yield each when it is complete.

        Parameters
        ----------
        submit
            Submits the tasks of the next partition, with an engine or without; returns None while there is
            no such partition.

        Raises
        ------
        UserError
            If the workers cannot continue; states what to do.
        BudgetSpent
            If a task raised it, after all submitted partitions have ended, so that requests in flight are
            answered and stored.
        """
        from distributed import KilledWorker

        at_work: dict[Report, Partition] = {}
        stopped: BudgetSpent | None = None
        try:
            while True:
                self._check_workers(any(partition.engine for partition in at_work.values()))
                if stopped is None:
                    self._fill(at_work, submit)
                if not at_work:
                    break
                for future in self._done(at_work):
                    partition = at_work[future]
                    try:
                        results = self._client.gather(partition.reports)
                    except BudgetSpent as error:
                        stopped = error
                    except Exception as error:
                        error.add_note(f"in {partition.title}")
                        raise
                    else:
                        partition.then(*results)
                        yield partition
                    del at_work[future]
            if stopped:
                raise stopped
        except (KilledWorker, MemoryError) as error:
            failed = {at_work[future].title: None for future in at_work if future.status == "error"}
            raise UserError(_out_of_memory(error, list(failed))) from None
        except (CancelledError, OSError) as error:
            if self._client.status == "running":
                raise
            raise UserError(
                f"the connection to the cluster's scheduler was lost ({type(error).__name__}). Restart the "
                f"scheduler, or remove the address to run on this machine. {AGAIN}"
            ) from None
        finally:
            if at_work and self._client.status == "running":
                self._client.cancel(list(at_work), force=True)

    def _fill(self, at_work: "dict[Report, Partition]", submit: Callable[[bool], Partition | None]) -> None:
        """Submit partitions until all places are taken or no partition is ready."""
        for engine in (True, False):
            taken = sum(partition.engine == engine for partition in at_work.values())
            for _ in range(taken, self.places(engine)):
                if (partition := submit(engine)) is None:
                    break
                at_work[partition.reports[0]] = partition

    def _done(self, at_work: "Iterable[Report]") -> "Iterable[Report]":
        from distributed import wait

        try:
            result: Iterable[Report] = wait(list(at_work), REFRESH_SECONDS, "FIRST_COMPLETED").done
            return result
        except TimeoutError:
            return ()

    def _check_workers(self, engine: bool) -> None:
        """
        Refresh the list of workers if it is old.

        Fails if for too long there was no worker, or none with an engine although one is needed.
        """
        if time.monotonic() - self._refreshed < REFRESH_SECONDS:
            return
        self._refresh()
        if self.engines if engine else self._workers:
            self._suitable_at = time.monotonic()
        elif time.monotonic() - self._suitable_at > PATIENCE_SECONDS:
            worker = "worker with the resource engine" if engine else "worker"
            assert self._client.scheduler is not None  # connected
            command = start_command(str(self._client.scheduler.address), engine)
            raise UserError(
                f"for {PATIENCE_SECONDS:.0f} seconds the cluster had no {worker}; "
                f"start one with: {command}. {AGAIN}"
            )

    def _refresh(self) -> None:
        self._workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
        self._refreshed = time.monotonic()


def dashboard_of(client: "Client") -> str:
    """Return the address of the cluster's dashboard; "" if its scheduler serves none."""
    return str(client.dashboard_link) if client.run_on_scheduler(_serves_dashboard) else ""


def _serves_dashboard(dask_scheduler: "Scheduler") -> bool:
    return bool(dask_scheduler.http_application.applications)  # without it, the link leads nowhere


def start_command(address: str, engine: bool) -> str:
    """Return the shell command that starts a worker."""
    resource = f" --resources engine=1 --nthreads {PARTITIONS_AT_ONCE}" if engine else ""
    return f"dask worker {address}{resource}"


def _out_of_memory(error: "KilledWorker | MemoryError", titles: Sequence[str]) -> str:
    event = "a worker had no memory left"
    if not isinstance(error, MemoryError):
        event = f"{error.allowed_failures + 1} workers died one after another"
    return (
        f"{event} while processing {' or '.join(titles)}. The usual cause is lack of memory: make partitions "
        f"smaller with cluster.partition_mb, or give the workers more memory. {AGAIN}"
    )
