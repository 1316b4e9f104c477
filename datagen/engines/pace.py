"""
Control the rate of requests to one server: as fast as it accepts them.

Two limits adapt by additive increase and multiplicative decrease (Chiu and Jain 1989). The number of
*requests in flight* is halved when one in ten finds the server overloaded or unavailable, and grows with each
answer. The *request rate* is limited once the server returns 429, to slightly less than its observed
throughput, and grows slowly until the next 429; if a lower rate does not reduce the refusals, the cut is
undone. When the server answers nothing any more, one request at a time tests whether it is back, after pauses
of a quarter of the downtime so far.
"""

import asyncio
import math
import random
import time
from collections import deque
from contextlib import suppress

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 120.0  # seconds between tests of an unavailable server
PAUSE_SHARE = 0.25  # pause as a share of the downtime so far
HORIZON = 2.0  # seconds over which the share of overloads is measured
SLOWEST = 0.2  # minimum requests per second
CUT_SECONDS = 1.0  # between two decreases: the refusals of one burst count once
BELOW, LITTLE = 0.98, 0.95  # new rate as a share of the throughput; least share of the old rate if few refuse
FEW, MANY = 0.05, 0.2  # shares of refusals: fewer are ignored unless they set a pause; more cut fully
CREEP, CLIMB = 0.003, 0.2  # growth per second: near the last refused rate, and above it
OFTEN, GROWTH = 0.1, 0.125  # share of overloads that halves the requests in flight; growth per answer
WORTH, UNDO = 0.95, 1.5  # if throughput falls below this share after a cut, the rate is raised by this factor
STREAK, AWAY_SECONDS = 3, 1.0  # failures, and seconds without an answer, after which it counts as unavailable


class Pace:
    """
    The rate limiter for one server.

    Parameters
    ----------
    window
        Maximum number of requests in flight.
    """

    def __init__(self, window: int) -> None:
        self._window, self._limit = window, float(window)
        self._rate = self._accepted = self._bound = math.inf  # requests a second: allowed, accepted, last set
        self._grown = self._began = self._halved = -math.inf  # times
        self._epoch = self._sent_now = self._refused = 0  # since the rate was set
        self._sent: deque[float] = deque()  # times within the horizon
        self._overloads: deque[float] = deque()
        self._in_flight, self._next, self._quiet = 0, 0.0, 0.0
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()
        self._streak = 0
        self.answered_at = -math.inf  # time of the last answer
        self.failing_since: float | None = None  # time of the first failure since then

    async def begin(self, at_once: bool = False) -> int:
        """
        Wait in order for permission to send a request; return the epoch of the rate. `end` must follow.

        `at_once` sends it without waiting.
        """
        if not at_once:
            async with self._turn:
                while (wait := self._wait()) is not None:
                    self._freed.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._freed.wait(), wait)
        self._in_flight += 1
        now = time.monotonic()
        _remember(self._sent, now)
        if not self._sent_now:
            self._began = now
        self._sent_now += 1
        if math.isfinite(self._rate):
            self._next = max(now, self._next) + 1 / self._rate
        return self._epoch

    def end(self) -> None:
        """Record that a request is no longer in flight: its reply has arrived, or it has failed."""
        self._in_flight -= 1
        self._freed.set()

    def _wait(self) -> float | None:
        """Return the seconds to wait before the next look; None if a request may be sent now."""
        now = time.monotonic()
        self._grow(now)
        if (pause := max(self._quiet, self._next if math.isfinite(self._rate) else 0.0) - now) > 0:
            return pause
        return None if self._in_flight < (1 if self.away else max(int(self._limit), 1)) else 60.0

    @property
    def away(self) -> bool:
        """Whether the server answers no request any more."""
        return self._streak >= STREAK and time.monotonic() - self.answered_at > AWAY_SECONDS

    def answered(self) -> None:
        """Record an answer."""
        self.answered_at = time.monotonic()
        self.failing_since, self._streak = None, 0
        self._limit = min(self._limit + GROWTH, self._window)
        self._freed.set()

    def heard(self) -> None:
        """Record a permanent rejection, which shows that the server is up."""
        self.failing_since, self._streak = None, 0

    def refused(self, retry_after: float, epoch: int) -> None:
        """Record that the server asks for fewer requests; `epoch` is from the refused request's `begin`."""
        now = time.monotonic()
        self._quiet = max(self._quiet, now + retry_after)
        self._fail(now)
        if epoch != self._epoch:  # it was sent at another rate
            return
        self._refused += 1
        seconds = now - self._began
        if seconds < CUT_SECONDS:
            return
        share = self._refused / self._sent_now
        if share < FEW and not retry_after:
            return
        accepted = max((self._sent_now - self._refused) / seconds, SLOWEST)
        if math.isfinite(self._rate) and accepted < WORTH * self._accepted:
            self._rate *= UNDO  # throughput fell with the rate, so our rate is not the cause of refusals
        elif math.isfinite(self._rate) and share < MANY:
            self._rate = max(LITTLE * self._rate, BELOW * accepted)
        else:
            self._rate = BELOW * accepted
        self._accepted, self._bound = accepted, self._rate
        self._next, self._began, self._grown = now, now, now
        self._epoch, self._sent_now, self._refused = epoch + 1, 0, 0

    def failed(self, overloaded: bool) -> None:
        """Record a failure; `overloaded` if it indicates too many concurrent requests."""
        now = time.monotonic()
        if overloaded:
            _remember(self._overloads, now)
            often = len(self._overloads) > max(1, OFTEN * len(self._sent))
            if often and now - self._halved >= CUT_SECONDS:
                self._halved, self._limit = now, max(self._limit / 2, 1.0)
        self._fail(now)

    def _fail(self, now: float) -> None:
        self.failing_since = self.failing_since or now
        self._streak += 1
        if self.away and now >= self._quiet:
            pause = min(max(PAUSE_SHARE * self.down, FIRST_PAUSE), LONGEST_PAUSE)
            self._quiet = now + pause * random.uniform(0.8, 1)

    @property
    def down(self) -> float:
        """Seconds since the first failure after the last answer; 0 if there is none."""
        return time.monotonic() - self.failing_since if self.failing_since is not None else 0.0

    @property
    def quiet(self) -> float:
        """Seconds for which no request is sent."""
        return max(self._quiet - time.monotonic(), 0.0)

    def _grow(self, now: float) -> None:
        """Raise the rate in proportion to the seconds without a refusal."""
        if math.isfinite(self._rate) and now > self._grown:
            step = CREEP if self._rate < self._bound / BELOW / LITTLE else CLIMB
            self._rate *= 1 + step * min(now - self._grown, 10.0)
            self._grown = now


def _remember(times: deque[float], now: float) -> None:
    """Append a time and drop those beyond the horizon."""
    times.append(now)
    while times[0] < now - HORIZON:
        times.popleft()
