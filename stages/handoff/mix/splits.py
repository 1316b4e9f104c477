"""
Split into training and validation by document, with a target share of the rows of each kind.

A document goes to validation if the hash of its id is below the share, independently of other documents and
of the run. This gives a share of documents, and of rows only if documents are many and similar. If a kind
deviates by more than `FAR` of its target, documents near the threshold are moved until it deviates by at most
`NEAR`, each only if the total deviation of all kinds decreases.
"""

import numpy as np

from datagen.schema import KINDS, fraction
from datagen.stages.handoff.mix.ledger import Flags, Ledger, Numbers

FAR, NEAR = 0.5, 0.1  # deviations, relative to the target
TINY = 10  # minimum rows of a split without a warning


def validation(ledger: Ledger, counted: Flags, share: float, seed: str) -> Flags:
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
    seed
        Seeds the draw of the documents.
    """
    draws = np.array([fraction("split", seed, name) for name in ledger.names], np.float64)
    chosen = draws < share
    valid = counted & (ledger.kinds >= 0)
    counts = np.zeros((len(ledger.names), len(KINDS)), np.int64)
    np.add.at(counts, (ledger.documents[valid], ledger.kinds[valid]), 1)
    if share > 0 and len(ledger.names):
        _repair(chosen, counts, share, draws)
    return chosen[ledger.documents] if len(ledger) else np.zeros(0, bool)


def _repair(chosen: Flags, counts: Numbers, share: float, draws: np.ndarray) -> None:
    """Move documents, nearest to the threshold first, while a kind deviates too far from its share."""
    totals = np.maximum(counts.sum(0), 1)
    missing = share * counts.sum(0) - counts[chosen].sum(0)
    if not (np.abs(missing) > FAR * share * totals).any():
        return
    for document in np.argsort(np.abs(draws - share), kind="stable"):
        if not (np.abs(missing) > NEAR * share * totals).any():
            return
        change = counts[document] * (-1 if not chosen[document] else 1)
        if (np.abs(missing + change) / totals).sum() < (np.abs(missing) / totals).sum() - 1e-12:
            chosen[document] = not chosen[document]
            missing = missing + change


def warnings(ledger: Ledger, counted: Flags, held_out: Flags, share: float) -> list[str]:
    """Return warnings for kinds whose validation split is empty or tiny, of the rows that count."""
    messages = []
    for kind, name in KINDS.items():
        of_kind = counted & ledger.of_kind(kind)
        rows, in_validation = int(of_kind.sum()), int((of_kind & held_out).sum())
        if share > 0 and rows and in_validation < min(TINY, rows):
            documents = len(np.unique(ledger.documents[of_kind]))
            amount = "no rows" if not in_validation else f"only {in_validation} of {rows:,} rows"
            messages.append(
                f"{name}: validation has {amount}; the requested share is {share:g}, and the rows are from "
                f"{documents:,} document{'' if documents == 1 else 's'}"
            )
    return messages
