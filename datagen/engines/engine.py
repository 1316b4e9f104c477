"""What every engine does, and how it fails."""

from typing import Protocol

from datagen.errors import UserError
from datagen.request import Completion, Request


class EngineDied(Exception):
    """The engine is gone with every request in flight; whoever opened it may open another."""


class Unreachable(UserError):
    """A server gave no answer in all tries; the message says which, what it said last, what to do."""


class Engine(Protocol):
    """
    Answers requests, many at once.

    All methods are called from one event loop, which need not run in the main thread.
    """

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

        A request that is refused for good, such as one that is longer than the model's context, comes
        back as a completion with ``finish="error"``.

        Raises
        ------
        EngineDied
            When the engine is gone, with this and every other request in flight.
        Unreachable
            When a server gave no answer in all tries.
        """

    async def close(self) -> None:
        """End it and every process it started. Closing twice, or a dead engine, is allowed."""
