"""The request rate, with a simulated clock: rate limits, overload, and unavailable servers."""

import asyncio
from itertools import pairwise

import pytest

from datagen.engines import pace as module
from datagen.engines.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test advances."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module.random, "uniform", lambda low, high: high)
    return clock


def simulate(clock, seconds, takes, limit=10, window=64, retry_after=0.0):
    """Send to a server that accepts `takes` requests per second; return answers and refusals."""
    pace, counts, refused = Pace(window), {}, 0

    async def work():
        nonlocal refused
        start, end = clock.now, clock.now + seconds
        while clock.now < end:
            if (pause := pace._wait()) is not None:
                clock.now += min(pause, 1.0)
                continue
            epoch, second = await pace.begin(), int(clock.now)
            if takes(counts.get(second, 0), limit):
                counts[second] = counts.get(second, 0) + 1
                pace.answered()
            else:
                refused += clock.now > start + 5
                pace.refused(retry_after, epoch)
            pace.end()
            clock.now += 0.001
        return sum(counts.values())

    return asyncio.run(work()), refused


@pytest.mark.parametrize("retry_after", [0.0, 1.0])
def test_the_rate_matches_a_server_that_accepts_ten_per_second(clock, retry_after):
    answered, refused = simulate(clock, 120, lambda had, limit: had < limit, retry_after=retry_after)
    assert answered >= 1200 / 1.1
    assert refused < answered / 10


def test_refusals_independent_of_the_rate_do_not_lower_it(clock):
    numbers = iter(range(10**9))
    answered, _ = simulate(clock, 60, lambda had, limit: next(numbers) % 10)
    assert answered > 60 * 100


def test_overload_halves_the_requests_in_flight_and_answers_restore_them(clock):
    pace = Pace(64)

    async def send(number):
        for _ in range(number):
            await pace.begin()
            pace.end()

    asyncio.run(send(20))
    pace.failed(overloaded=True)
    assert pace._limit == 64, "a single failure is ignored"
    for _ in range(5):
        pace.failed(overloaded=True)
    assert pace._limit == 32, "the failures of one burst count once"
    for _ in range(8 * 32):
        pace.answered()
    assert pace._limit == 64


def test_an_unavailable_server_is_tested_at_growing_intervals(clock):
    pace, looks = Pace(64), []
    for _ in range(60):
        clock.now += max(pace.quiet, 0.1)
        looks.append(clock.now)
        pace.failed(overloaded=True)
    gaps = [after - before for before, after in pairwise(looks)]
    assert max(gaps) == pytest.approx(module.LONGEST_PAUSE) and gaps[5] < 3
    assert 1000 < pace.down < 10_000
    pace.answered()
    assert pace.down == 0 and not pace.away


def test_failures_among_answers_delay_no_request(clock):
    pace = Pace(8)
    for _ in range(50):
        clock.now += 0.01
        pace.answered()
        pace.failed(overloaded=False)
    assert pace.quiet == 0 and not pace.away
