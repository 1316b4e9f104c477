"""The judged rows of a run, found on all workers, and told apart: those that teach and those that check."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws, group_of

Reader = Callable[[Sequence[str] | None], pa.Table]


@dataclass(frozen=True)
class Labelled:
    """
    Judged rows, in the order of their draws.

    Parameters
    ----------
    values
        Rows by scores, nan for null.
    group
        Number of each row's group.
    verdict
        What was said of each: a word of `file.VERDICTS`.
    checks
        Whether it is of the half that checks.
    draw
        Its draw.
    open
        Of each group, the lowest draw of a checking row without a verdict; beyond it the judged rows are no
        random sample.
    """

    values: Floats
    group: npt.NDArray[np.int64]
    verdict: npt.NDArray[np.str_]
    checks: Bools
    draw: Floats
    open: Floats

    @classmethod
    def none(cls, groups: int, scores: int) -> "Labelled":
        """Make a table without rows."""
        return cls(
            np.empty((0, scores)),
            np.empty(0, np.int64),
            np.empty(0, np.str_),
            np.empty(0, np.bool_),
            np.empty(0),
            np.ones(groups),
        )

    def __len__(self) -> int:
        return len(self.verdict)

    @cached_property
    def right(self) -> Bools:
        """Whether each row is right; one that could not be judged is not known to be."""
        result: Bools = self.verdict == file.RIGHT
        return result

    def pick(self, mine: Bools) -> "Labelled":
        """Choose rows."""
        names = [part.name for part in fields(self) if part.name != "open"]
        return replace(self, **{name: getattr(self, name)[mine] for name in names})

    def of(self, group: int) -> "Labelled":
        """Choose the rows of a group."""
        return self.pick(self.group == group)

    @property
    def judged(self) -> "Labelled":
        """The rows that could be judged."""
        return self.pick(self.verdict != file.SKIP)

    @property
    def teaching(self) -> "Labelled":
        """The rows to learn from."""
        return self.pick(~self.checks).judged

    @property
    def checking(self) -> "Labelled":
        """The random sample; rows that could not be judged are part of it."""
        return self.pick(self.checks & (self.draw < self.open[self.group]))


def gather(
    reader: Reader, verdicts: Mapping[str, str], scores: Sequence[str], groups: Sequence[str], seed: str
) -> Labelled:
    """Find the judged rows of a partition."""
    said = file.CONTENT if file.by_content(verdicts) else ()
    rows = reader(["id", "kind", "task", *said, *scores])
    group = group_of(rows, groups)
    checks, draw = draws(rows["id"].to_pylist(), seed)
    given = np.array([verdict or "" for verdict in file.verdicts_of(rows, verdicts)], np.str_)
    mine = (group >= 0) & (given != "")
    unjudged = np.ones(len(groups))
    missing = (group >= 0) & (given == "") & checks
    np.minimum.at(unjudged, group[missing], draw[missing])
    return Labelled(numbers(rows, scores)[mine], group[mine], given[mine], checks[mine], draw[mine], unjudged)


def join(found: Sequence[Labelled]) -> Labelled:
    """Put the judged rows of all partitions together, in the order of their draws."""
    columns: dict[str, Any] = {
        part.name: np.concatenate([getattr(each, part.name) for each in found]) for part in fields(Labelled)
    }
    order = np.argsort(columns["draw"], kind="stable")
    columns = {name: column[order] for name, column in columns.items() if name != "open"}
    return Labelled(**columns, open=np.min([each.open for each in found], axis=0))


def numbers(rows: pa.Table, scores: Sequence[str]) -> Floats:
    """Give rows by scores, nan for null."""
    columns = [pc.cast(rows[name].combine_chunks(), pa.float64()) for name in scores]
    arrays = [pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False) for column in columns]
    return np.column_stack(arrays) if arrays else np.empty((len(rows), 0))
