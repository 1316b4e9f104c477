"""
Two runs of a recipe compared: documents, rows, yields, scores, lengths, mixture.

The rows of a run are those of its last stage that gives examples. A row is *kept* when both runs have its
id. Otherwise a row of the new run *changes* a row of the old one when both are of one kind and task, from
one place of one document, and ask the same; the others are *added* and *retired*.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report.near import near_duplicates
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part

PLACE = ("kind", "task", "source", "start", "question")  # what a changed row has in common with the old one
ADDED, EDITED, REMOVED, UNCHANGED = "added", "edited", "removed", "unchanged"
QUANTILES = (0.5, 0.9)
MOST_COMPARED = 200_000  # rows among which near duplicates are looked for: some 20 seconds


@dataclass(frozen=True)
class Change:
    """
    A row that is not in both runs.

    Parameters
    ----------
    change
        added, retired or changed.
    id, was
        Its id in the new run, and in the old one; "" where it has none.
    product, task, source
        What it is, and the document that it was made from.
    reason
        Why.
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
    What differs between two runs.

    Parameters
    ----------
    old, new
        Names of the runs.
    documents
        added, edited, removed, unchanged -> documents.
    products
        Product -> kept, added, retired, changed, old and new -> rows.
    near_duplicates
        Added or changed rows that nearly repeat a row which the new run no longer has; None where too many
        rows differ to look for them.
    changes
        Every row that is not kept.
    yields, scores, lengths, mixture, tasks
        Name -> figure in the old run and in the new one; None where a run has none.
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
        """Add up a figure of all products."""
        return sum(product[name] for product in self.products.values())

    @property
    def kept(self) -> float:
        """Share of the old rows that the new run has too; 1 where there were none."""
        return self.total("kept") / self.total("old") if self.total("old") else 1.0

    @property
    def unchanged(self) -> bool:
        """Whether both runs have the same documents and rows."""
        return not self.changes and not sum(self.documents[name] for name in (ADDED, EDITED, REMOVED))

    def figures(self) -> dict[str, float]:
        """
        Name the figures that a gate may test.

        kept, added, changed, retired: shares of the old rows. rows, documents, and ``rows.<product>``,
        ``score.<name>``, ``length.<product> p50``: new by old. ``yield.<stage>`` and ``share.<name>``: of the
        new run.
        """
        old = max(self.total("old"), 1)
        found = {name: self.total(name) / old for name in ("added", "changed", "retired")}
        before = self.documents[UNCHANGED] + self.documents[EDITED] + self.documents[REMOVED]
        after = self.documents[UNCHANGED] + self.documents[EDITED] + self.documents[ADDED]
        found |= {"kept": self.kept, "rows": self.total("new") / old, "documents": after / max(before, 1)}
        for product, counts in self.products.items():
            found[f"rows.{product}"] = counts["new"] / counts["old"] if counts["old"] else 1.0
        for kind, of in (("score", self.scores), ("length", self.lengths)):
            for name, (then, now) in of.items():
                if then and now is not None:
                    found[f"{kind}.{name}"] = now / then
        for kind, of in (("yield", self.yields), ("share", self.mixture)):
            found |= {f"{kind}.{name}": now for name, (_, now) in of.items() if now is not None}
        return found


def compare(old: Run, new: Run) -> Comparison:
    """
    Compare two runs whose stages are complete.

    Raises
    ------
    datagen.errors.UserError
        When a table cannot be read.
    """
    before, after = _rows(old), _rows(new)
    documents = _documents(old, new)
    changes = list(_changes(before, after, documents, new))
    found = Comparison(
        old.folder.name,
        new.folder.name,
        dict.fromkeys((ADDED, EDITED, REMOVED, UNCHANGED), 0) | dict(Counter(documents.values())),
        _products(before, after, changes),
        changes=changes,
    )
    gone = [change.was for change in changes if change.was]
    come = [change.id for change in changes if change.id]
    if len(gone) + len(come) <= MOST_COMPARED:
        found.near_duplicates = len(near_duplicates(old, gone, new, come))
    for name, of in (("scores", _scores), ("lengths", _lengths), ("mixture", _mixture), ("tasks", _tasks)):
        setattr(found, name, _both(of(before), of(after)))
    found.yields = _both(_yields(old), _yields(new))
    return found


def _rows(run: Run) -> pa.Table:
    """Read the rows that a run came to, without the long texts: their lengths stand in their place."""
    made = [record for record in run.stage_records() if record.get("gives") == "examples"]
    tables = [_narrow(read_part(path)) for path in parts(run.stage_folder(made[-1]["stage"]))] if made else []
    empty = pa.schema([(name, pa.string()) for name in ("id", "kind", "task", "question", "split", "source")])
    found = [table for table in tables if len(table)]
    return pa.concat_tables(found, promote_options="default") if found else empty.empty_table()


def _narrow(table: pa.Table) -> pa.Table:
    lineage = table["lineage"].combine_chunks()
    narrow = {name: table[name] for name in ("id", "kind", "task", "question")}
    narrow["split"] = table["split"] if "split" in table.column_names else pa.nulls(len(table), pa.string())
    narrow |= {name: pc.struct_field(lineage, name) for name in ("source", "start")}
    text = pc.coalesce(table["text"], table["answer"])
    narrow["length"] = pc.cast(pc.utf8_length(text), pa.float64())
    floats = [part.name for part in table.schema if pa.types.is_floating(part.type)]
    return pa.table(narrow | {f"score/{name}": table[name] for name in floats})


