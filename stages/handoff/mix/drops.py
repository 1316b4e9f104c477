"""The rows that the mixture drops, with their reasons."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datagen.stages.handoff.mix.ledger import Flags

Texts = npt.NDArray[np.object_]


class Drops:
    """
    The reason and detail of each row; None for the rows that are kept.

    The first reason counts: a row that is dropped is not dropped again.
    """

    def __init__(self, rows: int) -> None:
        self.reasons: Texts = np.full(rows, None, object)
        self.details: Texts = np.full(rows, None, object)
        self._kept = np.full(rows, True)

    @property
    def kept(self) -> Flags:
        """Flag the rows that are not dropped so far."""
        return self._kept.copy()

    def add(self, rows: Flags, reason: str, detail: str | None = None) -> None:
        """Drop the flagged rows for one reason."""
        new = rows & self._kept
        self.reasons[new], self.details[new] = reason, detail
        self._kept &= ~rows

    def add_each(
        self, part: slice, reasons: Sequence[str | None], details: Sequence[str | None]
    ) -> Counter[str]:
        """Drop rows of a partition, each for its reason unless that is None; return how many by reason."""
        found = np.array(reasons, object)
        invalid = np.array([reason is not None for reason in reasons], bool)
        new = invalid & self._kept[part]
        self.reasons[part][new], self.details[part][new] = found[new], np.array(details, object)[new]
        self._kept[part] &= ~invalid
        return Counter(found[new].tolist())
