"""
How fast one server is asked: as fast as it takes requests, and no faster.

Two limits adapt by additive increase and multiplicative decrease (Chiu and Jain 1989). *Requests in flight*
are halved when one in ten finds the server overloaded or away, and grow with the answers. *Requests a
second* are bound once the server says 429, to a little less than it was seen to take, and grow slowly until
it says so again; where it refuses as many of fewer, that is undone. When nobody is answered any more, one
request at a time looks whether the server is back, after pauses of a quarter of the time that it has been
away.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 120.0  # seconds in which a server that is away is left alone
PAUSE_SHARE = 0.25  # of the time that it has been away
HORIZON = 2.0  # seconds over which overloads are set against what was sent
SLOWEST = 0.2  # requests a second
CUT_SECONDS = 1.0  # between two decreases: the refusals of one burst count once
BELOW, LITTLE = 0.98, 0.95  # of what it takes: the new rate; of the old rate, where it refused few
FEW, MANY = 0.05, 0.2  # shares of refusals: below, none are heeded, unless with a time to wait; above, all
CREEP, CLIMB = 0.003, 0.2  # growth in a second, below the rate that was refused last, and above it
OFTEN, GROWTH = 0.1, 0.125  # failures of all requests that halve those in flight; growth for each answer
WORTH, UNDO = 0.95, 1.5  # where slowing down cost so much of what it takes, it is undone
STREAK, AWAY_SECONDS = 3, 1.0  # failures, and seconds without an answer, after which it counts as away


class Pace:
    """
    The pace at which a server is asked.

    Parameters
    ----------
    window
        The most requests in flight.
    """

    def __init__(self, window: int) -> None:
        self._window, self._limit = window, float(window)
        self._rate = self._taken = self._bound = math.inf  # requests a second: allowed, taken, last set
        self._grown = self._began = self._halved = -math.inf  # when
        self._epoch = self._sent_now = self._refused = 0  # since the rate was set
        self._sent: deque[float] = deque()  # when, over the horizon
        self._overloads: deque[float] = deque()
        self._in_flight, self._next, self._quiet = 0, 0.0, 0.0
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()
        self._streak = 0
        self.answered_at = -math.inf  # when the last answer came
        self.failing_since: float | None = None  # the first failure since then

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for one's turn to send a request, in order; it is over when its reply is there."""
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
            epoch = self._epoch
            if math.isfinite(self._rate):
                self._next = max(now, self._next) + 1 / self._rate
        try:
            yield epoch
        finally:
            self._in_flight -= 1
            self._freed.set()

    def _wait(self) -> float | None:
        """Seconds until it is worth looking again; None when the next may be sent."""
        now = time.monotonic()
        self._grow(now)
        if (pause := max(self._quiet, self._next if math.isfinite(self._rate) else 0.0) - now) > 0:
            return pause
        return None if self._in_flight < (1 if self.away else max(int(self._limit), 1)) else 60.0

    @property
    def away(self) -> bool:
        """Whether nobody is answered any more."""
        return self._streak >= STREAK and time.monotonic() - self.answered_at > AWAY_SECONDS

    def answered(self) -> None:
        """An answer came."""
        self.answered_at = time.monotonic()
        self.failing_since, self._streak = None, 0
        self._limit = min(self._limit + GROWTH, self._window)
        self._freed.set()

    def heard(self) -> None:
        """The server refused one request for good: it is there."""
        self.failing_since, self._streak = None, 0

    def refused(self, retry_after: float, epoch: int) -> None:
        """The server asks for fewer requests; `epoch` is what `turn` gave for the one that it refused."""
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
        taken = max((self._sent_now - self._refused) / seconds, SLOWEST)
        if math.isfinite(self._rate) and taken < WORTH * self._taken:
            self._rate *= UNDO  # it takes less because we ask less: it is not our rate that it refuses
        elif math.isfinite(self._rate) and share < MANY:
            self._rate = max(LITTLE * self._rate, BELOW * taken)
        else:
            self._rate = BELOW * taken
        self._taken, self._bound = taken, self._rate
        self._next, self._began, self._grown = now, now, now
        self._epoch, self._sent_now, self._refused = epoch + 1, 0, 0

    def failed(self, overloaded: bool) -> None:
        """A request failed; `overloaded` where it is a sign of too many at once."""
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
        """Seconds since the first failure after the last answer; 0 where there is none."""
        return time.monotonic() - self.failing_since if self.failing_since is not None else 0.0

    @property
    def quiet(self) -> float:
        """Seconds for which nobody is sent."""
        return max(self._quiet - time.monotonic(), 0.0)

    def _grow(self, now: float) -> None:
        """Raise the rate by the seconds that have passed without a refusal."""
        if math.isfinite(self._rate) and now > self._grown:
            step = CREEP if self._rate < self._bound / BELOW / LITTLE else CLIMB
            self._rate *= 1 + step * min(now - self._grown, 10.0)
            self._grown = now


def _remember(times: deque[float], now: float) -> None:
    """Note a time, and forget those beyond the horizon."""
    times.append(now)
    while times[0] < now - HORIZON:
        times.popleft()
