"""The properties of every row that the mixture needs: a few numbers per row, for all partitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import KINDS, fractions
from datagen.stage import Partitions

Numbers = npt.NDArray[np.int64]
Draws = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Domains = dict[str, list[str]]

KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
COLUMNS = ["id", "kind", "task", "lineage"]
OTHER = "other"  # domain of sources that match no pattern


@dataclass
class Ledger:
    """
    One entry per row, in the order of the partitions.

    Parameters
    ----------
    starts
        Index of the first row of each partition, and the total number of rows.
    kinds
        Index of each row's kind in `KINDS`; -1 for others.
    documents
        Number of its document (the first, if it has several).
    names
        The documents by number.
    traits
        Number of its combination of kind, task, source and domain.
    combinations
        The combinations by number.
    draws
        A pseudo-random number in [0, 1) that depends only on the seed and the row's id.
    """

    starts: Numbers
    kinds: Numbers
    documents: Numbers
    names: list[str]
    traits: Numbers
    combinations: list[dict[str, str]]
    draws: Draws

    def __len__(self) -> int:
        return len(self.kinds)

    def partition(self, number: int) -> slice:
        """Return the slice of a partition's rows."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def of_kind(self, *kinds: str) -> Flags:
        """Flag the rows of these kinds."""
        return np.isin(self.kinds, [KIND_NUMBERS[kind] for kind in kinds])  # type: ignore[index]

    @property
    def domains(self) -> npt.NDArray[np.str_]:
        """The domain of each row."""
        return np.array([traits["domain"] for traits in self.combinations] or [""])[self.traits]


def read(partitions: Partitions, domains: Domains, seed: str) -> Ledger:
    """Read all partitions once."""
    lengths, kinds, documents, traits, draws = [0], [], [], [], []
    names: dict[str, int] = {}
    combinations: dict[tuple[str, ...], int] = {}
    for table in partitions.columns(COLUMNS):
        lengths.append(len(table))
        lineage = table["lineage"].combine_chunks()
        ids = table["id"].to_pylist()
        sources = pc.fill_null(pc.struct_field(lineage, "source"), "").to_pylist()
        document_ids = pc.coalesce(
            pc.struct_field(lineage, "document_id"), table["id"].combine_chunks()
        ).to_pylist()
        documents += [names.setdefault(name, len(names)) for name in document_ids]
        kinds += [KIND_NUMBERS.get(kind, -1) for kind in table["kind"].to_pylist()]
        keys = zip(table["kind"].to_pylist(), table["task"].to_pylist(), sources, strict=True)
        traits += [
            combinations.setdefault(tuple(part or "" for part in key), len(combinations)) for key in keys
        ]
        draws += fractions(("share", seed), ids)
    descriptions = [
        {"kind": kind, "task": task, "source": source, "domain": domain_of(source, domains)}
        for kind, task, source in combinations
    ]
    return Ledger(
        np.cumsum(lengths),
        np.array(kinds, np.int64),
        np.array(documents, np.int64),
        list(names),
        np.array(traits, np.int64),
        descriptions,
        np.array(draws, np.float64),
    )


def domain_of(source: str, domains: Domains) -> str:
    """Return the first domain with a pattern that matches a source."""
    if not domains:
        return ""
    return next((name for name, patterns in domains.items() if matches(source, patterns)), OTHER)


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Check whether a whole text matches one of the patterns (``*`` matches anything)."""
    return any(fnmatch(text, pattern) for pattern in patterns)


def column(values: Sequence[object] | npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    """Create an Arrow column."""
    return pa.array(list(values), kind)
