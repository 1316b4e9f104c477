"""The engine pool: one window for all callers, and engines that die, hang or cannot be opened."""

import asyncio
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from datagen.engines import supervised
from datagen.engines.engine import EngineDied
from datagen.engines.pool import EnginePool
from datagen.errors import UserError
from datagen.recipe.roles import ScriptedModel
from datagen.request import Completion, Identity, Request

MODEL = Identity("planted", "1")


class Mortal:
    """An engine that loses all requests in flight when it dies, as vLLM does; the class counts instances."""

    def __init__(self, spec):
        self._end, self.notices = asyncio.Event(), []

    async def start(self):
        Mortal.starts += 1
        if Mortal.starts > Mortal.most_starts:
            raise UserError("no engine starts any more")
        Mortal.alive += 1
        assert Mortal.alive == 1, "two engines at once, but memory suffices for one"

    async def answer(self, request, key):
        Mortal.asked[key] += 1
        Mortal.order.append(key)
        Mortal.in_flight += 1
        Mortal.most_in_flight = max(Mortal.most_in_flight, Mortal.in_flight)
        try:
            if Mortal.hangs(self, key):
                await asyncio.sleep(math.inf)
            if Mortal.kills(self, key):
                self._end.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), Mortal.latency)
            if self._end.is_set():
                raise EngineDied("planted")
            return Completion(key, "fine", "stop", MODEL.name, MODEL.revision, completion_tokens=1)
        finally:
            Mortal.in_flight -= 1

    async def close(self):
        self._end.set()
        await asyncio.sleep(0.01)
        Mortal.alive -= 1


@pytest.fixture
def mortal(monkeypatch):
    fresh = {
        "starts": 0, "most_starts": 100, "alive": 0, "in_flight": 0, "most_in_flight": 0, "latency": 0.005,
        "asked": Counter(), "order": [], "kills": lambda self, key: False, "hangs": lambda self, key: False,
    }  # fmt: skip
    for name, value in fresh.items():
        monkeypatch.setattr(Mortal, name, value, raising=False)
    monkeypatch.setattr(supervised, "open_engine", Mortal)
    return Mortal


@pytest.fixture
def pool(mortal):
    pool = EnginePool()
    yield pool
    pool.close()


def spec(window=128, patience=60.0):
    return ScriptedModel(engine="scripted", model="planted:model", window=window, patience=patience)


def requests(number, name="r"):
    for n in range(number):
        yield f"{name}{n}", Request(f"{n}", [{"role": "user", "content": "?"}], "p", "0", "t")


def never(key, why):
    raise AssertionError(f"{key} was given up: {why}")


def ask(pool, number, name="r", **options):
    kept = []
    pool.generate("run", spec(**options), MODEL, requests(number, name), kept.append, never)
    assert Counter(completion.key for completion in kept) == {f"{name}{n}": 1 for n in range(number)}
    return {completion.key: completion for completion in kept}


# The window


def test_callers_share_one_engine_and_one_window(pool, mortal):
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda name: ask(pool, 50, name, window=8), "abc"))
    assert mortal.starts == 1 and mortal.most_in_flight == 8 and set(mortal.asked.values()) == {1}


def test_the_next_call_fills_the_window_only_at_the_end_of_the_previous_one(pool, mortal):
    with ThreadPoolExecutor() as threads:
        first = threads.submit(ask, pool, 20, "a", window=8)
        while not mortal.order:
            pass
        second = threads.submit(ask, pool, 20, "b", window=8)
        first.result(), second.result()
    assert mortal.order == [*(f"a{n}" for n in range(20)), *(f"b{n}" for n in range(20))]


def test_an_engine_started_early_is_used(pool, mortal):
    pool.start("run", spec(), MODEL)
    pool.start("run", spec(), MODEL)
    while not mortal.alive:
        pass
    ask(pool, 10)
    assert mortal.starts == 1


def test_a_failed_early_start_is_retried_and_reported_at_the_first_request(pool, mortal, monkeypatch):
    monkeypatch.setattr(Mortal, "most_starts", 0)
    pool.start("run", spec(), MODEL)
    while not mortal.starts:
        pass
    with pytest.raises(UserError, match="no engine starts"):
        ask(pool, 10)
    assert mortal.starts == 2


