"""What every engine does, and how it fails."""

from typing import Protocol

from datagen.errors import UserError
from datagen.request import Completion, Request


class EngineDied(Exception):
    """The engine is gone with every request in flight; whoever opened it may open another."""


class Unreachable(UserError):
    """A server answers nobody; the message says which, what it said last, what to do."""


class Unanswered(Exception):
    """One request kept failing while others were answered. It is asked again by the next run."""


class Engine(Protocol):
    """
    Answers requests, many at once.

    All methods are called from one event loop, which need not run in the main thread. `notices` grows by what
    the user should know while requests are out, such as that the engine waits for a server.
    """

    notices: list[str]

    async def start(self) -> None:
        """
        Get ready to answer: load the model, open the connection.

        Raises
        ------
        datagen.errors.UserError
            When it cannot; the message says what to do.
        """

    async def answer(self, request: Request, key: str) -> Completion:
        """
        Answer one request; the completion is stored under the key.

        A request that is rejected, such as one that is longer than the model's context, comes back as a
        completion with ``finish="error"``, and so does an answer that ends within its reasoning.

        Raises
        ------
        EngineDied
            When the engine is gone, with this and every other request in flight.
        Unanswered
            When this request kept failing while others were answered.
        Unreachable
            When a server answers nobody.
        """

    async def close(self) -> None:
        """End it and every process it started. Closing twice, or a dead engine, is allowed."""
