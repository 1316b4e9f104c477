"""
Verdicts whose row is no longer there.

Rows go: a document was edited, a source was left out. As long as right and wrong ones go alike, what stays
of the sample is a sample of what stays. Where the rows that people called wrong were taken out, it is not:
what stays looks better than the rows that nobody looked at. So verdicts that match no row are counted, and
where they are wrong more often than chance explains, nothing is promised.

A row that a built-in stage of this run dropped, such as a duplicate, is not lost: those stages do not look at
verdicts, and treat the rows that nobody judged alike.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from pathlib import Path

from datagen.recipe.registry import BUILT_IN
from datagen.stage import Context
from datagen.stages.confidence.labels import file
from datagen.store.parquet import parts, read_part

CHANCE = 0.05  # below which it is no chance that so many of the lost rows are wrong


@dataclass(frozen=True)
class Lost:
    """
    What became of the verdicts that match no row.

    Parameters
    ----------
    labels
        Those whose row is in none of the run's tables.
    dropped
        How many match a row that a built-in stage of this run dropped.
    """

    labels: Sequence[file.Label]
    dropped: int

    @property
    def counts(self) -> dict[str, int]:
        """Count the lost verdicts by what they say."""
        said = Counter(label["verdict"] for label in self.labels)
        return {verdict: said[verdict] for verdict in file.VERDICTS}

    def of(self, group: str) -> list[bool]:
        """Tell of each lost row that may be of a group whether it is right; without kind it may be of any."""
        kind, _, task = group.partition("/")
        return [
            label["verdict"] == file.RIGHT
            for label in self.labels
            if label.get("kind") in (None, kind) and (not task or label.get("task") in (None, task))
        ]


def lost(labels: Mapping[str, file.Label], matched: Sequence[str], context: Context) -> Lost:
    """Say which labels match neither a row nor one that this run dropped; `matched` are keys of labels."""
    left = {key: label for key, label in labels.items() if key not in set(matched)}
    if not left:
        return Lost([], 0)
    paths = [path for folder in _built_in_before(context) for path in parts(folder / "dropped")]
    found = context.each(partial(_matches, keys=frozenset(left)), paths)
    dropped = {key for keys in found for key in keys}
    return Lost([label for key, label in left.items() if key not in dropped], len(dropped))


def _built_in_before(context: Context) -> list[Path]:
    """List the folders of the built-in stages that have been before this one."""
    stages, known = context.recipe.get("stages", {}), {stage.name for stage in BUILT_IN}
    names = list(stages)
    before = names[: names.index(context.stage)] if context.stage in names else []
    uses = {name: (stages[name] or {}).get("use", name) for name in before}
    return [context.run_folder / "stages" / name for name, use in uses.items() if use in known]


def _matches(path: Path, keys: frozenset[str]) -> set[str]:
    content = file.by_content(keys)
    rows = read_part(path, ["id", *(file.CONTENT if content else ())])
    if "id" not in rows.column_names or (content and not {*file.CONTENT} <= {*rows.column_names}):
        return set()  # no examples
    return {key for key in file.keys_of(rows, keys, content) if key is not None}


def chance(lost_right: Sequence[bool], here_right: Sequence[bool]) -> float:
    """
    Give the probability that as many of the lost rows are wrong, or more, if right and wrong ones go alike.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution.
    """
    gone, rows = len(lost_right), len(lost_right) + len(here_right)
    right = sum(lost_right) + sum(here_right)
    wrong, least = rows - right, gone - sum(lost_right)
    ways = sum(comb(wrong, count) * comb(right, gone - count) for count in range(least, min(wrong, gone) + 1))
    return ways / comb(rows, gone)
