"""
Allocate rows to the phases and parts of the mixture, by shares of rows or tokens.

Rows that belong to the same part in every phase form a *cell*. Amounts are first allocated per cell; then
each cell's rows are assigned to its parts in pseudo-random order by id. Adding rows to one part therefore
does not change the rows of the others.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import Kind
from datagen.stages.handoff.mix.ledger import Draws, Flags, Ledger, Numbers, Traits, matches

REST = "rest"  # the part for rows that match no other part
STEPS = 60  # steps of the bisection
EXACT = 1e-9


class Part(datagen.stage.Options):
    """Rows that match all given criteria: kind, task, source and domain. ``*`` matches anything."""

    share: float = Field(gt=0, le=1, description="Share of the phase")
    kind: Kind | None = Field(None, description="Kind of example")
    task: str = Field("*", description="Task, or a pattern; `general` for replay data")
    source: str = Field("*", description="Source of the document, or a pattern")
    domain: str = Field("*", description="A domain of `domains`, or a pattern")

    def takes(self, traits: Traits) -> bool:
        """Check whether rows with these traits match."""
        return (
            self.kind in (None, traits.kind)
            and matches(traits.task, [self.task])
            and self.source in traits.sources
            and matches(traits.domain, [self.domain])
        )


class Phase(datagen.stage.Options):
    """A phase of training with its own shares."""

    share: float = Field(1, gt=0, le=1, description="Share of the whole mixture")
    parts: dict[str, Part] = Field(
        min_length=1, description="Parts by name; a row belongs to the first that it matches"
    )

    @model_validator(mode="after")
    def _valid_parts(self) -> "Phase":
        if REST in self.parts:
            raise ValueError(f"the name {REST!r} is reserved for rows that match no part")
        if sum(part.share for part in self.parts.values()) > 1 + EXACT:
            raise ValueError("the shares of a phase add up to more than 1")
        return self

    def shares(self) -> dict[str, float]:
        """Return the share of each part; the remainder is for rows that match no part."""
        named = {name: part.share for name, part in self.parts.items()}
        remainder = 1 - sum(named.values())
        return named | ({REST: remainder} if remainder > EXACT else {})

    def part_of(self, traits: Traits) -> str | None:
        """Return the part of rows with these traits, if any."""
        name = next((name for name, part in self.parts.items() if part.takes(traits)), REST)
        return name if name in self.shares() else None


@dataclass
class Allotment:
    """
    Each row's phase (from 0; -1: not in the mixture) and part.

    ``total`` is the requested size, ``reached`` what there is of it: less if no part has more rows.
    """

    phases: Numbers
    parts: npt.NDArray[np.object_]
    total: float
    reached: float


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
        Flags of the rows that may be chosen.
    weights
        Weight of each row: 1, or its tokens.
    phases
        The requested phases.
    total
        Size of the mixture in rows or tokens; None: as large as the scarcest part allows.
    shortage
        If a part has less than its share of the total: an error, or use other parts.

    Raises
    ------
    UserError
        If a part has too few rows; the message names the parts.
    """
    parts_of = [tuple(phase.part_of(traits) for phase in phases) for traits in ledger.combinations]
    cells = {key: number for number, key in enumerate(dict.fromkeys(parts_of))}
    cell_of_row = np.array([cells[key] for key in parts_of] or [0], np.int64)[ledger.traits]
    available: Draws = np.bincount(cell_of_row[free], weights[free], len(cells)).astype(np.float64)
    requested = {
        (number, name): phase.share * share
        for number, phase in enumerate(phases)
        for name, share in phase.shares().items()
    }
    if total is None:
        size = _largest(requested, list(cells), available)
        if size <= 0:
            _, short = _fill(requested, list(cells), available)
            raise UserError(
                f"mix: {_names(short or requested)} has no rows, so a mixture with its share is impossible"
            )
    else:
        size = float(total)
        _, short = _fill({key: share * size for key, share in requested.items()}, list(cells), available)
        if short and shortage == "error":
            missing = "; ".join(
                f"{_names([key])}: {ceil(requested[key] * size - EXACT):,} requested, "
                f"{ceil(lack - EXACT):,} missing"
                for key, lack in short.items()
            )
            raise UserError(
                f"mix: not enough rows for a mixture of {total:,}: {missing}. Lower total, change the "
                "shares, add data, or set shortage: fill to fill up with other parts"
            )
    taken = _filled(requested, list(cells), available, size)
    if not taken:
        raise UserError(f"mix: {_names(requested)} has no rows, so there is nothing to fill the mixture with")
    return _rows(ledger, free, weights, cell_of_row, taken, size)


