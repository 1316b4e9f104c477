"""``datagen browse``: a page about a run, served to the local machine only."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import duckdb
import typer
from aiohttp import web

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.explain import to_json
from datagen.look.guard import NONCE, Guard
from datagen.look.index import PAGE, Index
from datagen.look.judging import Conflict, Judging
from datagen.look.page import render
from datagen.look.trail import Trails
from datagen.outside_json import parse
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.stages.confidence.labels.edits import FIELDS

HOST = "127.0.0.1"
INTERRUPT_SECONDS = 0.05  # between attempts to stop a query

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class Browser:
    """
    The endpoints of the page.

    Parameters
    ----------
    run
        The run.
    labels
        The file of labels.
    maximum
        Number of rows to judge per kind or task with a promise.
    """

    def __init__(self, run: Run, labels: Path, maximum: int) -> None:
        self._run = run
        self._index, self._trails = Index(run), Trails(run)
        self._judging = Judging(run, self._trails, labels, maximum)
        self._show_labels()
        self._writing = Lock()

    def close(self) -> None:
        """Delete temporary files."""
        self._index.close()

    def app(self, guard: Guard) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=[guard.middleware])
        app.router.add_get("/", self._page)
        for path, answer in (
            ("/api/row/{id}", lambda request: self._row(request.match_info["id"])),
            ("/api/queue", lambda request: self._judging.queue()),
            ("/api/edits", lambda request: self._judging.edit_list()),
        ):
            app.router.add_get(path, _json(answer))
        app.router.add_get("/api/rows", self._query(self._index.rows))
        app.router.add_get("/api/threshold", self._query(self._index.threshold))
        app.router.add_post("/api/label", self._writer(self._judge))
        app.router.add_post("/api/edit", self._writer(self._edit))
        return app

    async def _page(self, request: web.Request) -> web.Response:
        about = {
            "recipe": self._run.manifest["recipe"]["name"],
            "run": self._run.folder.name,
            "labels": str(self._judging.path),
            "scores": self._index.scores,
            "sources": await asyncio.to_thread(lambda: self._index.sources),
            "kinds": list(KINDS),
            "rows_per_page": PAGE,
            "state": self._run.manifest["state"],
            "kept": "handed off" if self._run.over else "kept so far",
        }
        return web.Response(text=render(about, request[NONCE]), content_type="text/html")

    def _query(self, answer: Callable[[Mapping[str, str], duckdb.DuckDBPyConnection], object]) -> Handler:
        """Handle requests to the index; one that the page aborts stops, which frees its cores."""

        async def handle(request: web.Request) -> web.Response:
            cursor = self._index.cursor()
            thread = asyncio.ensure_future(asyncio.to_thread(answer, request.query, cursor))
            try:
                return await _respond(lambda: asyncio.shield(thread))
            except asyncio.CancelledError:
                while not thread.done():
                    cursor.interrupt()  # without effect between two queries
                    await asyncio.wait([thread], timeout=INTERRUPT_SECONDS)
                thread.exception()  # retrieved, so that asyncio does not log it
                raise

        return handle

    def _row(self, name: str) -> JsonObject:
        trail = self._trails.follow(name)
        details = to_json(trail, self._trails.requests(trail.requests))
        fields = () if trail.last.why_fixed else FIELDS[trail.row["kind"]]
        return details | {
            "verdict": self._judging.verdicts().get(name),
            "may_judge": self._judging.may_judge(name),
            "editable": [field for field in fields if trail.row.get(field)],
            **self._judging.edit_of(trail),
        }

    def _judge(self, body: JsonObject) -> JsonObject:
        name, verdict = body.get("id"), body.get("verdict")
        if not isinstance(name, str) or not isinstance(verdict, str):
            raise UserError("a verdict is an object with id and verdict")
        return self._labelled(self._judging.judge(name, verdict))

    def _edit(self, body: JsonObject) -> JsonObject:
        name, texts = body.get("id"), body.get("edit")
        if not isinstance(name, str) or not isinstance(texts, dict):
            raise UserError("an edit is an object with id and edit, an object of texts by field")
        if not all(isinstance(text, str) for text in texts.values()):
            raise UserError("the new texts of an edit should be texts")
        seen = body.get("seen")
        if not isinstance(seen, dict | None):
            raise UserError("the edit seen should be an object of texts by field")
        return self._labelled(self._judging.edit(name, texts, seen))

    def _writer(self, write: Callable[[JsonObject], object]) -> Handler:
        """Handle requests that write into the file of labels, one at a time."""

        def work(content: bytes) -> object:
            try:
                body = parse(content)
            except ValueError:
                body = None
            if not isinstance(body, dict):
                raise UserError("the body should be a JSON object")
            with self._writing:
                return write(body)

        async def handle(request: web.Request) -> web.Response:
            async def answer() -> object:
                return await asyncio.to_thread(work, await request.read())

            return await _respond(answer)

        return handle

    def _labelled(self, label: JsonObject) -> JsonObject:
        self._show_labels()
        return dict(label)

    def _show_labels(self) -> None:
        edits = {name: edit.state for name, edit in self._judging.edits().items()}
        self._index.set_labels(self._judging.verdicts(), edits)


def browse(run: Run, labels: Path | None, maximum: int, port: int) -> None:
    """
    Serve the page until the command is stopped.

    Parameters
    ----------
    run
        The run.
    labels
        The file of labels; None: ``labels.jsonl`` in the run's folder.
    maximum
        Number of rows to judge per kind or task with a promise.
    port
        0: any free port.

    Raises
    ------
    UserError
        If the run has no rows yet, or the port is in use.
    """
    with socket.create_server((HOST, 0)) if port == 0 else _listen(port) as listening:
        port = listening.getsockname()[1]
        guard = Guard(port)
        labels = (labels or run.folder / "labels.jsonl").absolute()
        typer.echo(f"reading the rows of {run.folder}")
        browser = Browser(run, labels, maximum)
        try:
            typer.echo(f"labels  {labels}")
            typer.echo(f"open http://{HOST}:{port}/?token={guard.token}  (Ctrl-C to stop)")
            asyncio.run(serve(browser.app(guard), listening))
        finally:
            browser.close()


async def serve(app: web.Application, listening: socket.socket) -> None:
    """Serve the application at a socket until cancelled."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UserError(
            f"port {port} cannot be used: {error.strerror}. Omit --port to use any free port"
        ) from error


def _json(answer: Callable[[web.Request], object]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return await _respond(lambda: asyncio.to_thread(answer, request))

    return handle


async def _respond(work: Callable[[], Awaitable[object]]) -> web.Response:
    """Respond with JSON, or with the error."""
    value: object
    try:
        value, status = await work(), 200
    except Conflict as error:
        value, status = {"error": str(error)}, 409
    except UserError as error:
        value, status = {"error": str(error)}, 400
    except web.HTTPRequestEntityTooLarge as error:
        value, status = {"error": f"the text is too long: {error.text}"}, error.status
    except (OSError, duckdb.IOException) as error:  # such as a file that was deleted, or a full disk
        value, status = {"error": f"the server cannot read or write a file: {error}"}, 500
    return web.json_response(value, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))
