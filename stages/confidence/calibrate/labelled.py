"""The judged rows of a run: collected by all workers, and divided into training rows and checking rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import ORIGINAL
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of, split
from datagen.stages.shared.similarity.sketch import Reader

Strings = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Labelled:
    """
    Judged rows in draw order.

    Parameters
    ----------
    values
        Rows by scores, nan for null.
    id, key
        Each row's id, and the key of its label.
    group
        Number of each row's group; -1 for none.
    verdict
        Each row's verdict, one of `file.VERDICTS`.
    checks
        Whether the row checks promises (rather than trains the combination).
    draw
        Its draw.
    later
        Whether no earlier promise covers it.
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
        """Create an empty table."""
        text, flag = np.empty(0, np.str_), np.empty(0, np.bool_)
        return cls(np.empty((0, scores)), text, text, np.empty(0, np.int64), text, flag, np.empty(0), flag)

    def __len__(self) -> int:
        return len(self.verdict)

    @cached_property
    def right(self) -> Bools:
        """Whether each row is right; False for rows that could not be judged."""
        return np.asarray(self.verdict == file.RIGHT)

    def pick(self, mask: Bools) -> "Labelled":
        """Select rows by a mask."""
        return replace(self, **{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def of(self, group: int) -> "Labelled":
        """Select the rows of a group."""
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
        """The judged rows of the random sample, including those that cannot be judged."""
        return self.pick(self.checks)


def later_than(before: Sequence[Population | None], group: npt.NDArray[np.int64], numbers: Floats) -> Bools:
    """Return which rows no earlier promise covers, given each row's group and draw."""
    later = np.ones(len(group), np.bool_)
    for number, population in enumerate(before):
        if population is not None:
            members = group == number
            later[members] = ~population.holds(numbers[members])
    return later


def gather(
    reader: Reader,
    verdicts: Mapping[str, str],
    before_edit: Mapping[str, Mapping[str, float]],
    scores: Sequence[str],
    groups: Sequence[str],
    seed: str,
    before: Sequence[Population | None],
) -> Labelled:
    """
    Collect the judged rows of a partition.

    A verdict on the text before an edit keeps the scores of that text, which `before_edit` holds by key. So
    the sample remains one of generated rows, and editing the wrong rows of the sample strengthens no promise.
    If these scores were not recorded, the row does not train the combination, and a promise is tested with
    the scores of the new text.
    """
    content = file.by_content(verdicts)
    rows = reader(["id", "kind", "task", ORIGINAL, *(file.CONTENT if content else ()), *scores])
    keys = np.array(file.keys_of(rows, verdicts, content), object)
    judged = np.array([key is not None for key in keys], np.bool_)
    rows, keys = rows.filter(pa.array(judged)), keys[judged]
    group, ids = group_of(rows, groups), rows["id"].to_pylist()
    lots = drawn(ids, seed)
    checks, draw = split(lots)
    values = numbers(rows, scores)
    verdict = np.array([verdicts[key] for key in keys], np.str_)
    for place in np.flatnonzero(_are_edited(rows)):
        recorded = before_edit.get(keys[place])
        if recorded:
            values[place] = [recorded.get(name, np.nan) for name in scores]
        elif recorded is not None and not checks[place]:
            verdict[place] = file.SKIP
    return Labelled(
        values=values,
        id=np.array(ids, np.str_),
        key=np.array(list(keys), np.str_),
        group=group,
        verdict=verdict,
        checks=checks,
        draw=draw,
        later=later_than(before, group, lots),
    )


def _are_edited(rows: pa.Table) -> Bools:
    if ORIGINAL not in rows.column_names:
        return np.zeros(len(rows), np.bool_)
    return np.asarray(pc.is_valid(rows[ORIGINAL]).to_numpy())


def join(parts: Sequence[Labelled]) -> Labelled:
    """Merge the judged rows of all partitions, in draw order."""
    columns: dict[str, pa.Array] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Labelled)
    }
    order = np.argsort(columns["draw"], kind="stable")
    return Labelled(**{name: column[order] for name, column in columns.items()})


def numbers(rows: pa.Table, scores: Sequence[str]) -> Floats:
    """Return scores as an array of rows by scores, nan for null."""
    columns = [pc.cast(rows[name].combine_chunks(), pa.float64()) for name in scores]
    arrays = [pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False) for column in columns]
    return np.column_stack(arrays) if arrays else np.empty((len(rows), 0))
