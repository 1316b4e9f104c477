"""
The engine pool: all engines of one worker process.

A worker loads each model once. All its partitions feed the engine through one bounded window, oldest
partition first, so that the end of one partition overlaps with the start of the next. A completion is passed
on for storage before its slot in the window is reused.

`datagen.engines.supervised` restarts engines that die or hang; this module does not notice.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import wait
from contextlib import suppress
from typing import TypeVar

from datagen.engines.engine import Unanswered
from datagen.engines.meter import Reading
from datagen.engines.supervised import GuardedEngine
from datagen.errors import UserError
from datagen.recipe.roles import Model
from datagen.request import Completion, Identity, Request

T = TypeVar("T")
POLL_SECONDS = 0.5  # interval between checks for notices, and between readings of the meter


class EnginePool:
    """
    The engines of this process, one per model, and the event loop that feeds them.

    The loop runs in a separate thread; `generate` may be called from many threads concurrently.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine-pool", daemon=True)
        self._thread.start()
        self._feeds: dict[str, _Feed] = {}
        self._runs: dict[str, set[asyncio.Task[None]]] = {}  # run -> its generation tasks

    def generate(
        self,
        run: str,
        spec: Model,
        identity: Identity,
        requests: Iterable[tuple[str, Request]],
        keep: Callable[[Completion], None],
        give_up: Callable[[str, str], None],
        notify: Callable[[str], None] = lambda notice: None,
        read: Callable[[Reading], None] = lambda reading: None,
    ) -> None:
        """
        Answer requests.

        Parameters
        ----------
        run
            The run that the requests belong to, by its recipe's folder.
        spec, identity
            The model.
        requests
            Pairs of key and request, in sending order. Consumed one by one as the window has space, in the
            pool's thread.
        keep
            Called with every completion as it arrives, in the pool's thread.
        give_up
            Called in the same thread with the key of every request that kept failing while others were
            answered, and the reason.
        notify
            Called with notices for the user, in the caller's thread.
        read
            Called with readings of the engine's meter in the caller's thread: at the start, regularly, and
            at the end.

        Raises
        ------
        UserError
            If an engine cannot be started or a server cannot be reached. Earlier completions have been
            passed to `keep`.
        CancelledError
            If the run left in the meantime.
        """
        feed = self._wait(self._feed(spec, identity))
        read(feed.reading)
        batch = _Batch(requests, keep, give_up)
        work = self._for(run, feed.answer(batch))
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        shown = len(feed.notices)
        while not future.done():
            wait([future], POLL_SECONDS)
            notices = feed.notices[shown:]
            shown += len(notices)
            for notice in notices:
                notify(notice)
            read(feed.reading)
        try:
            future.result()
        except UserError as error:
            raise UserError(str(error)) from None  # without cause, so that it can be pickled

    def start(self, run: str, spec: Model, identity: Identity) -> None:
        """Start an engine in the background. If that fails, `generate` tries again and reports the cause."""
        asyncio.run_coroutine_threadsafe(self._for(run, self._start(spec, identity)), self._loop)

    def leave(self, run: str) -> bool:
        """Cancel a run's generation. Returns whether no other run is using the pool."""
        return self._wait(self._leave(run))

    def close(self) -> None:
        """Stop all engines and the loop."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _for(self, run: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks = self._runs.setdefault(run, set())
        tasks.add(task)
        try:
            await work
        finally:
            tasks.remove(task)

    async def _leave(self, run: str) -> bool:
        tasks = self._runs.pop(run, set())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return not self._runs

    async def _feed(self, spec: Model, identity: Identity) -> "_Feed":
        return self._feeds.setdefault(spec.model_dump_json(), _Feed(spec, identity))

    async def _start(self, spec: Model, identity: Identity) -> None:
        feed = await self._feed(spec, identity)
        with suppress(UserError):
            await feed.start()

    async def _close(self) -> None:
        for feed in self._feeds.values():
            await feed.close()
        self._feeds.clear()


class _Batch:
    """The requests of one call of `generate`, and their results."""

    def __init__(
        self,
        requests: Iterable[tuple[str, Request]],
        keep: Callable[[Completion], None],
        give_up: Callable[[str, str], None],
    ) -> None:
        self._requests, self._keep, self._give_up = iter(requests), keep, give_up
        self._in_flight, self._exhausted = 0, False
        self.ended: asyncio.Future[None]  # created by `begin`

    def begin(self) -> None:
        """Start the batch, in the event loop."""
        self.ended = asyncio.get_running_loop().create_future()

    def take(self) -> tuple[str, Request] | None:
        """Take the next request; None if there is none, or the batch has ended."""
        following = None if self.ended.done() else next(self._requests, None)
        if following is None:
            self._exhausted = True
            self._end_if_done()
        else:
            self._in_flight += 1
        return following

    def give(self, completion: Completion) -> None:
        """Pass on a completion; discard it if the batch has already ended with an error."""
        self._in_flight -= 1
        if not self.ended.done():
            self._keep(completion)
            self._end_if_done()

    def lose(self, key: str, why: str) -> None:
        """Report a request as unanswered."""
        self._in_flight -= 1
        if not self.ended.done():
            self._give_up(key, why)
            self._end_if_done()

    def fail(self, error: Exception) -> None:
        """End with an error."""
        if not self.ended.done():
            self.ended.set_exception(error)

    def _end_if_done(self) -> None:
        if self._exhausted and not self._in_flight and not self.ended.done():
            self.ended.set_result(None)


class _Feed:
    """One engine and its window: a number of askers, each with one request in flight at a time."""

    def __init__(self, spec: Model, identity: Identity) -> None:
        self._engine = GuardedEngine(spec, identity)
        self._places = spec.window  # free slots of the window
        self._askers: set[asyncio.Task[None]] = set()
        self._batches: deque[_Batch] = deque()  # those that may have requests left, oldest first

    @property
    def notices(self) -> list[str]:
        """The engine's notices so far."""
        return self._engine.notices

    @property
    def reading(self) -> Reading:
        """A reading of the engine's meter."""
        return self._engine.meter.read()

    async def start(self) -> None:
        """Start the engine before the first request."""
        await self._engine.start()

    async def answer(self, batch: _Batch) -> None:
        """Answer a batch, after the requests of earlier batches have been sent."""
        batch.begin()
        self._batches.append(batch)
        while self._places:
            self._places -= 1
            asker = asyncio.create_task(self._ask())
            self._askers.add(asker)
            asker.add_done_callback(self._askers.discard)
        await batch.ended

    async def _ask(self) -> None:
        while self._batches:
            batch = self._batches[0]
            try:
                if following := batch.take():
                    key, request = following
                    try:
                        completion = await self._engine.answer(request, key)
                    except Unanswered as why:
                        batch.lose(key, str(why))
                    else:
                        batch.give(completion)
                else:
                    self._batches.popleft()
            except Exception as error:
                batch.fail(error)
        self._places += 1

    async def close(self) -> None:
        """Stop the engine and cancel requests in flight."""
        for asker in self._askers:
            asker.cancel()
        await asyncio.gather(*self._askers, return_exceptions=True)
        await self._engine.close()


_pool: EnginePool | None = None
_pool_lock = threading.Lock()


def engine_pool() -> EnginePool:
    """Return this process's engine pool, opened on first use."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = EnginePool()
        return _pool


def start_engine(run: str, spec: Model, identity: Identity) -> None:
    """Start an engine of this process in the background; see `EnginePool.start`."""
    engine_pool().start(run, spec, identity)


def leave_engine_pool(run: str) -> None:
    """Cancel a run's generation in this process; after the last run, stop the engines."""
    global _pool
    with _pool_lock:
        if _pool is not None and _pool.leave(run):
            _pool.close()
            _pool = None
