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
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of, split

Reader = Callable[[Sequence[str] | None], pa.Table]
Strings = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Labelled:
    """
    Judged rows, in the order of their draws.

    Parameters
    ----------
    values
        Rows by scores, nan for null.
    id, key
        Each row's id, and the key of its label.
    group
        Number of each row's group; -1 for none.
    verdict
        What was said of each: a word of `file.VERDICTS`.
    checks
        Whether it is of the half that checks.
    draw
        Its draw.
    later
        Whether it is none of the rows that an earlier run promised something about.
    """

    values: Floats
    id: Strings
    key: Strings
    group: npt.NDArray[np.int64]
    verdict: Strings
    checks: Bools
    draw: Floats
    later: Bools

    @classmethod
    def none(cls, scores: int) -> "Labelled":
        """Make a table without rows."""
        text, flag = np.empty(0, np.str_), np.empty(0, np.bool_)
        return cls(np.empty((0, scores)), text, text, np.empty(0, np.int64), text, flag, np.empty(0), flag)

    def __len__(self) -> int:
        return len(self.verdict)

    @cached_property
    def right(self) -> Bools:
        """Whether each row is right; one that could not be judged is not known to be."""
        result: Bools = self.verdict == file.RIGHT
        return result

    def pick(self, mine: Bools) -> "Labelled":
        """Choose rows."""
        return replace(self, **{part.name: getattr(self, part.name)[mine] for part in fields(self)})

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
        """The random sample without its rows that have no verdict; those that cannot be judged are in it."""
        return self.pick(self.checks)


def later_than(before: Sequence[Population | None], group: npt.NDArray[np.int64], numbers: Floats) -> Bools:
    """Tell which rows are none of those that an earlier run promised something about, by group and draw."""
    later = np.ones(len(group), np.bool_)
    for number, population in enumerate(before):
        if population is not None:
            mine = group == number
            later[mine] = ~population.holds(numbers[mine])
    return later


def gather(
    reader: Reader,
    verdicts: Mapping[str, str],
    scores: Sequence[str],
    groups: Sequence[str],
    seed: str,
    before: Sequence[Population | None],
) -> Labelled:
    """Find the judged rows of a partition."""
    content = file.by_content(verdicts)
    rows = reader(["id", "kind", "task", *(file.CONTENT if content else ()), *scores])
    keys = np.array(file.keys_of(rows, verdicts, content), object)
    mine = np.array([key is not None for key in keys], np.bool_)
    rows, keys = rows.filter(pa.array(mine)), keys[mine]
    group, ids = group_of(rows, groups), rows["id"].to_pylist()
    lots = drawn(ids, seed)
    checks, draw = split(lots)
    given = np.array([verdicts[key] for key in keys], np.str_)
    later = later_than(before, group, lots)
    names = np.array(ids, np.str_), np.array(list(keys), np.str_)
    return Labelled(numbers(rows, scores), *names, group, given, checks, draw, later)


def join(found: Sequence[Labelled]) -> Labelled:
    """Put the judged rows of all partitions together, in the order of their draws."""
    columns: dict[str, Any] = {
        part.name: np.concatenate([getattr(each, part.name) for each in found]) for part in fields(Labelled)
    }
    order = np.argsort(columns["draw"], kind="stable")
    return Labelled(**{name: column[order] for name, column in columns.items()})


def numbers(rows: pa.Table, scores: Sequence[str]) -> Floats:
    """Give rows by scores, nan for null."""
    columns = [pc.cast(rows[name].combine_chunks(), pa.float64()) for name in scores]
    arrays = [pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False) for column in columns]
    return np.column_stack(arrays) if arrays else np.empty((len(rows), 0))
