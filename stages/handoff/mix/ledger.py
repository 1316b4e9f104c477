"""The properties of every row that the mixture needs: a few numbers per row, for all partitions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from datagen.schema import KINDS, fractions
from datagen.stage import Partitions

Numbers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Draws = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Domains = dict[str, list[str]]

KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
COLUMNS = ["id", "kind", "task", "lineage"]
NONE, NO_DRAWS = np.zeros(0, np.int32), np.zeros(0, np.float64)
OTHER = "other"  # domain of sources that match no pattern


class Traits(NamedTuple):
    """What decides on a row's part: `sources` are the patterns in use that its source matches."""

    kind: str
    task: str
    domain: str
    sources: frozenset[str]


@dataclass
class Ledger:
    """
    One entry per row, in the order of the partitions.

    No text is kept, because a large corpus may have as many documents and sources as rows.

    Parameters
    ----------
    starts
        Index of the first row of each partition, and the total number of rows.
    kinds
        Index of each row's kind in `KINDS`; -1 for others.
    documents
        Number of its document (the first, if it has several).
    document_draws
        For each document a pseudo-random number in [0, 1) that depends only on the seed and its id. It has 52
        bits and stands for the document.
    traits
        Number of its traits.
    combinations
        The traits by number.
    draws
        A pseudo-random number in [0, 1) that depends only on the seed and the row's id.
    """

    starts: Numbers
    kinds: Indices
    documents: Indices
    document_draws: Draws
    traits: Indices
    combinations: list[Traits]
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
    def domains(self) -> list[str]:
        """The domains of the rows, sorted."""
        return sorted({traits.domain for traits in self.combinations})

    def in_domain(self, domain: str) -> Flags:
        """Flag the rows of a domain."""
        return np.array([traits.domain == domain for traits in self.combinations], bool)[self.traits]


def read(partitions: Partitions, domains: Domains, patterns: Collection[str], seed: str) -> Ledger:
    """Read all partitions once; `patterns` are those of sources that the parts of the mixture use."""
    lengths, kinds, documents, traits, draws = [0], [NONE], [NO_DRAWS], [NONE], [NO_DRAWS]
    numbers: dict[Traits, int] = {}
    for table in partitions.columns(COLUMNS):
        lineage, ids = table["lineage"].combine_chunks(), table["id"].combine_chunks()
        in_documents = pc.coalesce(pc.struct_field(lineage, "document_id"), ids).dictionary_encode()
        of_documents = np.array(fractions(("split", seed), in_documents.dictionary.to_pylist()), np.float64)
        sources = pc.fill_null(pc.struct_field(lineage, "source"), "").dictionary_encode()
        origins = [_origin(source, domains, patterns) for source in sources.dictionary.to_pylist()]
        names, tasks, places = (
            column.to_pylist() for column in (table["kind"], table["task"], sources.indices)
        )
        found = (
            Traits(name or "", task or "", *origins[at])
            for name, task, at in zip(names, tasks, places, strict=True)
        )
        lengths.append(len(table))
        kinds.append(np.array([KIND_NUMBERS.get(name, -1) for name in names], np.int32))
        documents.append(of_documents[in_documents.indices.to_numpy()])
        traits.append(np.array([numbers.setdefault(each, len(numbers)) for each in found], np.int32))
        draws.append(np.array(fractions(("share", seed), ids.to_pylist()), np.float64))
    document_draws, numbered = np.unique(np.concatenate(documents), return_inverse=True)
    return Ledger(
        np.cumsum(lengths),
        np.concatenate(kinds),
        numbered.astype(np.int32),
        document_draws,
        np.concatenate(traits),
        list(numbers),
        np.concatenate(draws),
    )


def _origin(source: str, domains: Domains, patterns: Collection[str]) -> tuple[str, frozenset[str]]:
    """Return the domain of a source, and the patterns that it matches."""
    return domain_of(source, domains), frozenset(name for name in patterns if matches(source, [name]))


def domain_of(source: str, domains: Domains) -> str:
    """Return the first domain with a pattern that matches a source."""
    if not domains:
        return ""
    return next((name for name, patterns in domains.items() if matches(source, patterns)), OTHER)


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Check whether a whole text matches one of the patterns (``*`` matches anything)."""
    return any(fnmatch(text, pattern) for pattern in patterns)
