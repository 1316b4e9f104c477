"""
Compare two runs of a recipe: documents, rows, yields, scores, lengths, mixture.

The rows of a run are those of its last stage that produces examples. A row is *kept* if both runs have its
id, or its content with another id, because its document was *moved*, and *changed* if a person edited its
text in between. Otherwise a row of the new run *changes* a row of the old one if both have the same kind,
task, position in the same document, and question. The others are *added* and *retired*. A document that was
only renamed is *unchanged*.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.json_types import JsonObject
from datagen.recipe.gates import QUANTILES
from datagen.report.comparison import ADDED, EDITED, REMOVED, UNCHANGED, Change, Comparison
from datagen.report.moved import moved_rows, renamed_documents
from datagen.report.near import near_duplicates
from datagen.report.rows import final_parts
from datagen.rows import Row
from datagen.run.folder import Run
from datagen.schema import KINDS, ORIGINAL
from datagen.store.parquet import parts, read_part

IDENTITY = ("kind", "task", "source", "start", "question")  # equal in a changed row and the old one
TEXTS = ("question", "answer", "rejected", "text")  # that a person can edit
MOVED = "moved"
MAX_COMPARED = 200_000  # maximum rows for the search of near duplicates (20 seconds)


def compare(old: Run, new: Run) -> Comparison:
    """
    Compare two complete runs.

    Raises
    ------
    datagen.errors.UserError
        If a table cannot be read.
    """
    before, after = _rows(old), _rows(new)
    documents = changed_documents(old, new)
    changes = list(_changes(before, after, documents, old, new))
    comparison = Comparison(
        old.folder.name,
        new.folder.name,
        dict.fromkeys((ADDED, EDITED, REMOVED, UNCHANGED), 0) | dict(Counter(documents.values())),
        _products(before, after, changes),
        changes=changes,
    )
    differing = [change for change in changes if change.change != MOVED]
    removed = [change.was for change in differing if change.was]
    added = [change.id for change in differing if change.id]
    if len(removed) + len(added) <= MAX_COMPARED:
        comparison.near_duplicates = len(near_duplicates(old, removed, new, added))
    for name, measure in (
        ("scores", _scores),
        ("lengths", _lengths),
        ("mixture", _mixture),
        ("tasks", _tasks),
    ):
        setattr(comparison, name, _both(measure(before), measure(after)))
    comparison.yields = _both(_yields(old), _yields(new))
    return comparison


def _rows(run: Run) -> pa.Table:
    """Read the final rows of a run, with the lengths of long texts instead of the texts."""
    tables = [_narrow(read_part(path)) for path in final_parts(run)]
    empty = pa.schema(
        [(name, pa.string()) for name in ("id", "kind", "task", "question", "split", "source", "edited")]
    )
    non_empty = [table for table in tables if len(table)]
    return pa.concat_tables(non_empty, promote_options="default") if non_empty else empty.empty_table()


def _narrow(table: pa.Table) -> pa.Table:
    lineage = table["lineage"].combine_chunks()
    columns = {name: table[name] for name in ("id", "kind", "task", "question")}
    columns["split"] = table["split"] if "split" in table.column_names else pa.nulls(len(table), pa.string())
    columns |= {name: pc.struct_field(lineage, name) for name in ("source", "start")}
    columns["edited"] = _edited_texts(table)
    text = pc.coalesce(table["text"], table["answer"])
    columns["length"] = pc.cast(pc.utf8_length(text), pa.float64())
    floats = [part.name for part in table.schema if pa.types.is_floating(part.type)]
    return pa.table(columns | {f"score/{name}": table[name] for name in floats})


def _edited_texts(table: pa.Table) -> pa.ChunkedArray:
    """Return the texts of the rows that a person edited; null for other rows."""
    if ORIGINAL not in table.column_names:
        return pa.chunked_array([pa.nulls(len(table), pa.string())])
    texts = [pc.fill_null(table[name], "") for name in TEXTS]
    return pc.if_else(pc.is_valid(table[ORIGINAL]), pc.binary_join_element_wise(*texts, "\0"), None)


def changed_documents(old: Run, new: Run) -> dict[str, str]:
    """
    Classify each document by its source: added, edited, removed or unchanged.

    Raises
    ------
    datagen.errors.UserError
        If a table cannot be read.
    """
    before, after = _sources(old), _sources(new)
    changes = {}
    for source in before.keys() | after.keys():
        if source not in after:
            changes[source] = REMOVED
        elif source not in before:
            changes[source] = ADDED
        else:
            changes[source] = UNCHANGED if before[source] == after[source] else EDITED
    removed, added = before.keys() - after.keys(), after.keys() - before.keys()
    for new_source, old_source in renamed_documents(old, removed, new, added).items():
        del changes[old_source]
        changes[new_source] = UNCHANGED
    return changes


def _sources(run: Run) -> dict[str, str]:
    """Map the sources of a run's documents to their ids."""
    ids: dict[str, str] = {}
    for record in run.stage_records():
        if record.get("gives") == "documents":
            for path in parts(run.stage_folder(record["stage"])):
                table = read_part(path, ["source", "id"])
                ids |= dict(zip(table["source"].to_pylist(), table["id"].to_pylist(), strict=True))
    return ids


