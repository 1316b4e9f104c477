"""The account of a partition: the rows of a stage, and the check that it lost or invented none."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from datagen.outcome import Outcome
from datagen.request import Usage
from datagen.schema import KINDS


class AccountError(Exception):
    """A stage lost rows or invented some: a bug in the stage."""


@dataclass
class PartReport:
    """
    The result of one partition.

    Parameters
    ----------
    rows_in, rows_out, passed_by
        Number of rows read, kept, and of rows that bypassed the stage.
    dropped
        Reason -> rows.
    made, lost
        Product -> examples that the stage made, or that it dropped from those made by earlier stages.
    rows_asked, cost
        Of a model stage: number of rows asked about, and usage of the answers.
    figures
        Counts of the stage's own.
    """

    rows_in: int = 0
    rows_out: int = 0
    passed_by: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    rows_asked: int = 0
    cost: Usage = field(default_factory=Usage)
    figures: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "PartReport") -> "PartReport":
        return PartReport(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            self.passed_by + other.passed_by,
            self.dropped + other.dropped,
            self.made + other.made,
            self.lost + other.lost,
            self.rows_asked + other.rows_asked,
            self.cost + other.cost,
            _with_zeros(self.figures, other.figures),
        )


def _with_zeros(first: Counter[str], second: Counter[str]) -> Counter[str]:
    """Add counters, and keep zero counts."""
    return Counter({name: first[name] + second[name] for name in [*first, *second]})


def check_refined(name: str, rows: pa.Table, outcome: Outcome) -> None:
    """Check that a stage that refines rows kept or dropped each of them, and no others."""
    taken = sorted(rows["id"].to_pylist())
    returned = sorted([*outcome.kept["id"].to_pylist(), *outcome.dropped["id"].to_pylist()])
    if taken != returned:
        lost, extra = Counter(taken) - Counter(returned), Counter(returned) - Counter(taken)
        raise AccountError(
            f"{name} took {len(taken)} rows and returned {len(returned)}: "
            f"{sum(lost.values())} lost (such as {next(iter(lost), None)}), "
            f"{sum(extra.values())} too many (such as {next(iter(extra), None)})"
        )


def check_made(name: str, rows: pa.Table, outcome: Outcome) -> None:
    """Check that a stage that makes rows has a result for every row that it took, and no id twice."""
    parents = {*_parents(outcome.kept), *_parents(outcome.dropped)}
    if orphaned := [row for row in rows["id"].to_pylist() if row not in parents]:
        raise AccountError(
            f"{name} returned nothing for {len(orphaned)} of {len(rows)} rows (such as {orphaned[0]}); "
            "a row without a result must be dropped with a reason"
        )
    ids = outcome.kept["id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise AccountError(f"{name} made rows with the same id (such as {Counter(ids).most_common(1)[0][0]})")


def _parents(rows: pa.Table) -> Iterator[str]:
    if "lineage" in rows.column_names:
        lineage = rows["lineage"].combine_chunks()
        yield from pc.list_flatten(pc.struct_field(lineage, "parents")).to_pylist()
    else:
        yield from rows["document_id"].to_pylist()


def by_product(rows: pa.Table) -> Counter[str]:
    """Count examples by product."""
    counts = pc.value_counts(rows["kind"]).to_pylist() if "kind" in rows.column_names else []
    return Counter({KINDS[count["values"]]: count["counts"] for count in counts if count["values"] in KINDS})
