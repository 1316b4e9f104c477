"""
A server on loopback with the chat completions protocol and every known type of failure.

Each request gets the next behaviour listed by the test; the last one is repeated.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Thread

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """Port and log of the server: body and loop time of each request."""

    url: str
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@asynccontextmanager
async def serve(*behaviours: Behaviour, port: int = 0, **options):
    """Serve the behaviours in order; `options` go to aiohttp's AppRunner, such as keepalive_timeout."""
    server = Server("")

    async def handle(request: web.Request) -> web.StreamResponse:
        server.bodies.append(await request.json())
        server.headers.append(dict(request.headers))
        server.times.append(asyncio.get_running_loop().time())
        return await behaviours[min(len(server.bodies), len(behaviours)) - 1](request)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def reply(text="fine", finish="stop", top=(), **usage):
    """Return a valid chat completion with one token."""
    position = {"token": text, "logprob": -0.5, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}
    usage = {"prompt_tokens": 10, "completion_tokens": 1} | usage
    choice = {"message": {"content": text}, "finish_reason": finish, "logprobs": {"content": [position]}}
    return {"choices": [choice], "usage": usage}


def answers(body=None, status=200, close=False, after=0.0, **headers) -> Behaviour:
    """Answer with a JSON body or a text; `close` ends the connection, `after` is a delay in seconds."""

    async def behave(request):
        await asyncio.sleep(after)
        text = body if isinstance(body, str) else json.dumps(reply() if body is None else body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = web.Response(status=status, text=text, content_type="application/json", headers=named)
        if close:
            response.force_close()
        return response

    return behave


def half() -> Behaviour:
    """Send half of an answer and close the connection."""

    async def behave(request):
        body = json.dumps(reply()).encode()
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        request.transport.close()
        return response

    return behave


def hang_up() -> Behaviour:
    """Close the connection without a reply."""

    async def behave(request):
        request.transport.close()
        return web.Response()

    return behave


def once_a_connection(behave: Behaviour) -> Behaviour:
    """Close a connection at its second request, although the first reply has not announced it."""
    used = []

    async def behave_once(request):
        if request.transport in used:
            request.transport.close()
            return web.Response()
        used.append(request.transport)
        return await behave(request)

    return behave_once


@contextmanager
def serving(behave: Behaviour, port: int = 0):
    """Serve one behaviour from a separate thread, for runs in other processes."""
    loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), Future()

    async def work():
        async with serve(behave, port=port) as server:
            started.set_result(server)
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=[work()], daemon=True)
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def unless(poisoned: Callable[[str], bool], fault: Behaviour, brain: Callable[[str], str]) -> Behaviour:
    """Answer with a function of the last message; poisoned messages get a fault."""

    async def behave(request):
        message = (await request.json())["messages"][-1]["content"]
        return await (fault if poisoned(message) else answers(reply(brain(message))))(request)

    return behave