def _changes(
    before: pa.Table, after: pa.Table, documents: Mapping[str, str], old: Run, new: Run
) -> Iterator[Change]:
    removed = before.filter(pc.invert(pc.is_in(before["id"], value_set=pc.unique(after["id"])))).to_pylist()
    added = after.filter(pc.invert(pc.is_in(after["id"], value_set=pc.unique(before["id"])))).to_pylist()
    moved = moved_rows(old, [row["id"] for row in removed], new, [row["id"] for row in added])
    unmatched: dict[tuple[object, ...], list[JsonObject]] = {}
    was_moved = set(moved.values())
    for row in (row for row in removed if row["id"] not in was_moved):
        unmatched.setdefault(tuple(row.get(name) for name in IDENTITY), []).append(row)
    for row in added:
        if row["id"] in moved:
            yield _change(MOVED, row, row["id"], moved[row["id"]], "same content, another document")
            continue
        matches = unmatched.get(tuple(row.get(name) for name in IDENTITY))
        old_id = matches.pop()["id"] if matches else ""
        reason = _why_added(documents.get(row["source"] or "", ""))
        yield _change("changed" if old_id else "added", row, row["id"], old_id, reason)
    dropped = _dropped(new, [row["id"] for row in removed]) if removed else {}
    for row in (row for rows in unmatched.values() for row in rows):
        reason = _why_retired(documents.get(row["source"] or "", ""), dropped.get(row["id"], ""))
        yield _change("retired", row, "", row["id"], reason)
    edits_before, edits_after = _edits(before), _edits(after)
    same = edits_before.items() & edits_after.items()
    different = {name for name, _ in (edits_before.items() | edits_after.items()) - same}
    in_both = pc.is_in(after["id"], value_set=pc.unique(before["id"]))
    edited = pc.and_(in_both, pc.is_in(after["id"], value_set=pa.array(different, pa.string())))
    for row in after.filter(edited).to_pylist():
        reason = "edited" if row["id"] in edits_after else "edit withdrawn"
        yield _change("changed", row, row["id"], row["id"], reason)


def _edits(table: pa.Table) -> dict[str, str]:
    """Map the ids of edited rows to their texts."""
    rows = table.filter(pc.is_valid(table["edited"]))
    return dict(zip(rows["id"].to_pylist(), rows["edited"].to_pylist(), strict=True))


def _change(change: str, row: Row, id_: str, old_id: str, reason: str) -> Change:
    product = KINDS.get(row["kind"], row["kind"] or "")
    return Change(change, id_, old_id, product, row["task"] or "", row["source"] or "", reason)


def _why_added(document: str) -> str:
    return f"document {document}" if document in (ADDED, EDITED) else "made from an unchanged document"


def _why_retired(document: str, dropped: str) -> str:
    if document in (REMOVED, EDITED):
        return f"document {document}"
    return dropped or "not made again"


def _dropped(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """Find which of these rows a run dropped: id -> stage and reason."""
    wanted = pa.array(ids, pa.string())
    reasons: dict[str, str] = {}
    for record in run.stage_records():
        for path in parts(run.stage_folder(record["stage"]) / "dropped"):
            table = read_part(path, ["id", "reason"])
            if "id" in table.column_names:
                matches = table.filter(pc.is_in(table["id"], value_set=wanted))
                pairs = zip(matches["id"].to_pylist(), matches["reason"].to_pylist(), strict=True)
                reasons |= {name: f"{record['stage']}: {reason}" for name, reason in pairs}
    return reasons


def _products(before: pa.Table, after: pa.Table, changes: Sequence[Change]) -> dict[str, dict[str, int]]:
    old, new = (Counter(table["kind"].to_pylist()) for table in (before, after))
    counts = Counter((change.product, change.change) for change in changes)
    products = {}
    for kind, product in KINDS.items():
        added, changed = counts[product, "added"], counts[product, "changed"]
        products[product] = {
            "old": old[kind],
            "new": new[kind],
            "kept": new[kind] - added - changed,
            "added": added,
            "changed": changed,
            "retired": counts[product, "retired"],
        }
    return products


def _scores(table: pa.Table) -> dict[str, float]:
    """Return the mean of each score."""
    names = [name for name in table.column_names if name.startswith("score/")]
    means = {name.partition("/")[2]: pc.mean(table[name]).as_py() for name in names}
    return {name: mean for name, mean in means.items() if mean is not None}


def _lengths(table: pa.Table) -> dict[str, float]:
    """Return quantiles of the lengths of each product's texts or answers, in characters."""
    quantiles: dict[str, float] = {}
    for kind, product in KINDS.items():
        if "length" in table.column_names:
            lengths = table["length"].filter(pc.equal(table["kind"], kind)).drop_null().to_numpy()
            if len(lengths):
                quantiles |= {
                    f"{product} {name}": float(np.quantile(lengths, q)) for name, q in QUANTILES.items()
                }
    return quantiles


def _mixture(table: pa.Table) -> dict[str, float]:
    """Return the share of rows of each product and of each split."""
    products = Counter(KINDS.get(kind, kind) for kind in table["kind"].to_pylist())
    splits = Counter(split for split in table["split"].to_pylist() if split)
    return {name: count / len(table) for name, count in [*products.items(), *splits.items()]}


def _tasks(table: pa.Table) -> dict[str, float]:
    return {name: float(count) for name, count in Counter(table["task"].to_pylist()).items() if name}


def _yields(run: Run) -> dict[str, float]:
    """Return the ratio of output to input rows of each stage."""
    records = run.stage_records()
    return {r["stage"]: r["rows_out"] / r["rows_in"] for r in records if r["rows_in"]}


def _both(old: Mapping[str, float], new: Mapping[str, float]) -> dict[str, list[float | None]]:
    return {name: [old.get(name), new.get(name)] for name in dict.fromkeys([*old, *new])}
