"""Errors that a user can fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """
    An error in the recipe, a file, the environment or anything else that the user controls.

    The message states what is wrong, where, and what to do. The command line prints it without a traceback.
    """


class BudgetSpent(Exception):
    """The run has used up its budget; the message states which, where it stopped, and how to resume."""


def similar(name: str, known: Iterable[str]) -> str:
    """Ask whether the known name most like a misspelt one was meant; "" if none is like it."""
    matches = get_close_matches(name, list(known), n=1)
    return f"did you mean {matches[0]}?" if matches else ""


def hint(name: str, known: Iterable[str]) -> str:
    """Ask whether the known name most like a misspelt one was meant; if none is like it, list all."""
    names = list(known)
    return similar(name, names) or f"there are {', '.join(names)}"