def test_requests_are_consumed_as_the_window_has_space(pool, mortal):
    taken, kept = [], []

    def one_by_one():
        for key, request in requests(50):
            assert len(taken) - len(kept) < 4
            taken.append(key)
            yield key, request

    pool.generate("run", spec(window=4), MODEL, one_by_one(), kept.append, never)
    assert len(taken) == len(kept) == 50


def test_no_requests_open_no_engine(pool, mortal):
    assert ask(pool, 0) == {} and mortal.starts == 0


def fail_at(place, error):
    def keep(completion):
        kept.append(completion)
        if len(kept) == place:
            raise error

    kept = []
    return kept, keep


def test_an_error_in_keep_ends_only_its_call(pool, mortal):
    kept, keep = fail_at(5, OSError(28, "No space left on device"))
    with ThreadPoolExecutor() as threads:
        bystander = threads.submit(ask, pool, 60, "b", window=4)
        with pytest.raises(OSError, match="No space"):
            pool.generate("run", spec(window=4), MODEL, requests(40), keep, never)
        assert len(bystander.result()) == 60
    assert len(kept) == 5 and len(ask(pool, 10, "c", window=4)) == 10


def test_an_error_while_reading_requests_ends_the_call(pool, mortal):
    def broken():
        yield from requests(3)
        raise ValueError("a broken file")

    with pytest.raises(ValueError, match="a broken file"):
        pool.generate("run", spec(), MODEL, broken(), lambda completion: None, never)


# Deaths


def test_a_spontaneous_engine_death_loses_no_request(pool, mortal):
    mortal.kills = lambda self, key: mortal.starts == 1 and key == "r100"
    done = ask(pool, 300)
    assert {completion.finish for completion in done.values()} == {"stop"}
    assert mortal.starts == 2 and max(mortal.asked.values()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("poison", [{"r0"}, {"r77"}, {"r3", "r90"}, {"r127", "r128", "r299"}])
def test_requests_that_kill_the_engine_are_isolated_in_few_restarts(pool, mortal, poison):
    mortal.kills = lambda self, key: key in poison
    done = ask(pool, 300)
    dropped = {key for key, completion in done.items() if completion.finish == "error"}
    assert dropped == poison
    assert all("died 3 times" in done[key].error and "planted" in done[key].error for key in poison)
    assert mortal.starts <= 1 + len(poison) * (1 + math.log2(128) + supervised.LIVES)


def test_requests_that_kill_only_in_combination_are_all_answered(pool, mortal):
    mortal.kills = lambda self, key: mortal.in_flight > 32
    assert {completion.finish for completion in ask(pool, 128).values()} == {"stop"}


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_failure_to_open_an_engine_is_reported_and_not_retried_per_request(pool, mortal, most):
    mortal.kills = lambda self, key: key == "r9"
    mortal.most_starts = most
    with pytest.raises(UserError, match="no engine starts any more"):
        pool.generate("run", spec(window=16), MODEL, requests(50), lambda completion: None, never)
    assert mortal.starts <= most + 2


# Hanging


def test_a_hanging_engine_is_restarted(pool, mortal):
    mortal.hangs = lambda self, key: mortal.starts == 1 and mortal.order.index(key) >= 20
    done = ask(pool, 100, window=16, patience=0.2)
    assert {completion.finish for completion in done.values()} == {"stop"} and mortal.starts == 2


@pytest.mark.slow
def test_waiting_in_the_engines_queue_is_not_a_hang(pool, mortal, monkeypatch):
    turns = asyncio.Semaphore(1)
    answer = Mortal.answer

    async def one_at_a_time(self, request, key):
        async with turns:
            return await answer(self, request, key)

    monkeypatch.setattr(Mortal, "answer", one_at_a_time)
    mortal.latency = 0.05  # the last request waits five times the patience
    assert len(ask(pool, 20, window=20, patience=0.2)) == 20 and mortal.starts == 1


def test_a_request_that_hangs_every_engine_is_dropped(pool, mortal):
    mortal.hangs = lambda self, key: key == "r5"
    done = ask(pool, 16, window=8, patience=0.1)
    assert [key for key, completion in done.items() if completion.finish == "error"] == ["r5"]
    assert "answered nothing for 0.1 seconds" in done["r5"].error
