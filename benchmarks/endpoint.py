"""
A server on loopback that answers every chat completion at once, with the same answer.

It does as little as HTTP allows, in a process of its own, so that what is measured is who asks.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ANSWER = "The statement binds the name to the object that the expression gives. " * 3
REPLY = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 40, "total_tokens": 240},
}
LENGTH = re.compile(rb"content-length: *(\d+)")


def _http(body: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (len(body), more) + body


KEPT = _http(json.dumps(REPLY).encode())
CLOSED = _http(json.dumps(REPLY).encode(), b"Connection: close\r\n")


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
            close = b"connection: close" in head
            self._transport.write(CLOSED if close else KEPT)  # type: ignore[attr-defined]
            if close:
                self._transport.close()


@contextmanager
def endpoint() -> Iterator[str]:
    """Serve in another process; gives the address up to and without ``/v1``."""
    command = [sys.executable, "-m", "benchmarks.endpoint"]
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


if __name__ == "__main__":
    asyncio.run(_serve())
