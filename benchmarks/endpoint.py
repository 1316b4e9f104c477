"""
A loopback server that answers every chat completion at once, with the same answer.

It does as little as HTTP allows, in a separate process, so that only the client is measured. It can also
limit the requests per second and be unavailable for a while: ``endpoint(rate=10, away=(5, 10))``.
``python -m benchmarks.endpoint --measure 300 --peer datadesigner=PYTHON`` compares the time that datagen and
other clients take with the minimum at this limit.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import add_quick

ANSWER = "The statement binds the name to the object that the expression gives. " * 3
REPLY = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 40, "total_tokens": 240},
}
LENGTH = re.compile(rb"content-length: *(\d+)")


def _http(body: bytes, more: bytes = b"", status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (len(body), more) + body


KEPT = _http(json.dumps(REPLY).encode())
CLOSED = _http(json.dumps(REPLY).encode(), b"Connection: close\r\n")


REFUSED = _http(b"slow down", status=b"429 Too Many Requests")


class _Limits:
    """Limit of requests per second (0: none); start and end of the downtime, in seconds after the first."""

    rate, start, end = 0, 0.0, 0.0
    first, second, taken = 0.0, 0, 0

    @classmethod
    def away(cls) -> bool:
        cls.first = cls.first or time.monotonic()
        return cls.start <= time.monotonic() - cls.first < cls.end

    @classmethod
    def admit(cls) -> bool:
        second = int(time.monotonic())
        cls.second, cls.taken = second, (cls.taken if second == cls.second else 0) + 1
        return not cls.rate or cls.taken <= cls.rate


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            head = self._received[:end].lower()
            length = LENGTH.search(head)
            end += int(length[1]) if length else 0
            if len(self._received) < end:
                return
            self._received = self._received[end:]
            if _Limits.away():
                self._transport.abort()  # type: ignore[attr-defined]
                return
            close = b"connection: close" in head
            answer = (CLOSED if close else KEPT) if _Limits.admit() else REFUSED
            self._transport.write(answer)  # type: ignore[attr-defined]
            if close:
                self._transport.close()


@contextmanager
def endpoint(rate: int = 0, away: tuple[float, float] = (0, 0)) -> Iterator[str]:
    """Serve in another process; yields the URL without ``/v1``."""
    command = [sys.executable, "-m", "benchmarks.endpoint", f"--rate={rate}"]
    command += [f"--start={away[0]}", f"--end={away[1]}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def measure(number: int, rate: int, away: tuple[float, float]) -> tuple[float, int]:
    """Send requests; return the duration in seconds, and the number of requests without an answer."""
    from datagen.engines.identity import identify
    from datagen.engines.pool import EnginePool
    from datagen.recipe.roles import OpenAIModel
    from datagen.request import Completion, Request

    with endpoint(rate, away) as url:
        spec = OpenAIModel(engine="openai", model="m", base_url=f"{url}/v1")
        messages = [{"role": "user", "content": "?"}]
        requests = [(str(n), Request(str(n), messages, "p", "0", "t")) for n in range(number)]
        kept: list[Completion] = []
        pool, started = EnginePool(), time.monotonic()
        pool.generate("measure", spec, identify(spec), requests, kept.append, lambda key, why: None)
        seconds = time.monotonic() - started
        pool.close()
    return seconds, number - len({done.key for done in kept})


def measure_peer(
    name: str, python: str, number: int, rate: int, away: tuple[float, float]
) -> tuple[float, int]:
    """Send requests with a peer, in its own interpreter; return seconds and the number without an answer."""
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    with endpoint(rate, away) as url, tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies.jsonl"
        bodies.write_text(f"{json.dumps(body)}\n" * number)
        command = [python, "benchmarks/engine_peers.py", name, url, str(bodies)]
        started = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20 * number / rate)
            report = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, json.JSONDecodeError, IndexError):  # it never ended, or failed
            return time.monotonic() - started, number
    return report["seconds"], number - report["answers"]


def main() -> None:
    """Serve; or measure datagen and peers against 10 requests per second, then with an outage of 10 s."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--start", type=float, default=0)
    parser.add_argument("--end", type=float, default=0)
    parser.add_argument("--measure", type=int, default=0, help="requests")
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON; see engine_peers.py")
    add_quick(parser, measure=60)
    options = parser.parse_args()
    if not options.measure:
        _Limits.rate, _Limits.start, _Limits.end = options.rate, options.start, options.end
        asyncio.run(_serve())
        return
    figures: dict[str, dict[str, object]] = {}
    for away in ((0.0, 0.0), (5.0, 15.0)):
        least = options.measure / 10 + away[1] - away[0]
        results = {"datagen": measure(options.measure, 10, away)}
        for peer in options.peer:
            name, _, python = peer.partition("=")
            results[name] = measure_peer(name, python, options.measure, 10, away)
        for name, (seconds, lost) in results.items():
            figures.setdefault(f"away {away[1] - away[0]:.0f} s", {})[name] = {
                "seconds": round(seconds, 1),
                "of_minimum": round(seconds / least, 3),
                "lost": lost,
            }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
