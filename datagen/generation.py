"""
The engine room: requests in, completions out, inside one worker process.

A worker loads each model once and feeds it from all partitions that are in its hands through one
bounded window, so that the tail of one partition is filled by the next. Every answer is appended to a
journal before its place in the window is given away.

When an engine dies, it is opened again and the requests that were in flight are asked one at a time;
one that kills the engine again and again is answered with an error instead of ending the run.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import Any

from datagen.engines import Engine, EngineDied, open_engine
from datagen.errors import UserError
from datagen.journal import Journal
from datagen.recipe import Model
from datagen.request import Completion, Identity, Request

LIVES = 3  # how many times a request may be alone in an engine that dies
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Usage:
    """What generation took: completions and tokens. Cached tokens are part of the prompt tokens."""

    completions: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def of(cls, completion: Completion) -> "Usage":
        """Say what one completion took."""
        return cls(1, completion.prompt_tokens, completion.cached_tokens, completion.completion_tokens)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))


class EngineRoom:
    """
    The engines of this process, each open at most once, and the event loop that feeds them.

    The loop runs in a thread of its own; `generate` may be called from many threads at once.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine-room", daemon=True)
        self._thread.start()
        self._feeds: dict[str, _Feed] = {}
        self._runs: dict[str, set[asyncio.Task[Any]]] = {}  # what is generated for whom

    def generate(
        self,
        run: str,
        spec: Model,
        identity: Identity,
        requests: Sequence[tuple[str, Request]],
        journal: Journal,
        report: Callable[[Usage], None],
    ) -> Usage:
        """
        Answer requests and append every completion to the journal.

        Parameters
        ----------
        run
            For whom: the folder of its recipe.
        spec, identity
            The model.
        requests
            Pairs of key and request, in the order they are to be sent.
        journal
            Where the completions go.
        report
            Told the usage so far, about twice a second.

        Raises
        ------
        UserError
            When an engine cannot be started or a server cannot be reached; what was answered stays in
            the journal.
        CancelledError
            When the run left meanwhile.
        """
        return self._wait(self._for(run, self._generate(spec, identity, requests, journal, report)))

    def leave(self, run: str) -> bool:
        """End what is generated for a run. Returns whether no other run was here."""
        return self._wait(self._leave(run))

    def close(self) -> None:
        """End all engines and the loop."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    async def _for(self, run: str, work: Coroutine[Any, Any, Usage]) -> Usage:
        task = asyncio.current_task()
        assert task is not None
        mine = self._runs.setdefault(run, set())
        mine.add(task)
        try:
            return await work
        finally:
            mine.remove(task)

    async def _leave(self, run: str) -> bool:
        mine = self._runs.pop(run, set())
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        return not self._runs

    async def _generate(
        self,
        spec: Model,
        identity: Identity,
        requests: Sequence[tuple[str, Request]],
        journal: Journal,
        report: Callable[[Usage], None],
    ) -> Usage:
        feed = self._feeds.setdefault(spec.model_dump_json(), _Feed(spec, identity))
        usage, told = Usage(), time.monotonic()

        async def one(key: str, request: Request) -> None:
            nonlocal told, usage
            try:
                completion = await feed.answer(key, request)
            finally:
                feed.window.release()
            journal.append(completion)
            usage += Usage.of(completion)
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                report(usage)

        mistake = ""
        try:
            async with asyncio.TaskGroup() as group:
                for key, request in requests:
                    await feed.window.acquire()
                    group.create_task(one(key, request))
        except ExceptionGroup as failures:
            if not (told_user := failures.subgroup(UserError)):
                raise
            mistake = str(told_user.exceptions[0])
        if mistake:  # said once, not once for each request in flight, and plain, so that it can be pickled
            raise UserError(mistake)
        return usage

    async def _close(self) -> None:
        for feed in self._feeds.values():
            await feed.close()
        self._feeds.clear()


class _Feed:
    """One engine, its window, and what to do when it dies."""

    def __init__(self, spec: Model, identity: Identity) -> None:
        self.window = asyncio.Semaphore(spec.window)
        self._spec, self._identity = spec, identity
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()
        self._alone = asyncio.Lock()  # held by the one suspect that is being tried

    async def answer(self, key: str, request: Request) -> Completion:
        """Answer a request, opening the engine first and again when it dies."""
        try:
            return await self._ask(key, request)
        except EngineDied:
            pass
        async with self._alone:
            for _ in range(LIVES):
                try:
                    return await self._ask(key, request)
                except EngineDied as death:
                    last = death
        return Completion(
            key,
            text="",
            finish="error",
            model=self._identity.name,
            revision=self._identity.revision,
            error=f"the engine died {LIVES} times on this request: {last}",
        )

    async def _ask(self, key: str, request: Request) -> Completion:
        engine = await self._open()
        try:
            return await engine.answer(request, key)
        except EngineDied:
            if self._engine is engine:
                self._engine = None
                await engine.close()
            raise

    async def _open(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                engine = open_engine(self._spec)
                await engine.start()
                self._engine = engine
            return self._engine

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
            self._engine = None


_room: EngineRoom | None = None
_room_lock = threading.Lock()


def engine_room() -> EngineRoom:
    """Give this process's engine room, opened on first use."""
    global _room
    with _room_lock:
        if _room is None:
            _room = EngineRoom()
        return _room


def leave_engine_room(run: str) -> None:
    """End what this process generates for a run, and the engines with the last run that asked them."""
    global _room
    with _room_lock:
        if _room is not None and _room.leave(run):
            _room.close()
            _room = None
