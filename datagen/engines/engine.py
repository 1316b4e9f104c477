"""The interface of engines, and their errors."""

from typing import Protocol

from datagen.errors import UserError
from datagen.request import Completion, Request


class EngineDied(Exception):
    """The engine died, with every request in flight; the caller may open another."""


class Unreachable(UserError):
    """A server answers no request; the message names it, its last error, and what to do."""


class Unanswered(Exception):
    """One request kept failing while others were answered. The next run retries it."""


class Engine(Protocol):
    """
    Answers many requests concurrently.

    All methods are called from one event loop, which need not run in the main thread. `notices` collects
    messages for the user while requests are in flight, for example that the engine waits for a server.
    """

    notices: list[str]

    async def start(self) -> None:
        """
        Get ready to answer: load the model, open the connection.

        Raises
        ------
        datagen.errors.UserError
            If that fails; the message states what to do.
        """

    async def answer(self, request: Request, key: str) -> Completion:
        """
        Answer one request; `key` becomes the completion's key.

        A rejected request, such as one longer than the model's context, gives a completion with
        ``finish="error"``; so does an answer that ends within its reasoning.

        Raises
        ------
        EngineDied
            If the engine died, with this and every other request in flight.
        Unanswered
            If this request kept failing while others were answered.
        Unreachable
            If a server answers no request.
        """

    async def close(self) -> None:
        """Stop the engine and every process it started. May be called twice, or on a dead engine."""
