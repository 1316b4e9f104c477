"""What is known about a row: its passage, its requests, its scores, and the outcome of each stage."""

import json
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

from datagen.json_types import JsonObject
from datagen.report.evidence import Spans
from datagen.schema import EXAMPLES, KINDS, ORIGINAL


@dataclass(frozen=True)
class Step:
    """
    The outcome of a stage for the row.

    Parameters
    ----------
    stage
        Its name.
    outcome
        ``made``, ``kept``, ``edited`` by a person, or ``dropped``.
    reason, detail
        Why the row was dropped.
    scores
        Scores that the stage added.
    """

    stage: str
    outcome: str
    reason: str = ""
    detail: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request of a row, and its raw answer; both empty if they are not stored."""

    key: str
    prompt: str
    messages: list[dict[str, str]]
    answer: str
    finish: str
    model: str


class LastRow(NamedTuple):
    """A row as after the last stage that it reached, and why it cannot be edited; "" if it can."""

    row: JsonObject
    why_fixed: str


@dataclass(frozen=True)
class Trail:
    """
    A row and its history.

    Parameters
    ----------
    row
        As after the last stage that it reached.
    passage
        The passage it is about, with its evidence marked.
    steps
        Stages in their order.
    related
        (relation, id, stage, text).
    """

    row: JsonObject
    passage: Spans
    steps: list[Step]
    related: list[tuple[str, str, str, str]]

    @property
    def last(self) -> LastRow:
        """The row, and why it cannot be edited."""
        first = self.steps[0]
        return LastRow(self.row, reason_fixed(self.row, first.stage, first.outcome == "dropped"))

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the row's present text."""
        return {name: value for name, value in self.row.items() if is_score(name, value) and isfinite(value)}

    @property
    def earlier_turns(self) -> list[dict[str, str]]:
        """The messages before the question, such as a system message; empty for most rows."""
        return list(self.row.get("prompt") or [])[:-1]

    @property
    def original(self) -> dict[str, str]:
        """The texts that a person's edit replaced; empty for most rows."""
        return dict(json.loads(self.row.get(ORIGINAL) or "{}"))

    @property
    def requests(self) -> list[str]:
        """The keys of the row's requests."""
        return list((self.row.get("lineage") or {}).get("requests") or [])


def reason_fixed(row: JsonObject, stage: str, dropped: bool) -> str:
    """Return why an edit of a row cannot be applied, given the stage that made it; "" if it can."""
    if dropped:
        return f"{stage} dropped it when it was made"
    return "" if row.get("kind") in KINDS else "it is not an example"


def is_score(name: str, value: object) -> bool:
    """Check whether a column of a row is a score that a stage added."""
    own = name in EXAMPLES.names and name != "logprob"
    return isinstance(value, float) and not own
