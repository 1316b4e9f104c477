"""
Split into training and validation by document, with a target share of the rows of each kind.

A document goes to validation if the hash of its id is below the share, independently of other documents and
of the run. This gives a share of documents, and of rows only if documents are many and similar. If a kind
deviates by more than `FAR` of its target, documents near the threshold are moved until it deviates by at most
`NEAR`, each only if the total deviation of all kinds decreases. Of two splits that deviate equally, the one
with rows is better: at 5%, one of ten documents rather than none.
"""

from math import ceil

import numpy as np

from datagen.schema import KINDS
from datagen.stages.handoff.mix.ledger import Flags, Ledger, Numbers

FAR, NEAR = 0.5, 0.1  # deviations, relative to the target
TINY = 10  # minimum rows of a split without a warning
MOST = 0.5  # share for validation that a warning recommends
EMPTY, EXACT = 1e-6, 1e-12  # an empty split is worse than one that deviates as much; tolerance of sums


def validation(ledger: Ledger, counted: Flags, share: float) -> Flags:
    """
    Flag the rows for validation.

    Parameters
    ----------
    ledger
        The documents and kinds of the rows.
    counted
        Flags of the rows that the share refers to: not of those that are dropped anyway.
    share
        The share of the rows of each kind.
    """
    draws = ledger.document_draws
    chosen = draws < share
    valid = counted & (ledger.kinds >= 0)
    counts = np.zeros((len(draws), len(KINDS)), np.int64)
    np.add.at(counts, (ledger.documents[valid], ledger.kinds[valid]), 1)
    if share > 0 and len(draws):
        _repair(chosen, counts, share, draws)
    return chosen[ledger.documents]


def _repair(chosen: Flags, counts: Numbers, share: float, draws: np.ndarray) -> None:
    """Move documents, nearest to the threshold first, while a kind deviates too far from its share."""
    totals = counts.sum(0)
    target = share * totals
    held = counts[chosen].sum(0)

    def deviation(held: Numbers) -> float:
        empty = (held == 0) & (totals > 0)
        return float((np.abs(target - held) / np.maximum(totals, 1)).sum() + EMPTY * empty.sum())

    if not (np.abs(target - held) > FAR * target).any():
        return
    for document in np.argsort(np.abs(draws - share), kind="stable"):
        if not (np.abs(target - held) > NEAR * target).any():
            return
        moved = held + counts[document] * (-1 if chosen[document] else 1)
        if deviation(moved) < deviation(held) - EXACT:
            chosen[document] = not chosen[document]
            held = moved


def warnings(ledger: Ledger, counted: Flags, held_out: Flags, share: float) -> list[str]:
    """
    Describe kinds whose validation split is empty, tiny, or too large, of the rows that count.

    The smallest document is named with them: no smaller share of the rows can be held out. With too few rows,
    so is a share that holds out enough.
    """
    messages = []
    for kind, name in KINDS.items():
        of_kind = counted & ledger.of_kind(kind)
        rows, held = int(of_kind.sum()), int((of_kind & held_out).sum())
        few, many = held < min(TINY, rows), held == rows or held > (1 + FAR) * share * rows
        if share > 0 and rows and (few or many):
            sizes = np.unique(ledger.documents[of_kind], return_counts=True)[1]
            origin, remedy = "a single document", ""
            if len(sizes) > 1:
                smallest = sizes.min() / rows
                origin = f"{len(sizes):,} documents, of which the smallest has {smallest:.0%} of the rows"
                enough = ceil(100 * max(TINY / rows, smallest)) / 100
                if few and enough <= MOST:
                    remedy = f". mix.validation: {enough:g} holds out about {enough * rows:.0f}"
            amount = f"{'only ' * few}{held:,} of {rows:,}" if 0 < held < rows else "all" if held else "no"
            messages.append(
                f"{name}: validation has {amount} rows; the requested share is {share:g}, and the rows are "
                f"from {origin}{remedy}"
            )
    return messages
