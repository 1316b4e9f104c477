"""
Soak test: send many requests to a server with a mixture of faults; none may be lost or stored twice.

``python -m benchmarks.soak --requests 20000``. Most requests meet transient faults; some are rejected, and
some always fail. The server is also unavailable for a while. Requests use the same code as in a run: engine
pool, journal, completion store.
"""

import argparse
import asyncio
import gzip
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from benchmarks import add_quick
from datagen.engines import http, openai, pace
from datagen.engines.identity import circumstances, identify
from datagen.engines.pool import EnginePool
from datagen.recipe.roles import OpenAIModel
from datagen.request import Completion, Request
from datagen.schema import content_id, fraction
from datagen.store.completions import Completions
from datagen.store.journal import Journal

POISON, REJECTED = 0.003, 0.01  # shares of requests that always fail, and that are rejected
FAULTY = 0.35  # share of faulty replies
TIMEOUT = 2.0  # seconds
AWAY = 1.0  # downtime of the server, in seconds


def proper(text: str) -> dict[str, object]:
    """Return a valid reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}


BOMB = gzip.compress(bytes(http.MAX_BYTES + 1000))
FAULTS: tuple[tuple[int, bytes, dict[str, str]], ...] = (
    (429, b"slow down", {}),
    (429, b'{"error": {"message": "slow down", "code": 429}}', {"Retry-After": "0.02"}),
    (500, b"CUDA error", {}),
    (502, b"<html>bad gateway</html>", {}),
    (503, b'{"error": "overloaded"}', {}),
    (200, b'{"error": {"message": "Rate limit exceeded", "code": 429}}', {}),
    (200, b'{"object": "error", "message": "engine is overloaded"}', {}),
    (200, b"<html>a page</html>", {}),
    (200, b"", {}),
    (200, b"null", {}),
    (200, b"[" * 100_000, {}),
    (200, b'{"choices": []}', {}),
    (200, json.dumps(proper("x") | {"choices": [{"message": {"content": 7}}]}).encode(), {}),
    (200, json.dumps(proper("x") | {"choices": [{"message": {}, "finish_reason": "error"}]}).encode(), {}),
    (200, BOMB, {"Content-Encoding": "gzip"}),
    (200, gzip.compress(b"{}" * 9000)[:50], {"Content-Encoding": "gzip"}),
    (200, b"no gzip", {"Content-Encoding": "gzip"}),
    (200, b"{}", {"Content-Encoding": "br"}),
)
ODD = ({"usage": None}, {"usage": {"prompt_tokens": "10", "completion_tokens": 1e30}}, {"usage": [1]})


class Server:
    """The server; counts the valid answers that it gave to each request."""

    def __init__(self, seed: str = "") -> None:
        self._seed, self.asked = seed, Counter[str]()
        self.given = Counter[str]()
        self.port, self._back = 0, 0.0
        self._loop = asyncio.new_event_loop()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, access_log=None)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if time.monotonic() < self._back and request.transport is not None:
            request.transport.abort()
            return web.Response()
        question = (await request.json())["messages"][-1]["content"]
        self.asked[question] += 1
        attempt = str(self.asked[question])
        if question.startswith("question"):
            kind = kind_of(question)
            if kind == "poison":
                return web.Response(status=500, text="this prompt kills me")
            if kind == "rejected":
                return web.Response(status=400, text='{"error": {"message": "context length exceeded"}}')
        if fraction(self._seed, question, attempt) < FAULTY:
            return await self._fail(request, int(content_id(self._seed, attempt, question)[:6], 16))
        self.given[question] += 1
        odd = ODD[self.asked[question] % len(ODD)] if fraction(question, "odd") < 0.1 else {}
        return web.json_response(proper(f"answer to {question}") | odd)

    async def _fail(self, request: web.Request, number: int) -> web.StreamResponse:
        which = number % (len(FAULTS) + 3)
        if which < len(FAULTS):
            status, body, headers = FAULTS[which]
            return web.Response(status=status, body=body, headers=headers)
        if which == len(FAULTS) and number % 5 == 0:
            await asyncio.sleep(2 * TIMEOUT)
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if which == len(FAULTS) + 1:  # half an answer
            await response.prepare(request)
            await response.write(json.dumps(proper("half")).encode()[:40])
        if request.transport is not None:
            request.transport.close()
        return response

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve from a separate thread; yields the URL."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        try:
            yield f"http://127.0.0.1:{self.port}/v1"
        finally:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    async def _start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = int(self._runner.addresses[0][1])

    def restart(self) -> None:
        """Drop all connections for a while."""
        self._back = time.monotonic() + AWAY


def kind_of(question: str) -> str:
    """Return the fate of a request: answered, rejected or poison."""
    share = fraction("kind", question)
    return "poison" if share < POISON else "rejected" if share < POISON + REJECTED else "answered"


def soak(number: int, folder: Path, window: int = 64) -> dict[str, float]:
    """
    Send requests and count the results.

    Returns
    -------
    counts
        Requests by their fate and all requests sent; `lost`, those that ended with neither a completion nor a
        reason; `duplicates`, completions stored beyond the first of a request, in memory or on the disk;
        `repeated`, answers given again because the first did not arrive, for example in the restart.

    Raises
    ------
    AssertionError
        If a request has the wrong result.
    """
    openai.FIRST_PAUSE, openai.LONGEST_PAUSE, pace.FIRST_PAUSE = 0.02, 0.5, 0.1  # to save time
    server = Server()
    questions = [f"question {n}" for n in range(number)]
    started = time.monotonic()
    with server.running() as url:
        spec = OpenAIModel(
            engine="openai", model="m", base_url=url, window=window, retries=12, timeout=TIMEOUT, patience=120
        )
        who, here = identify(spec), circumstances(spec)
        requests = {}
        for question in questions:
            request = Request(question, [{"role": "user", "content": question}], "p", "0", "t")
            requests[request.key(who)] = request
        journal, pool = Journal(folder, "soak"), EnginePool()
        stored, failed = Counter[str](), dict[str, str]()

        def keep(completion: Completion) -> None:
            stored[completion.key] += 1
            journal.append(replace(completion, circumstances=here) if completion.error else completion)
            if sum(stored.values()) == number // 3:
                server.restart()

        pool.generate("soak", spec, who, requests.items(), keep, failed.__setitem__)
        pool.close()
        journal.close()
    store = Completions(folder, here)
    store.settle()
    completions = store.find(list(requests))
    kinds, took_message = Counter[str](), 0
    for key, request in requests.items():
        kind = kind_of(request.row)
        kinds[kind] += 1
        if key not in completions and key not in failed:
            continue  # counted as lost
        if kind == "poison":
            assert failed[key]  # of the last attempt, which may be a timeout
            took_message += "this prompt kills me" in failed[key]
        elif kind == "rejected":
            assert completions[key].finish == "error" and "context length" in completions[key].error
        else:
            assert completions[key].text == f"answer to {request.row}", completions[key]
            assert server.given[request.row] > 0
    assert took_message >= kinds["poison"] / 2
    on_disk = Counter(
        key for segment in store.segments() for table in segment.scan([]) for key in table["key"].to_pylist()
    )
    ended = stored + Counter(list(failed))
    totals = {
        "sent": sum(server.asked.values()),
        "lost": sum(not ended[key] or (not on_disk[key] and key not in failed) for key in requests),
        "duplicates": sum(max(ended[key], on_disk[key] + (key in failed), 1) - 1 for key in requests),
        "repeated": sum(server.given.values()) - kinds["answered"] - server.given["Say yes."],
        "seconds": round(time.monotonic() - started, 1),
    }
    return {**kinds, **totals}


def main() -> None:
    """Run the soak test and print the counts; exit with 1 if a request was lost or stored twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    add_quick(parser, requests=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = soak(options.requests, Path(folder))
    print(json.dumps(counts))
    if counts["lost"] or counts["duplicates"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
