"""
The engine for servers with the OpenAI chat completions protocol.

`datagen.engines.chat_body` builds the requests, `datagen.engines.reply` and `datagen.engines.protocol` read
the replies, and `datagen.engines.pace` controls the rate. This module handles failed requests:

* Transient failures are retried. A request that keeps failing while the server answers others ends as
  `Unanswered`. If there are no others to compare with, the engine sends a *check*: a one-token request that
  any model can answer.
* The run ends only if the server fails the check too: at once if it refuses or no connection is possible,
  after the model's `patience` if it is unavailable.

Scoring a given text is not supported: the protocol has no log probabilities of text that the model did not
generate.
"""

import asyncio
import math
import os
import random
import time
from dataclasses import replace

from pydantic_core import to_json

from datagen.engines.chat_body import Dialect, body_of, limit_of, most_bytes
from datagen.engines.engine import Unanswered, Unreachable
from datagen.engines.error_body import message_in
from datagen.engines.failures import (
    Away,
    Busy,
    Failure,
    Faulty,
    Hopeless,
    Lost,
    Refused,
    Rejected,
    Transient,
    of_status,
    why_unreachable,
)
from datagen.engines.http import Connection, Response, chat_url
from datagen.engines.identity import identify
from datagen.engines.pace import Pace
from datagen.engines.protocol import completion_of, is_other_model, reported
from datagen.engines.reply import read_reply
from datagen.errors import UserError
from datagen.reasoning import begins
from datagen.recipe.roles import CONTROL, OpenAIModel
from datagen.redaction import mask_secrets, split_credentials
from datagen.request import Completion, Request, Sampling

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries of one request
BUSY_TRIES = 10  # factor on the number of tries while the server is busy or unavailable
BUSY_PAUSE = 1.0  # maximum seconds before a request that a busy server refused queues again
ALL_REJECTED = 16  # rejections without any answer before the check is sent
NOTICE_AFTER, NOTICE_SECONDS = 3.0, 60.0  # seconds of waiting before the first notice, and between notices
CHECK = Request("", [{"role": "user", "content": "Say yes."}], "", "", "check", Sampling(max_tokens=1))
AGAIN = "Completions received so far are stored; the same command sends only the other requests"


def own_pause(attempt: int) -> float:
    """Return the seconds to wait after a try (numbered from 1): exponential backoff with jitter."""
    result: float = min(FIRST_PAUSE * 2 ** min(attempt - 1, 16), LONGEST_PAUSE) * random.uniform(0.5, 1)
    return result


class _Trial:
    """Failure counts of one request."""

    def __init__(self) -> None:
        self.last = math.inf  # time of the last failure
        self.proven = False  # whether the server was up between the last two tries
        self.tries = self.faults = self.waits = 0

    def count(self, failure: Failure) -> None:
        self.last = time.monotonic()
        self.tries += 1
        if isinstance(failure, Busy | Away):
            self.waits += 1
        else:
            self.faults += 1

    def over(self, retries: int) -> bool:
        return self.faults > retries or self.waits > BUSY_TRIES * (retries + 1)


