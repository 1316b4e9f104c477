"""
Verdicts whose row no longer exists.

Rows disappear when a document is edited or a source is removed. If right and wrong rows disappear at the
same rate, the remaining sample is a random sample of the remaining rows. If mostly rows judged wrong were
removed, it is not: it looks better than the unjudged rows. So verdicts that match no row are counted, and if
they are wrong more often than chance explains, nothing is promised until all rows are judged.

A row that a built-in stage of this run dropped, such as a duplicate, is not lost: those stages ignore
verdicts and treat unjudged rows the same way.
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

CHANCE = 0.05  # p-value below which the share of wrong rows among the lost ones is not due to chance


@dataclass(frozen=True)
class Lost:
    """
    The verdicts that match no row.

    Parameters
    ----------
    labels
        Labels whose row is in none of the run's tables.
    dropped
        Number of labels whose row was dropped by a built-in stage of this run.
    """

    labels: Sequence[file.Label]
    dropped: int

    @property
    def counts(self) -> dict[str, int]:
        """Count the lost verdicts by value."""
        counts = Counter(label["verdict"] for label in self.labels)
        return {verdict: counts[verdict] for verdict in file.VERDICTS}

    def of(self, group: str) -> list[bool]:
        """Return whether each lost row of a group is right; a label without a kind belongs to every group."""
        kind, _, task = group.partition("/")
        return [
            label["verdict"] == file.RIGHT
            for label in self.labels
            if label.get("kind") in (None, kind) and (not task or label.get("task") in (None, task))
        ]


def lost(labels: Mapping[str, file.Label], matched: Sequence[str], context: Context) -> Lost:
    """
    Find the labels that match neither a row nor a dropped row.

    `matched` holds the keys of the labels that match a row.
    """
    matched_keys = set(matched)
    unmatched = {key: label for key, label in labels.items() if key not in matched_keys}
    if not unmatched:
        return Lost([], 0)
    paths = [path for folder in _built_in_before(context) for path in parts(folder / "dropped")]
    matches = context.each(partial(_matches, keys=frozenset(unmatched)), paths)
    dropped = {key for keys in matches for key in keys}
    return Lost([label for key, label in unmatched.items() if key not in dropped], len(dropped))


def _built_in_before(context: Context) -> list[Path]:
    """List the folders of the built-in stages before this one."""
    stages, built_in = context.recipe.get("stages", {}), {stage.name for stage in BUILT_IN}
    names = list(stages)
    before = names[: names.index(context.stage)] if context.stage in names else []
    uses = {name: (stages[name] or {}).get("use", name) for name in before}
    return [context.run_folder / "stages" / name for name, use in uses.items() if use in built_in]


def _matches(path: Path, keys: frozenset[str]) -> set[str]:
    content = file.by_content(keys)
    rows = read_part(path, ["id", *(file.CONTENT if content else ())])
    if "id" not in rows.column_names or (content and not {*file.CONTENT} <= {*rows.column_names}):
        return set()  # not a table of examples
    return {key for key in file.keys_of(rows, keys, content) if key is not None}


def chance(lost_right: Sequence[bool], kept_right: Sequence[bool]) -> float:
    """
    Return the probability that at least this many lost rows are wrong if verdicts do not affect loss.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution.
    """
    lost, rows = len(lost_right), len(lost_right) + len(kept_right)
    right = sum(lost_right) + sum(kept_right)
    wrong, lost_wrong = rows - right, lost - sum(lost_right)
    tail = range(lost_wrong, min(wrong, lost) + 1)
    return sum(comb(wrong, count) * comb(right, lost - count) for count in tail) / comb(rows, lost)
