"""
An engine that is opened at the first request and restarted whenever it dies or hangs.

When an engine dies, the requests in flight are suspects. They are retried with nothing else in flight: in
halves, and each half that kills the engine again is halved again, so that one culprit among 128 requests is
isolated after seven more deaths. A request that kills the engine three times on its own gets a completion
with an error.

An engine hangs if requests are in flight and none is answered for the model's `patience`. The waiting time of
a single request is no evidence, because it may be in the engine's queue. The engine for servers uses a
time-out per request instead.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from datagen.engines import open_engine
from datagen.engines.engine import Engine, EngineDied
from datagen.engines.meter import Meter
from datagen.recipe.roles import Model, OpenAIModel
from datagen.request import Completion, Identity, Request

LIVES = 3  # deaths of the engine with a single request in flight, before that request is given up
PULSES = 10  # checks for a hang per patience


@dataclass
class _Suspect:
    """A request that was in flight when the engine died."""

    request: Request
    key: str
    answered: asyncio.Future[Completion]
    deaths: int = 0  # of engines with only this request in flight


class GuardedEngine:
    """
    One engine, restarted when it dies.

    Parameters
    ----------
    spec, identity
        The model.
    """

    def __init__(self, spec: Model, identity: Identity) -> None:
        self._spec, self._identity = spec, identity
        self.meter = Meter(identity.name, spec.window)
        self._patience = None if isinstance(spec, OpenAIModel) else spec.patience
        self._engine: Engine | None = None
        self._changing = asyncio.Lock()  # held during start and stop: memory may suffice for one engine only
        self._starting: asyncio.Task[Engine] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._in_flight: set[asyncio.Timeout] = set()
        self._heard = 0.0  # time of the last answer, or of the first request
        self._out = 0  # requests in flight that are not suspects
        self._suspects: list[_Suspect] = []
        self._sifting: asyncio.Task[None] | None = None
        self._calm = asyncio.Event()  # set while there are no suspects
        self._calm.set()

    @property
    def notices(self) -> list[str]:
        """The engine's notices so far."""
        return [] if self._engine is None else self._engine.notices

    async def start(self) -> None:
        """
        Start the engine, which otherwise starts at the first request.

        Raises
        ------
        datagen.errors.UserError
            If it cannot be started.
        """
        if self._engine is None:
            await self._open()

    async def answer(self, request: Request, key: str) -> Completion:
        """
        Answer a request, restarting the engine as often as necessary.

        Raises
        ------
        datagen.errors.UserError
            If an engine cannot be started, or a server answers no request.
        datagen.engines.Unanswered
            If the request kept failing while a server answered others.
        """
        while not self._calm.is_set():
            await self._calm.wait()
        self._out += 1
        try:
            return await self._ask(request, key)
        except EngineDied:
            suspect = _Suspect(request, key, asyncio.get_running_loop().create_future())
            self._suspects.append(suspect)
            self._calm.clear()
        finally:
            self._out -= 1
            if self._suspects and not self._out:
                self._sifting = asyncio.create_task(self._clear(self._suspects))
                self._suspects = []
        return await suspect.answered

    async def close(self) -> None:
        """Stop the engine."""
        if self._sifting is not None:
            self._sifting.cancel()
        async with self._changing:
            await self._end()

    async def _ask(self, request: Request, key: str) -> Completion:
        """Send a request to the engine; stop the engine if it died."""
        engine = self._engine or await self._open()
        try:
            with self.meter:
                if self._patience is None:
                    return await engine.answer(request, key)
                return await self._answer_in_time(engine, request, key)
        except EngineDied:
            async with self._changing:
                if self._engine is engine:
                    await self._end()
            raise

    async def _answer_in_time(self, engine: Engine, request: Request, key: str) -> Completion:
        """Send a request to an engine, which counts as dead if it answers none for too long."""
        if not self._in_flight:
            self._heard = time.monotonic()
        try:
            async with asyncio.timeout(None) as limit:
                self._in_flight.add(limit)
                try:
                    completion = await engine.answer(request, key)
                finally:
                    self._in_flight.remove(limit)
        except TimeoutError:
            if not limit.expired():
                raise
            raise EngineDied(f"it answered nothing for {self._patience:g} seconds") from None
        self._heard = time.monotonic()
        return completion

    async def _open(self) -> Engine:
        """Wait for an engine to start. If it cannot be started, all waiting requests fail."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> Engine:
        try:
            async with self._changing:
                engine = open_engine(self._spec)
                await engine.start()
                self._engine = engine
                if self._patience:
                    self._watching = asyncio.create_task(self._watch(self._patience))
                return engine
        finally:
            self._starting = None

    async def _end(self) -> None:
        engine, self._engine = self._engine, None
        if self._watching is not None:
            self._watching.cancel()
        if engine is not None:
            await engine.close()

    async def _watch(self, patience: float) -> None:
        """Time out every request in flight once none has been answered for `patience` seconds."""
        while not self._in_flight or time.monotonic() - self._heard < patience:
            await asyncio.sleep(patience / PULSES)
        for limit in self._in_flight:
            limit.reschedule(0)

    async def _clear(self, suspects: Sequence[_Suspect]) -> None:
        """Isolate the requests that kill the engine, then let the others continue."""
        try:
            await self._sift(suspects)
        except Exception as error:
            for suspect in suspects:
                if not suspect.answered.done():
                    suspect.answered.set_exception(error)
        finally:
            self._calm.set()

    async def _sift(self, suspects: Sequence[_Suspect]) -> None:
        middle = (len(suspects) + 1) // 2
        for half in (suspects[:middle], suspects[middle:]):
            if half and (died := await self._try(half)):
                await self._sift(died)

    async def _try(self, suspects: Sequence[_Suspect]) -> list[_Suspect]:
        """Send some suspects together; return those that the engine died on and that may be retried."""
        calls = (self._ask(suspect.request, suspect.key) for suspect in suspects)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        died = []
        for suspect, answer in zip(suspects, answers, strict=True):
            if isinstance(answer, EngineDied):
                suspect.deaths += len(suspects) == 1
                if suspect.deaths < LIVES:
                    died.append(suspect)
                    continue
                answer = self._given_up(suspect, answer)
            if isinstance(answer, Completion) and not suspect.answered.done():
                suspect.answered.set_result(answer)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, EngineDied):
                raise answer
        return died

    def _given_up(self, suspect: _Suspect, last: EngineDied) -> Completion:
        name, revision = self._identity.name, self._identity.revision
        error = f"the engine died {LIVES} times on this request: {last}"
        return Completion(suspect.key, "", "error", name, revision, error=error)