def _documents(old: Run, new: Run) -> dict[str, str]:
    """Tell what became of each document, by its source."""
    before, after = _sources(old), _sources(new)
    found = {}
    for source in before.keys() | after.keys():
        if source not in after:
            found[source] = REMOVED
        elif source not in before:
            found[source] = ADDED
        else:
            found[source] = UNCHANGED if before[source] == after[source] else EDITED
    return found


def _sources(run: Run) -> dict[str, str]:
    """Map the sources of a run's documents to their ids."""
    found: dict[str, str] = {}
    for record in run.stage_records():
        if record.get("gives") == "documents":
            for path in parts(run.stage_folder(record["stage"])):
                table = read_part(path, ["source", "id"])
                found |= dict(zip(table["source"].to_pylist(), table["id"].to_pylist(), strict=True))
    return found


def _changes(before: pa.Table, after: pa.Table, documents: Mapping[str, str], new: Run) -> Iterator[Change]:
    gone = before.filter(pc.invert(pc.is_in(before["id"], value_set=pc.unique(after["id"])))).to_pylist()
    come = after.filter(pc.invert(pc.is_in(after["id"], value_set=pc.unique(before["id"])))).to_pylist()
    waiting: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in gone:
        waiting.setdefault(tuple(row.get(name) for name in PLACE), []).append(row)
    for row in come:
        same = waiting.get(tuple(row.get(name) for name in PLACE))
        was = same.pop()["id"] if same else ""
        why = _why_added(documents.get(row["source"] or "", ""))
        yield _change("changed" if was else "added", row, row["id"], was, why)
    dropped = _dropped(new, [row["id"] for row in gone]) if gone else {}
    for row in (row for rows in waiting.values() for row in rows):
        why = _why_retired(documents.get(row["source"] or "", ""), dropped.get(row["id"], ""))
        yield _change("retired", row, "", row["id"], why)


def _change(change: str, row: Mapping[str, Any], id_: str, was: str, why: str) -> Change:
    product = KINDS.get(row["kind"], row["kind"] or "")
    return Change(change, id_, was, product, row["task"] or "", row["source"] or "", why)


def _why_added(document: str) -> str:
    return f"document {document}" if document in (ADDED, EDITED) else "made from an unchanged document"


def _why_retired(document: str, dropped: str) -> str:
    if document in (REMOVED, EDITED):
        return f"document {document}"
    return dropped or "not made again"


def _dropped(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """Find which of some rows a run dropped: id -> stage and reason."""
    wanted = pa.array(ids, pa.string())
    found: dict[str, str] = {}
    for record in run.stage_records():
        for path in parts(run.stage_folder(record["stage"]) / "dropped"):
            table = read_part(path, ["id", "reason"])
            if "id" in table.column_names:
                mine = table.filter(pc.is_in(table["id"], value_set=wanted))
                pairs = zip(mine["id"].to_pylist(), mine["reason"].to_pylist(), strict=True)
                found |= {name: f"{record['stage']}: {reason}" for name, reason in pairs}
    return found


def _products(before: pa.Table, after: pa.Table, changes: Sequence[Change]) -> dict[str, dict[str, int]]:
    old, new = (Counter(table["kind"].to_pylist()) for table in (before, after))
    counted = Counter((change.product, change.change) for change in changes)
    found = {}
    for kind, product in KINDS.items():
        added, changed = counted[product, "added"], counted[product, "changed"]
        found[product] = {
            "old": old[kind],
            "new": new[kind],
            "kept": new[kind] - added - changed,
            "added": added,
            "changed": changed,
            "retired": counted[product, "retired"],
        }
    return found


def _scores(table: pa.Table) -> dict[str, float]:
    """Give the mean of each score."""
    names = [name for name in table.column_names if name.startswith("score/")]
    means = {name.partition("/")[2]: pc.mean(table[name]).as_py() for name in names}
    return {name: mean for name, mean in means.items() if mean is not None}


def _lengths(table: pa.Table) -> dict[str, float]:
    """Give quantiles of the characters of a product's texts or answers."""
    found: dict[str, float] = {}
    for kind, product in KINDS.items():
        if "length" in table.column_names:
            mine = table["length"].filter(pc.equal(table["kind"], kind)).drop_null().to_numpy()
            if len(mine):
                found |= {f"{product} p{q * 100:.0f}": float(np.quantile(mine, q)) for q in QUANTILES}
    return found


def _mixture(table: pa.Table) -> dict[str, float]:
    """Give each product's share of the rows, and that of each split."""
    products = Counter(KINDS.get(kind, kind) for kind in table["kind"].to_pylist())
    splits = Counter(split for split in table["split"].to_pylist() if split)
    return {name: count / len(table) for name, count in [*products.items(), *splits.items()]}


def _tasks(table: pa.Table) -> dict[str, float]:
    return {name: float(count) for name, count in Counter(table["task"].to_pylist()).items() if name}


def _yields(run: Run) -> dict[str, float]:
    """Give rows out by rows in of each stage."""
    records = run.stage_records()
    return {r["stage"]: r["rows_out"] / r["rows_in"] for r in records if r["rows_in"]}


def _both(old: Mapping[str, float], new: Mapping[str, float]) -> dict[str, list[float | None]]:
    return {name: [old.get(name), new.get(name)] for name in dict.fromkeys([*old, *new])}
