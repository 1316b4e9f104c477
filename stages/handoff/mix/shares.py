"""
Shares: how many rows or tokens of which part go into which phase of training.

Rows that the same parts take in all phases are a *cell*. Whole cells are reckoned with first; then the rows
of a cell go to its parts in the order of their draws. So which rows are taken depends on their ids, and a
refresh that adds rows to one part leaves those of the others where they were.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import Kind
from datagen.stages.handoff.mix.ledger import Draws, Flags, Ledger, Numbers, matches

REST = "rest"  # the part of the rows that no part names
STEPS = 60  # of the bisection
EXACT = 1e-9


class Part(datagen.stage.Options):
    """Rows by kind, task, source and domain: all that are given hold. Patterns have ``*`` for anything."""

    share: float = Field(gt=0, le=1, description="Share of the phase")
    kind: Kind | None = Field(None, description="Kind of example")
    task: str = Field("*", description="Task, or a pattern; `general` for replayed data")
    source: str = Field("*", description="Source of the document, or a pattern")
    domain: str = Field("*", description="A domain of `domains`, or a pattern")

    def takes(self, known: dict[str, str]) -> bool:
        """Say whether rows with these traits belong here."""
        of_kind = self.kind in (None, known["kind"])
        return of_kind and all(
            matches(known[name], [getattr(self, name)]) for name in ("task", "source", "domain")
        )


class Phase(datagen.stage.Options):
    """A stretch of training with shares of its own."""

    share: float = Field(1, gt=0, le=1, description="Share of the whole mixture")
    parts: dict[str, Part] = Field(
        min_length=1, description="Parts by name; a row belongs to the first that takes it"
    )

    @model_validator(mode="after")
    def _not_over_one(self) -> "Phase":
        if sum(part.share for part in self.parts.values()) > 1 + EXACT:
            raise ValueError("the shares of a phase add up to more than 1")
        return self

    def shares(self) -> dict[str, float]:
        """List the parts with their shares; what is left over is for the rows that no part takes."""
        named = {name: part.share for name, part in self.parts.items()}
        left = 1 - sum(named.values())
        return named | ({REST: left} if left > EXACT else {})

    def part_of(self, known: dict[str, str]) -> str | None:
        """Name the part of rows with these traits."""
        found = next((name for name, part in self.parts.items() if part.takes(known)), REST)
        return found if found in self.shares() else None


@dataclass
class Allotment:
    """Of each row its phase, from 0, -1 where it is left out; and the name of its part."""

    phases: Numbers
    parts: npt.NDArray[np.object_]
    total: float


def allot(
    ledger: Ledger,
    free: Flags,
    weights: Draws,
    phases: list[Phase],
    total: int | None,
    shortage: Literal["error", "fill"],
) -> Allotment:
    """
    Choose the rows of each phase and part.

    Parameters
    ----------
    ledger
        All rows.
    free
        The rows that may be chosen.
    weights
        What each counts for: 1, or its tokens.
    phases
        What is asked for.
    total
        Rows or tokens of the mixture; None: as many as the scarcest part has room for.
    shortage
        What happens when a part has fewer than its share of the total: an error, or others fill its place.

    Raises
    ------
    UserError
        Naming what is missing.
    """
    belongs = [tuple(phase.part_of(known) for phase in phases) for known in ledger.combinations]
    cells = {key: number for number, key in enumerate(dict.fromkeys(belongs))}
    of_row = np.array([cells[key] for key in belongs] or [0], np.int64)[ledger.traits]
    available: Draws = np.bincount(of_row[free], weights[free], len(cells)).astype(np.float64)
    asked = {
        (number, name): phase.share * share
        for number, phase in enumerate(phases)
        for name, share in phase.shares().items()
    }
    if total is None:
        size = _largest(asked, list(cells), available)
        if size <= 0:
            _, short = _fill(asked, list(cells), available)
            raise UserError(
                f"mix: {_names(short or asked)} has no rows, so there is no mixture with its share"
            )
    else:
        size = float(total)
        _, short = _fill({key: share * size for key, share in asked.items()}, list(cells), available)
        if short and shortage == "error":
            missing = "; ".join(
                f"{_names([key])}: {asked[key] * size:,.0f} asked for, {lack:,.0f} missing"
                for key, lack in short.items()
            )
            raise UserError(
                f"mix: too little for a mixture of {total:,}: {missing}. Lower total, change the shares, add "
                "data, or say shortage: fill to have the other parts fill its place"
            )
    taken = _filled(asked, list(cells), available, size)
    return _rows(ledger, free, weights, of_row, taken, size)


Key = tuple[int, str]


def _filled(
    asked: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws, size: float
) -> dict[tuple[int, Key], float]:
    """Take each part's share of the size; where parts fall short, the others fill their place."""
    wanted = {key: share * size for key, share in asked.items()}
    taken, short = _fill(wanted, cells, available)
    while short:  # and shortage is fill
        whole = [key for key in wanted if key not in short and asked[key] > 0]
        lack = sum(short.values())
        wanted = {key: amount - short.get(key, 0.0) for key, amount in wanted.items()}
        base = sum(asked[key] for key in whole)
        if not whole or lack < 0.5:
            break
        for key in whole:
            wanted[key] += lack * asked[key] / base
        taken, short = _fill(wanted, cells, available)
    return taken


def _fill(
    wanted: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws
) -> tuple[dict[tuple[int, Key], float], dict[Key, float]]:
    """Take amounts from cells, those first that no other phase can use; return them, and what is missing."""
    left = available.copy()
    taken: dict[tuple[int, Key], float] = {}
    short: dict[Key, float] = {}
    for key, amount in wanted.items():
        phase, name = key
        mine = [number for number, parts in enumerate(cells) if parts[phase] == name]
        mine.sort(key=lambda number: sum(part is not None for part in cells[number]))
        for number in mine:
            got = min(amount, left[number])
            if got > 0:
                taken[number, key] = got
                left[number] -= got
                amount -= got
        if amount > max(EXACT, 1e-9 * wanted[key]):
            short[key] = amount
    return taken, short


def _largest(asked: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws) -> float:
    """Find the size of the largest mixture for which nothing is missing."""
    low, high = 0.0, float(available.sum())
    for _ in range(STEPS):
        middle = (low + high) / 2
        short = _fill({key: share * middle for key, share in asked.items()}, cells, available)[1]
        low, high = (low, middle) if short else (middle, high)
    return low if low >= 0.5 else 0.0  # less than a row


def _rows(
    ledger: Ledger,
    free: Flags,
    weights: Draws,
    of_row: Numbers,
    taken: dict[tuple[int, Key], float],
    size: float,
) -> Allotment:
    """Hand the rows of each cell out in the order of their draws."""
    found = Allotment(np.full(len(ledger), -1, np.int64), np.full(len(ledger), "", object), size)
    for cell in sorted({cell for cell, _ in taken}):
        rows = np.flatnonzero(free & (of_row == cell))
        rows = rows[np.argsort(ledger.draws[rows], kind="stable")]
        middle = np.cumsum(weights[rows]) - weights[rows] / 2
        start = 0.0
        for (number, (phase, name)), amount in taken.items():
            if number == cell:
                mine = rows[(middle >= start) & (middle < start + amount + EXACT)]
                found.phases[mine], found.parts[mine] = phase, name
                start += amount
    return found


def _names(keys: "dict[Key, float] | list[Key]") -> str:
    return ", ".join(f"part {name!r} of phase {phase + 1}" for phase, name in keys)
