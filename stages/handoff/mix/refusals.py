"""
Cap the refusals among instructions and refusals.

Both are trained together, and too many refusals teach a model to refuse, so refusals are capped at a share of
both, in each domain. Answers that balance a refusal are dropped with it.
"""

from math import ceil, floor

import numpy as np

from datagen.schema import KINDS
from datagen.stages.handoff import contrasts
from datagen.stages.handoff.mix.drops import Drops
from datagen.stages.handoff.mix.ledger import Flags, Ledger
from datagen.stages.handoff.mix.options import Options

CHAT = ("instruction", "refusal")  # trained together; the cap is a share of their sum


def limit_refusals(
    ledger: Ledger,
    options: Options,
    pairs: contrasts.Contrasts,
    free: Flags,
    drops: Drops,
    others: Flags | None = None,
) -> None:
    """
    Apply the shares of kinds, and drop the answers whose refusals are dropped, until neither changes.

    A refusal among the `others` also keeps the answers of its question.
    """
    present = free if others is None else free | others
    orphaned = np.ones(len(ledger), bool)
    while orphaned.any():
        _cap(ledger, options, free & drops.kept, drops)
        orphaned = pairs.orphaned(present & drops.kept) & free
        drops.add(orphaned, contrasts.REASON)


def _cap(ledger: Ledger, options: Options, free: Flags, drops: Drops) -> None:
    """Drop the rows of a kind that exceed its share of the chats in their domain."""
    for kind, share in options.max_share.items():
        for domain in ledger.domains:
            in_domain = free & ledger.in_domain(domain)
            rows = np.flatnonzero(in_domain & ledger.of_kind(kind))
            others = int((in_domain & ledger.of_kind(*CHAT)).sum()) - len(rows)
            room = floor(share / (1 - share) * others + 1e-9) if share < 1 else len(rows)
            place = f" in {domain}" if domain else ""
            detail = f"{len(rows)} rows{place}; with {others} others a share of {share:g} allows {room}"
            over = rows[np.argsort(ledger.draws[rows], kind="stable")][room:]
            drops.add(np.isin(np.arange(len(ledger)), over), "over the share", detail)


def contradiction(ledger: Ledger, chosen: Flags, lost: Flags, options: Options) -> str:
    """Describe the domain that loses the most of its chosen rows to the maximum share of a kind."""
    kind, domain = max(
        ((kind, domain) for kind in options.max_share for domain in ledger.domains),
        key=lambda place: (lost & ledger.of_kind(place[0]) & ledger.in_domain(place[1])).sum(),
    )
    chats = chosen & ledger.of_kind(*CHAT) & ledger.in_domain(domain)
    share = float((chats & ledger.of_kind(kind)).sum() / max(1, chats.sum()))
    needed = ceil(round(100 * share, 6)) / 100
    return (
        f"mix: the requested parts have {share:.0%} {KINDS[kind]} among refusals and instructions"
        f"{f' in {domain}' if domain else ''}, but max_share allows {options.max_share[kind]:g}. Lower the "
        f"share of the part with {KINDS[kind]}, or set max_share: {{{kind}: {needed:g}}}"
    )