Key = tuple[int, str]


def _filled(
    requested: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws, size: float
) -> dict[tuple[int, Key], float]:
    """Allocate each part's share of the size; fill shortages with the other parts."""
    amounts = {key: share * size for key, share in requested.items()}
    taken, short = _fill(amounts, cells, available)
    while short:  # only with shortage: fill
        sufficient = [key for key in amounts if key not in short and requested[key] > 0]
        lack = sum(short.values())
        amounts = {key: amount - short.get(key, 0.0) for key, amount in amounts.items()}
        base = sum(requested[key] for key in sufficient)
        if not sufficient or lack < 0.5:
            break
        for key in sufficient:
            amounts[key] += lack * requested[key] / base
        taken, short = _fill(amounts, cells, available)
    return taken


def _fill(
    wanted: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws
) -> tuple[dict[tuple[int, Key], float], dict[Key, float]]:
    """
    Take amounts from cells; return the amounts, and what is missing.

    Each part takes the least shared cells first. If its cells are used up, earlier parts are moved to other
    cells (augmenting paths of a maximum flow), so amounts are missing only if no allocation has them.
    """
    places = {
        (phase, name): sorted(
            (number for number, parts in enumerate(cells) if parts[phase] == name),
            key=lambda number: sum(part is not None for part in cells[number]),
        )
        for phase, name in wanted
    }
    remaining = available.copy()
    taken: dict[tuple[int, Key], float] = {}
    short: dict[Key, float] = {}
    for key, amount in wanted.items():
        least = max(EXACT, 1e-9 * wanted[key])
        while amount > least and (path := _path(key, places, taken, remaining)):
            moved = [taken[number, giver] for number, _, giver in path if giver is not None]
            quantity = min(amount, remaining[path[-1][0]], *moved)
            for number, taker, giver in path:
                taken[number, taker] = taken.get((number, taker), 0.0) + quantity
                if giver is None:
                    remaining[number] -= quantity
                else:
                    taken[number, giver] -= quantity
            amount -= quantity
        if amount > least:
            short[key] = amount
    order = {key: number for number, key in enumerate(wanted)}
    used = sorted(
        (place for place in taken if taken[place] > EXACT), key=lambda place: (order[place[1]], place[0])
    )
    return {place: taken[place] for place in used}, short


def _path(
    start: Key, places: dict[Key, list[int]], taken: dict[tuple[int, Key], float], remaining: Draws
) -> list[tuple[int, Key, Key | None]]:
    """
    Find the shortest chain of moves (cell, part that gets it, part that had it) to a cell with rows left.

    It is one move long if the part itself has such a cell.
    """
    reached: dict[Key, list[tuple[int, Key, Key | None]]] = {start: []}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        for number in places[key]:
            if remaining[number] > EXACT:
                return [*reached[key], (number, key, None)]
        for number in places[key]:
            for other in places:
                if other not in reached and taken.get((number, other), 0.0) > EXACT:
                    reached[other] = [*reached[key], (number, key, other)]
                    queue.append(other)
    return []


def _largest(requested: dict[Key, float], cells: list[tuple[str | None, ...]], available: Draws) -> float:
    """Find the size of the largest mixture without a shortage."""
    low, high = 0.0, float(available.sum())
    for _ in range(STEPS):
        middle = (low + high) / 2
        short = _fill({key: share * middle for key, share in requested.items()}, cells, available)[1]
        low, high = (low, middle) if short else (middle, high)
    return low if low >= 0.5 else 0.0  # below half a row there is no mixture


def _rows(
    ledger: Ledger,
    free: Flags,
    weights: Draws,
    cell_of_row: Numbers,
    taken: dict[tuple[int, Key], float],
    size: float,
) -> Allotment:
    """Assign the rows of each cell in the order of their draws."""
    result = Allotment(
        np.full(len(ledger), -1, np.int64),
        np.full(len(ledger), "", object),
        size,
        reached=sum(taken.values()),
    )
    for cell in sorted({cell for cell, _ in taken}):
        rows = np.flatnonzero(free & (cell_of_row == cell))
        rows = rows[np.argsort(ledger.draws[rows], kind="stable")]
        middle = np.cumsum(weights[rows]) - weights[rows] / 2
        start = 0.0
        for (number, (phase, name)), amount in taken.items():
            if number == cell:
                members = rows[(middle >= start) & (middle < start + amount + EXACT)]
                result.phases[members], result.parts[members] = phase, name
                start += amount
    return result


def _names(keys: "dict[Key, float] | list[Key]") -> str:
    return ", ".join(f"part {name!r} of phase {phase + 1}" for phase, name in keys)
