"""A browser, a finished run, and `datagen browse` serving it."""

import asyncio
import contextlib
import socket
import threading

import pytest

from datagen.look.guard import Guard
from datagen.look.server import HOST, Browser, serve
from datagen.run.folder import open_run
from tests.support import chromium, finished


@pytest.fixture(scope="module")
def browser():
    with chromium.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished.write(tmp_path_factory.mktemp("run"))


@pytest.fixture
def address(run, tmp_path):
    """Serve the page from a thread and return its address."""
    with contextlib.closing(Browser(open_run(run), tmp_path / "labels.jsonl", 12)) as page:
        listening = socket.create_server((HOST, 0))
        guard = Guard(listening.getsockname()[1])
        loop = asyncio.new_event_loop()
        serving = loop.create_task(serve(page.app(guard), listening))
        thread = threading.Thread(target=_complete, args=(loop, serving))
        thread.start()
        yield f"http://{HOST}:{listening.getsockname()[1]}/?token={guard.token}"
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()


def _complete(loop, task):
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
