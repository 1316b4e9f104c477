"""
The workers, and how a stage's partitions are handed out to them.

Workers may come and go while a run is on. So partitions are handed out as there are places for them, to
the workers that are there then: one that comes later gets its share, and one that dies takes with it only
what it was doing. What that was is tried again elsewhere; what kills several workers is told to the user.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from distributed import Client, Future, KilledWorker, wait

from datagen.errors import BudgetSpent, UserError
from datagen.store.disk import telling

PARTITIONS_AT_ONCE = 4  # that one engine is fed from
LOOK_SECONDS = 1.0  # how old may be what we know of the workers
PATIENCE_SECONDS = 300.0  # without a worker that could go on; one that died may be started again
AGAIN = "Then run again: it goes on where it stopped"


@dataclass(frozen=True)
class Partition:
    """
    A partition at work.

    Parameters
    ----------
    title
        What the user knows it by: the stage and what it reads.
    reports
        What will be told of it. The first comes last.
    """

    title: str
    reports: Sequence["Future[Any]"]


class Workers:
    """
    A cluster that is opened when the first stage needs it.

    Parameters
    ----------
    cluster
        Opens it, for as long as the ``with`` block lasts.
    """

    def __init__(self, cluster: Callable[[], AbstractContextManager[Client]]) -> None:
        self._cluster, self._opened = cluster, ExitStack()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._opened.__exit__(*error)

    @property
    def client(self) -> Client:
        """The cluster's client."""
        if self._client is None:
            self._client = self._opened.enter_context(self._cluster())
        return self._client

    def each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Call a function for each item: on all workers, or in threads while there is no cluster."""
        if self._client is not None:
            return Crew(self._client).each(function, items)
        with ThreadPoolExecutor() as threads:
            return list(threads.map(function, items))


class Crew:
    """
    Those who work on a stage.

    Parameters
    ----------
    client
        Of the cluster.
    engine
        Whether the stage asks a model.
    """

    def __init__(self, client: Client, engine: bool = False) -> None:
        self._client, self._engine = client, engine
        self._workers: dict[str, Any] = {}
        self._complete = time.monotonic()  # when there was last somebody for every task
        self._look()

    @property
    def everybody(self) -> list[str]:
        """Addresses of all workers."""
        return list(self._workers)

    @property
    def engines(self) -> list[str]:
        """Addresses of the workers with an engine."""
        return [address for address, worker in self._workers.items() if worker["resources"].get("engine")]

    @property
    def ordinary(self) -> list[str]:
        """Addresses of the workers without an engine; all where every worker has one."""
        engines = set(self.engines)
        return [address for address in self._workers if address not in engines] or self.everybody

    @property
    def places(self) -> int:
        """
        How many partitions may be at work at once.

        Where a model is asked, twice what the engines hold: the next ones are got ready meanwhile.
        Else one a thread, and none in waiting: a worker that dies has died of what it was doing.
        """
        if self._engine:
            return 2 * PARTITIONS_AT_ONCE * max(len(self.engines), 1)
        result: int = max(sum(self._workers[address]["nthreads"] for address in self.ordinary), 1)
        return result

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have something computed, by an ordinary worker while there is one."""
        # Others are allowed, since these may be gone by then, and a task would wait for them for ever.
        here = {"workers": self.ordinary, "allow_other_workers": True}
        return self._client.submit(telling, function, *arguments, pure=False, **here)

    def each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Call a function for each item on all ordinary workers; list the results in order."""
        workers, mapped = self.ordinary, self._client.map
        futures = mapped(function, items, pure=False, workers=workers, allow_other_workers=True)
        result: list[Any] = self._client.gather(futures)
        return result

    def submit_to_engine(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have something done that takes a share of a worker's engine."""
        share = {"engine": 1.0 / PARTITIONS_AT_ONCE}
        return self._client.submit(telling, function, *arguments, pure=False, resources=share)

    def work_off(self, partitions: Iterator[Partition]) -> Iterator[list[Any]]:
        """
        Hand out partitions as there are places, and yield each one's reports when all are there.

        Taking the next partition submits its tasks.

        Raises
        ------
        UserError
            When the workers cannot go on; it says what to do.
        BudgetSpent
            When a task raised it, once all that are at work have come to their end: what is in flight then is
            answered and kept.
        """
        at_work: dict[Future[Any], Partition] = {}
        stopped: BudgetSpent | None = None
        try:
            while True:
                self._look_again()
                if stopped is None:
                    for partition in islice(partitions, max(0, self.places - len(at_work))):
                        at_work[partition.reports[0]] = partition
                if not at_work:
                    break
                for future in self._done(at_work):
                    try:
                        reports = self._client.gather(at_work[future].reports)
                    except BudgetSpent as error:
                        stopped = error
                    else:
                        yield reports
                    del at_work[future]
            if stopped:
                raise stopped
        except (KilledWorker, MemoryError) as error:
            failed = {at_work[future].title: None for future in at_work if future.status == "error"}
            raise UserError(_too_much(error, list(failed))) from None
        except (CancelledError, OSError) as error:
            if self._client.status == "running":
                raise
            raise UserError(
                f"the scheduler of the cluster is gone ({type(error).__name__}). Start it again, or work on "
                f"this machine without an address. {AGAIN}"
            ) from None
        finally:
            if at_work and self._client.status == "running":
                self._client.cancel(list(at_work), force=True)

    def _done(self, at_work: Iterable["Future[Any]"]) -> Iterable["Future[Any]"]:
        try:
            result: Iterable[Future[Any]] = wait(list(at_work), LOOK_SECONDS, "FIRST_COMPLETED").done
            return result
        except TimeoutError:
            return ()

    def _look_again(self) -> None:
        """See who is there now and then; tell the user when for long it was nobody who could go on."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._look()
        if self.engines if self._engine else self._workers:
            self._complete = time.monotonic()
        elif time.monotonic() - self._complete > PATIENCE_SECONDS:
            worker = "worker with the resource engine" if self._engine else "worker"
            assert self._client.scheduler is not None  # it is connected
            command = start_command(str(self._client.scheduler.address), self._engine)
            raise UserError(
                f"for {PATIENCE_SECONDS:.0f} seconds the cluster had no {worker}; "
                f"start one with: {command}. {AGAIN}"
            )

    def _look(self) -> None:
        self._workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
        self._looked = time.monotonic()


def start_command(address: str, engine: bool) -> str:
    """Write the command that starts a worker by hand."""
    resource = f" --resources engine=1 --nthreads {PARTITIONS_AT_ONCE}" if engine else ""
    return f"dask worker {address}{resource}"


def _too_much(error: Exception, titles: Sequence[str]) -> str:
    what = "a worker had no memory left"
    if isinstance(error, KilledWorker):
        what = f"{error.allowed_failures + 1} workers died one after another"
    return (
        f"{what} while at work on {' or '.join(titles)}. Most often memory ran out: make partitions smaller "
        f"with cluster.partition_mb, or give the workers more. {AGAIN}"
    )
