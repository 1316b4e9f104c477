"""
Any server that speaks the OpenAI chat completions protocol, over one HTTP session.

A failure that may pass (too many requests, an error of the server, a lost connection, silence, nonsense)
is tried again after a growing, jittered pause. What the server refuses for good becomes
a completion with an error. What concerns every request alike (a wrong address, a wrong key, no answer
in all tries) ends the run with one message, and nothing of it is stored.

A given text cannot be scored: the protocol has no log probabilities of what the model did not write.
"""

import asyncio
import json
import math
import os
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from datagen.engines.engine import Unreachable
from datagen.engines.identity import identify
from datagen.errors import UserError
from datagen.recipe.sections import OpenAIModel
from datagen.request import Completion, Identity, Request

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between tries
TOP_LOGPROBS = 20  # the most that the protocol allows
PASSING = {408, 409, 425, 429}  # of the 4xx, those that another try may not meet
FOR_EVERY_REQUEST = {  # and those that say nothing about the one request that met them
    401: "set the key in the environment variable {key}",
    402: "the account of the key in {key} has nothing left",
    403: "the key in {key} may not use this model",
    404: "check the recipe's base_url, which often ends in /v1, and model",
    405: "check the recipe's base_url, which often ends in /v1",
}


class Passing(Exception):
    """A failure that another try may not meet; `retry_after` is the server's wish, in seconds."""

    def __init__(self, said: str, retry_after: float = 0.0) -> None:
        super().__init__(said)
        self.retry_after = retry_after


class Nonsense(Passing):
    """A reply that is not what the protocol says."""


def body_of(request: Request, model: str, logprobs: bool = True) -> dict[str, Any]:
    """
    Translate a request to the JSON body of ``POST chat/completions``.

    `logprobs` asks for the log probability of each token, which not every server gives.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "max_tokens": 1 if request.choices else sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.repetition_penalty != 1:  # not in the protocol, but vLLM and others take it
        body["repetition_penalty"] = sampling.repetition_penalty
    if logprobs or request.choices:
        body["logprobs"] = True
    if request.choices:
        body["top_logprobs"] = TOP_LOGPROBS
    if request.schema is not None:
        schema = {"name": "answer", "schema": strict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def strict(schema: Any) -> Any:
    """Close every object of a JSON schema: all its properties and no others, as strict servers demand."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed |= {"additionalProperties": False, "required": list(schema["properties"])}
    return closed


def completion_of(reply: Any, request: Request, key: str, model: Identity) -> Completion:
    """
    Translate a server's reply.

    Raises
    ------
    Nonsense
        When it is not a chat completion.
    """
    try:
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        message, finish = choice["message"], choice["finish_reason"]
        positions = (choice.get("logprobs") or {}).get("content") or []
        refusal = message.get("refusal")
        error = f"the server refused: {refusal}" if refusal else ""
        if finish not in ("stop", "length"):
            error = error or f"the server stopped: {finish}"
        if request.choices:
            finish = "stop"  # one token was all that was asked for
            error = error or ("" if positions else "the server gave no logprobs, so it cannot choose")
        return Completion(
            key=key,
            text=message.get("content") or "",
            finish="error" if error else finish,
            model=model.name,
            revision=model.revision,
            prompt_tokens=usage.get("prompt_tokens") or 0,
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            completion_tokens=usage.get("completion_tokens") or 0,
            logprobs=tuple(float(position["logprob"]) for position in positions),
            choices=scores(positions[0]["top_logprobs"], request.choices) if positions else (),
            error=error,
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as why:
        raise Nonsense(f"not a chat completion ({type(why).__name__}: {why}): {str(reply)[:200]}") from None


def scores(top: list[Mapping[str, Any]], labels: tuple[str, ...]) -> tuple[float, ...]:
    """
    Read the log probability of each label from the likeliest first tokens.

    The protocol gives tokens as text, so a token counts for the one label that begins with it, spaces
    aside. A label that none of the tokens begins gets minus infinity.
    """
    sums = dict.fromkeys(labels, 0.0)
    for entry in top:
        token = entry["token"].strip()
        begun = [label for label in labels if token and label.startswith(token)]
        if len(begun) == 1:
            sums[begun[0]] += math.exp(entry["logprob"])
    return tuple(math.log(sums[label]) if sums[label] else -math.inf for label in labels)


def asked_pause(header: str | None, now: datetime) -> float:
    """Read a ``Retry-After`` header, which holds seconds or a date; 0 where there is none."""
    if not header:
        return 0.0
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(header) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def own_pause(attempt: int) -> float:
    """Seconds to wait after the try of this number, from 1: doubling, with jitter."""
    result: float = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)
    return result


