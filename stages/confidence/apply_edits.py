"""
Replace texts of rows by those that people wrote in `datagen browse`.

Edits are in the labels files (`datagen.stages.confidence.labels.edits`). Put the stage after those that
generate rows and before `measure`, so that edited texts pass the same checks as generated ones: flaws such as
control tokens, limits on length, duplicates, decontamination.

An edited row keeps its id and its lineage, in which ``stage`` is the name of this stage. Its former texts are
in the column ``original``, as JSON. Scores of the former text are removed. No row is dropped, and rows made
from an edited row before this stage are not changed.

An edit is not applied if its row does not exist, because its document or a prompt has changed, or if the row
has other texts than those that were edited. ``edits.jsonl`` in the stage's folder lists each edit with its
outcome.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

import datagen.stage
from datagen.json_types import JsonObject
from datagen.schema import ORIGINAL
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.labels import edits, file
from datagen.stages.shared.similarity.sketch import Reader
from datagen.store.parquet import parts, read_part, whole_file

APPLIED = "applied"
OUTCOMES = "edits.jsonl"

Edits = dict[str, dict[str, str]]  # id of a row -> new texts by field


class Options(datagen.stage.Options):
    """Where the edits are."""

    labels: list[str] = Field(
        [], description="Label files, as written by `datagen browse`; paths are relative to the recipe"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Edits]:
    """Find the rows of all edits, and report those that cannot be applied."""
    lines = [line for path in options.labels for line in file.read(context.folder / path)]
    labels: dict[str, file.Label] = {}
    for line in lines:
        file.add(line, labels)
    by_id = {name: label for name, label in labels.items() if label.get("edit")}
    problems: dict[str, str] = {}
    for found in context.each(partial(_problems, labels=by_id), partitions.readers) if by_id else ():
        problems |= found
    documents = _documents(context) if by_id.keys() - problems.keys() else {}
    problems |= {
        name: _why_missing(label, documents) for name, label in by_id.items() if name not in problems
    }
    _write_outcomes(by_id, problems, context)
    context.notice(_notices(problems, _overruled(lines)))
    applicable = {name: by_id[name]["edit"] for name, reason in problems.items() if not reason}
    yield from [applicable] * len(partitions)


def apply(rows: pa.Table, edits_by_id: Edits, options: Options, context: Context) -> Outcome:
    """Replace the texts of the edited rows; no row is dropped."""
    if ORIGINAL not in rows.column_names:
        rows = rows.append_column(ORIGINAL, pa.nulls(len(rows), pa.string()))
    places = np.flatnonzero([name in edits_by_id for name in rows["id"].to_pylist()])
    if not len(places):
        return Outcome.all_kept(rows)
    changed = [
        edits.edited(row, edits_by_id[row["id"]], context.stage) for row in rows.take(places).to_pylist()
    ]
    order = np.arange(len(rows))
    order[places] = len(rows) + np.arange(len(places))
    both = pa.concat_tables([rows, pa.Table.from_pylist(changed, schema=rows.schema)])
    return Outcome.all_kept(both.take(order))


def _problems(reader: Reader, labels: Mapping[str, file.Label]) -> dict[str, str]:
    """Check the edits of a partition's rows: id -> why it cannot be applied, or ""."""
    ids = reader(["id"])["id"]
    mask = pa.array([name in labels for name in ids.to_pylist()], pa.bool_())
    if not pc.any(mask).as_py():
        return {}
    rows = reader(["id", "kind", "prompt", *file.EDITABLE]).filter(mask)
    return {row["id"]: edits.problem(row, labels[row["id"]]) for row in rows.to_pylist()}


def _documents(context: Context) -> dict[str, set[str]]:
    """Read the documents of the run: source -> ids."""
    ids: dict[str, set[str]] = {}
    for path in (path for folder in context.tables.get("documents", ()) for path in parts(folder)):
        table = read_part(path, ["source", "id"])
        for source, name in zip(table["source"].to_pylist(), table["id"].to_pylist(), strict=True):
            ids.setdefault(source, set()).add(name)
    return ids


def _why_missing(label: file.Label, documents: Mapping[str, set[str]]) -> str:
    source, document = label.get("source"), label.get("document_id")
    if not isinstance(source, str) or not isinstance(document, str):
        return "no row has this id"
    if source not in documents:
        return "its document is not in the corpus"
    if document not in documents[source]:
        return "its document has changed"
    return "the row was not made again or was dropped before this stage"


def _overruled(lines: Sequence[file.Label]) -> int:
    """Count the rows with several different edits."""
    different: dict[str, set[str]] = {}
    for line in lines:
        if line.get("edit"):
            different.setdefault(line["id"], set()).add(json.dumps(line["edit"], sort_keys=True))
    return sum(len(texts) > 1 for texts in different.values())


def _notices(problems: Mapping[str, str], overruled: int) -> Iterator[str]:
    reasons = Counter(problems.values())
    if applied := reasons.pop("", 0):
        yield f"edits applied to {applied:,} {'row' if applied == 1 else 'rows'}"
    if total := reasons.total():
        why = "; ".join(f"{count:,}: {reason}" for reason, count in reasons.most_common())
        yield f"{total:,} {'edit' if total == 1 else 'edits'} not applied ({why}); see {OUTCOMES}"
    if overruled:
        yield f"{overruled:,} {'row has' if overruled == 1 else 'rows have'} different edits; the last counts"


def _write_outcomes(labels: Mapping[str, file.Label], problems: Mapping[str, str], context: Context) -> None:
    lines: list[JsonObject] = [
        {"id": name, "outcome": "not applied" if problems[name] else APPLIED, "reason": problems[name]}
        | {"fields": sorted(label["edit"]), "edit": label["edit"], "source": label.get("source")}
        for name, label in labels.items()
    ]
    with whole_file(context.output / OUTCOMES) as unfinished:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))


stage = WholeStage(
    name="apply_edits",
    summary="replace texts by those that people wrote in datagen browse",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
