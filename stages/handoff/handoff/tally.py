"""Counts of the hand-off's rows and tokens, for the card, the manifest and the mixture."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import and_

import pyarrow as pa
import pyarrow.compute as pc

TRACED = ("stage", "model", "revision", "prompt", "prompt_hash")  # fields of the lineage: origin of a row
PART = ("phase", "part")  # columns added by mix


@dataclass
class Amount:
    """Numbers of rows, tokens and trained tokens; tokens are 0 if not counted."""

    rows: int = 0
    tokens: int = 0
    trained_tokens: int = 0

    def add(self, rows: pa.Table) -> None:
        """Count rows."""
        self.rows += len(rows)
        self.tokens += pc.sum(rows["tokens"]).as_py() or 0
        self.trained_tokens += pc.sum(rows["trained_tokens"]).as_py() or 0


@dataclass
class Tally:
    """
    Counts of the rows handed off.

    Parameters
    ----------
    tasks
        Rows by configuration, task and split.
    amounts
        Amounts by configuration and split.
    parts
        Amounts of training rows by phase and part of the mixture.
    makers
        Rows by the stage, model and prompt that created their text.
    open_book
        Training instructions whose prompt contains the passage.
    dropped
        Rows that were not handed off, by reason: those that no trainer can use, or whose support is missing.
    """

    tasks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    amounts: dict[tuple[str, str], Amount] = field(default_factory=dict)
    parts: dict[tuple[int, str], Amount] = field(default_factory=dict)
    makers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    open_book: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, configurations: list[str], split: str, rows: pa.Table) -> None:
        """Count rows of one kind and split, written to these configurations."""
        for name in configurations:
            self.tasks.update((name, task or "", split) for task in rows["task"].to_pylist())
            self.amounts.setdefault((name, split), Amount()).add(rows)
        lineage = rows["lineage"].combine_chunks()
        traced = ([part or "" for part in pc.struct_field(lineage, name).to_pylist()] for name in TRACED)
        self.makers.update(zip(*traced, strict=True))
        if split == "train" and "instructions" in configurations:
            self.open_book += len(rows) - rows["context"].null_count
        if split == "train" and set(PART) <= set(rows.column_names):
            for group in rows.group_by(list(PART)).aggregate([]).to_pylist():
                self.parts.setdefault((group["phase"], group["part"]), Amount()).add(rows_with(rows, group))

    def splits(self, configuration: str) -> list[str]:
        """List the splits of a configuration that have rows, training first."""
        names = {split for name, split in self.amounts if name == configuration}
        return sorted(names, key=lambda split: (split != "train", split))

    @property
    def configurations(self) -> list[str]:
        """The configurations that have rows."""
        return list(dict.fromkeys(name for name, _ in self.amounts))

    def rows(self, configuration: str, split: str) -> int:
        """Return the number of rows of a configuration and split."""
        amount = self.amounts.get((configuration, split))
        return amount.rows if amount else 0


def rows_with(rows: pa.Table, values: Mapping[str, object]) -> pa.Table:
    """Return the rows with these values, by column."""
    return rows.filter(reduce(and_, (pc.field(name) == value for name, value in values.items())))