def proxy_for(url: str) -> str | None:
    """Find the proxy that the environment names for an address."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


class OpenAIEngine:
    """Sends requests to a server, each until it is answered or the tries are used up."""

    def __init__(self, spec: OpenAIModel) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._url = f"{spec.base_url.rstrip('/')}/chat/completions"
        self._session: Any = None
        self._logprobs = True  # until the server refuses them
        self._proven = False  # the server has given a proper answer before
        self._silence = 0.0  # the server asked for none of our requests until then

    async def start(self) -> None:
        """Open the session."""
        import aiohttp

        if not self._spec.base_url.startswith(("http://", "https://")):
            raise UserError(f"models: base_url {self._spec.base_url!r} must begin with http:// or https://")
        key = os.environ.get(self._spec.api_key_env, "")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._spec.window),
            timeout=aiohttp.ClientTimeout(total=self._spec.timeout),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            proxy=proxy_for(self._url),  # trust_env would look for it at every request, in a thread
        )

    async def answer(self, request: Request, key: str) -> Completion:
        """Answer one request, trying again what may pass."""
        if request.given:
            raise UserError(
                f"the model {self._spec.model!r} is asked to score a given text, which the chat completions "
                "protocol cannot do. Serve it with engine: vllm, or leave out the stage or option that scores"
            )
        tries = self._spec.retries + 1
        for attempt in range(1, tries + 1):
            await self._keep_silence()
            try:
                return await self._try(request, key)
            except Passing as failure:
                last = failure
            asked = min(last.retry_after, self._spec.timeout)
            self._silence = max(self._silence, time.monotonic() + asked)
            if attempt < tries:
                await asyncio.sleep(own_pause(attempt))
        if isinstance(last, Nonsense) and self._proven:  # it answers others, so this request is at fault
            return self._refused(key, str(last))
        raise Unreachable(
            f"{self._url} gave no answer in {tries} tries; the last time: {last}. Is the server up, and is "
            "the recipe's base_url right? What was answered is kept: run again to go on"
        )

    async def _keep_silence(self) -> None:
        """Wait as long as the server asked, and a little longer: not all of the window at once."""
        left = self._silence - time.monotonic()
        if left > 0:
            await asyncio.sleep(left + random.uniform(0, FIRST_PAUSE))

    async def _try(self, request: Request, key: str) -> Completion:
        """Send a request once."""
        import aiohttp

        body = body_of(request, self._spec.model, self._logprobs)
        try:
            async with self._session.post(self._url, json=body) as response:
                status, text = response.status, await response.text(errors="replace")
                wish = asked_pause(response.headers.get("Retry-After"), datetime.now(UTC))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Passing(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        said = f"HTTP {status}: {text[:500]}"
        if status == 200:
            completion = completion_of(_json(text), request, key, self._identity)
            self._proven = True
            return completion
        if status >= 500 or status in PASSING:
            raise Passing(said, wish)
        if status in FOR_EVERY_REQUEST:
            advice = FOR_EVERY_REQUEST[status].format(key=self._spec.api_key_env)
            raise Unreachable(f"{self._url} refuses every request ({said}): {advice}")
        if "logprobs" in body and "logprobs" in text and not request.choices:
            self._logprobs = False
            return await self._try(request, key)
        return self._refused(key, said)

    def _refused(self, key: str, why: str) -> Completion:
        name, revision = self._identity.name, self._identity.revision
        return Completion(key, "", "error", name, revision, error=why)

    async def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Nonsense(f"not JSON: {text[:200]!r}") from None
