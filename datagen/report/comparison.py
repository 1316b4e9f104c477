"""The differences between two runs, and the figures of them that gates use."""

from dataclasses import dataclass, field

from datagen.recipe.gates import SHARE, SHARED

ADDED, EDITED, REMOVED, UNCHANGED = "added", "edited", "removed", "unchanged"  # of documents


@dataclass(frozen=True)
class Change:
    """
    A row that is not in both runs.

    Parameters
    ----------
    change
        added, retired, changed or moved.
    id, was
        Its id in the new run and in the old one; "" if it has none.
    product, task, source
        Product, task and source document of the row.
    reason
        Reason of the change.
    """

    change: str
    id: str
    was: str
    product: str
    task: str
    source: str
    reason: str


@dataclass
class Comparison:
    """
    The differences between two runs.

    Parameters
    ----------
    old, new
        Names of the runs.
    documents
        added, edited, removed, unchanged -> number of documents.
    products
        Product -> kept, added, retired, changed, old and new -> number of rows.
    near_duplicates
        Number of added or changed rows that are near duplicates of removed ones; None if too many rows
        differ.
    changes
        All rows that are not in both runs under one id.
    yields, scores, lengths, mixture, tasks
        Name -> figures in the old and the new run; None if a run has none.
    """

    old: str
    new: str
    documents: dict[str, int]
    products: dict[str, dict[str, int]]
    near_duplicates: int | None = None
    changes: list[Change] = field(default_factory=list)
    yields: dict[str, list[float | None]] = field(default_factory=dict)
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    lengths: dict[str, list[float | None]] = field(default_factory=dict)
    mixture: dict[str, list[float | None]] = field(default_factory=dict)
    tasks: dict[str, list[float | None]] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """Sum a figure over all products."""
        return sum(product[name] for product in self.products.values())

    @property
    def kept(self) -> float:
        """Share of the old rows that the new run also has; 1 if there are no old rows."""
        return self.total("kept") / self.total("old") if self.total("old") else 1.0

    def figures(self) -> dict[str, float | None]:
        """
        Return the figures that gates can use.

        kept, added, changed, retired: shares of the old rows. rows, documents, and ``rows.<product>``,
        ``score.<name>``, ``length.<product> p50``: new divided by old. ``yield.<stage>`` and
        ``share.<name>``: value of the new run. None: unknown, because one of the runs has no such score,
        length or yield, or that of the old one is 0.
        """
        old = max(self.total("old"), 1)
        before = self.documents[UNCHANGED] + self.documents[EDITED] + self.documents[REMOVED]
        after = self.documents[UNCHANGED] + self.documents[EDITED] + self.documents[ADDED]
        figures: dict[str, float | None] = {
            name: self.total(name) / old for name in ("added", "changed", "retired")
        }
        figures |= {"kept": self.kept, "rows": self.total("new") / old, "documents": after / max(before, 1)}
        for product, counts in self.products.items():
            figures[f"rows.{product}"] = counts["new"] / counts["old"] if counts["old"] else 1.0
        for kind, measures in (("score", self.scores), ("length", self.lengths)):
            figures |= {f"{kind}.{name}": _ratio(*values) for name, values in measures.items()}
        figures |= {f"yield.{name}": value for name, (_, value) in self.yields.items()}
        shares = {name: value for name, (_, value) in self.mixture.items()}
        return figures | {
            f"{SHARE}{name}": shares.get(name) or 0.0 for name in dict.fromkeys([*SHARED, *shares])
        }


def _ratio(old: float | None, new: float | None) -> float | None:
    """Divide new by old; None if that is not defined."""
    if old is None or new is None or (old == 0 and new != 0):
        return None
    return new / old if old else 1.0