class OpenAIEngine:
    """Sends requests to a server, each until it is answered, rejected or has used up its tries."""

    def __init__(self, spec: OpenAIModel) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._name = mask_secrets(spec.base_url)
        self._connection: Connection | None = None
        self._dialect, self._pace = Dialect(), Pace(spec.window)
        self._rejections = 0  # before the first answer
        self._opened = False  # the chat template writes the opening reasoning tag; answers have only the end
        self._checking = asyncio.Lock()
        self._checked: tuple[float, Failure | None] = (-math.inf, None)  # start and result of the last check
        self._noticed = -math.inf
        self.notices: list[str] = []
        self._told: set[str] = set()

    async def start(self) -> None:
        """Open the session."""
        base, spec = self._spec.base_url, self._spec
        try:
            address, credentials = split_credentials(base)
        except ValueError as error:
            raise UserError(f"models: base_url {self._name!r} is not a valid URL: {error}") from None
        if not base.startswith(("http://", "https://")):
            raise UserError(f"models: base_url {self._name!r} must begin with http:// or https://")
        key = os.environ.get(spec.api_key_env, "").strip()  # keys from files often end in a line break
        if CONTROL.search(key):
            raise UserError(
                f"the environment variable {spec.api_key_env} is not a valid key: it contains a line break "
                "or another control character. Set it to the key only"
            )
        self._connection = Connection(
            chat_url(address), credentials, key, spec.headers, spec.window, spec.timeout
        )

    async def answer(self, request: Request, key: str) -> Completion:
        """Answer one request; retry transient failures."""
        if request.given:
            raise UserError(
                f"a stage asks the model {self._spec.model!r} to score a given text, which the chat "
                "completions protocol does not support. Use engine: vllm, or remove the stage or option that "
                "scores"
            )
        trial = _Trial()
        while True:
            trial.proven = self._up_since(trial.last)
            try:
                return await self._send(request, key)
            except Rejected as failure:
                await self._count_rejection(failure)
                return self._rejected(key, failure)
            except Failure as failure:
                trial.count(failure)
                if await self._is_over(failure, trial):
                    if isinstance(failure, Refused):
                        return self._rejected(key, failure)
                    raise Unanswered(f"no answer (attempts: {trial.tries}); last error: {failure}") from None
                pause = own_pause(trial.tries)
                if isinstance(failure, Busy):
                    pause = min(pause / 4, BUSY_PAUSE)  # short, because the pace limits the rate
                self._notice(failure)
            await asyncio.sleep(pause)

    async def _is_over(self, failure: Failure, trial: _Trial) -> bool:
        """
        Decide whether to stop retrying a failed request, because the server answers others.

        The server must have been up before the last try. An answer after it proves nothing: the failures may
        be those of an outage that has just ended.

        Raises
        ------
        Unreachable
            If the server answers no request, and waiting does not help or the patience is used up.
        """
        too_long = isinstance(failure, Busy) and failure.retry_after > self._spec.patience
        if isinstance(failure, Hopeless):
            raise self._unreachable(failure, trial)
        may_retry = isinstance(failure, Transient) and not trial.over(self._spec.retries) and not too_long
        if may_retry and self._pace.down <= self._spec.patience:
            if isinstance(failure, Faulty) and self._pace.away:  # perhaps only faulty requests remain
                await self.check()
            return False
        if trial.proven and not may_retry:
            return True
        verdict = await self.check(at_once=self._pace.down > self._spec.patience)
        if verdict is None or isinstance(verdict, Rejected):  # the server is up and reads requests
            return False
        proven = self._pace.answered_at > -math.inf
        waiting = isinstance(verdict, Away | Busy | Lost) or (isinstance(verdict, Transient) and proven)
        if isinstance(failure, Refused) and trial.over(self._spec.retries):  # it answers, so it is never down
            raise self._unreachable(failure, trial)
        if not waiting or too_long or self._pace.down > self._spec.patience:
            raise self._unreachable(verdict, trial)
        return False

    def _up_since(self, moment: float) -> bool:
        """Check whether the server has answered a request or a check that was sent after a moment."""
        begun, verdict = self._checked
        checked = begun > moment and (verdict is None or isinstance(verdict, Rejected))
        return checked or self._pace.answered_at > moment

    async def _count_rejection(self, failure: Rejected) -> None:
        """End the run if the server has answered nothing yet and rejects even the check."""
        self._rejections += 1
        if self._pace.answered_at > -math.inf or self._rejections != ALL_REJECTED:
            return
        if isinstance(verdict := await self.check(), Rejected):
            raise Unreachable(
                f"{self._name} rejected all of the first {self._rejections} requests; the last error: "
                f"{failure}. It also rejects a minimal request: {verdict}. Change the request fields with "
                f"the model's options in the recipe; null removes a field. {AGAIN}"
            )

    async def check(self, at_once: bool = False) -> Failure | None:
        """
        Send the check. Returns the failure, or None if it succeeds.

        With `at_once` it waits for no pause and for no other request. Otherwise a server that answers nothing
        would get each waiting request first, with a pause of a minute before each.
        """
        called = time.monotonic()
        async with self._checking:
            if self._checked[0] < called:  # otherwise another request has checked in the meantime
                begun, verdict = time.monotonic(), None  # type: float, Failure | None
                try:
                    await self._send(CHECK, "", at_once)
                except Failure as failure:
                    verdict = failure
                self._checked = (begun, verdict)
            return self._checked[1]

    async def _send(self, request: Request, key: str, at_once: bool = False) -> Completion:
        """Send a request once, and report the result to the pace."""
        epoch = await self._pace.begin(at_once)
        try:
            completion = await self._ask(request, key)
        except Busy as failure:
            honoured = failure.retry_after <= self._spec.patience
            self._pace.refused(failure.retry_after if honoured else 0.0, epoch)
            raise
        except Transient as failure:
            self._pace.failed(overloaded=isinstance(failure, Away | Lost))
            raise
        except Failure:
            self._pace.heard()
            raise
        finally:
            self._pace.end()
        self._pace.answered()
        return completion

    async def _ask(self, request: Request, key: str) -> Completion:
        assert self._connection is not None, "start the engine first"
        body = body_of(request, self._spec, self._dialect)
        while True:
            sent, limit = to_json(body), limit_of(body)
            response = await self._connection.post(sent, most_bytes(body, len(sent), limit))
            if response.status in (200, 201):
                return self._read(response, request, key, limit)
            failure = self._failure(response)
            if not isinstance(failure, Rejected):
                raise failure
            self._dialect.learn(body, response.text, bool(request.choices))
            rejected, body = body, body_of(request, self._spec, self._dialect)
            if body == rejected:
                raise failure

    def _read(self, response: Response, request: Request, key: str, limit: int) -> Completion:
        connection = self._connection
        assert connection is not None
        try:
            reply = read_reply(response.text)
            counts = reported(reply, request, limit)
            completion = completion_of(reply, request, key, self._identity, self._opened, counts)
        except Busy as failure:
            raise Busy(connection.clean(str(failure)), response.retry_after) from None
        except Refused as failure:
            raise Refused(connection.clean(str(failure)), failure.status) from None
        except Failure as failure:
            raise type(failure)(connection.clean(str(failure))) from None
        if is_other_model(reply.model, self._spec.model) and request is not CHECK:
            self._notify_once(
                "model",
                f"{self._name} says that {connection.clean(reply.model, 80)!r} answers, not "
                f"{self._spec.model!r}. Rows state the latter, the recipe's model",
            )
        message = reply.choices[0].message
        self._opened |= bool(completion.reasoning) and not (message.thought or begins(message.text))
        prompt_tokens, completion_tokens = counts
        if (not prompt_tokens or completion_tokens is None) and request is not CHECK:
            self._notify_once(
                "tokens",
                f"{self._name} reports no token counts, or impossible ones. They are taken from its log "
                "probabilities or estimated from the length of the text, so a token budget is approximate",
            )
        if completion.error:
            return self._rejected(key, Rejected(connection.clean(completion.error)), completion)
        return completion

    def _failure(self, response: Response) -> Failure:
        """Classify an unsuccessful reply."""
        assert self._connection is not None
        body = self._connection.clean(response.text, 2000)
        message = self._connection.clean(message_in(response.text))
        return of_status(response.status, f"HTTP {response.status}: {message}", response.retry_after, body)

    def _rejected(self, key: str, why: Failure, answer: Completion | None = None) -> Completion:
        name, revision = self._identity.name, self._identity.revision
        return replace(answer or Completion(key, "", "error", name, revision), finish="error", error=str(why))

    def _unreachable(self, failure: Failure, trial: _Trial) -> Unreachable:
        spec = self._spec
        why = why_unreachable(failure, spec.api_key_env, spec.patience, self._pace.down, trial.tries)
        return Unreachable(f"{self._name} {why}. {AGAIN}")

    def _notice(self, failure: Failure) -> None:
        """Notify the user at intervals that the run waits for the server."""
        now, quiet = time.monotonic(), self._pace.quiet
        if max(quiet, self._pace.down) > NOTICE_AFTER and now - self._noticed > NOTICE_SECONDS:
            self._noticed = now
            self.notices.append(
                f"waiting for {self._name}, which has answered nothing for {self._pace.down:,.0f} seconds "
                f"({failure}). The run stops after {self._spec.patience:,.0f} seconds (patience)"
            )

    def _notify_once(self, about: str, notice: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self.notices.append(notice)

    async def close(self) -> None:
        """Close the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
