"""The report of a run: one self-contained HTML file."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.report.changes import read_summary
from datagen.report.difficulty import shifts
from datagen.report.files import files_by_ending
from datagen.report.languages import languages
from datagen.report.planned import read_outcome
from datagen.run.folder import Run
from datagen.schema import KINDS, content_id
from datagen.store.parquet import parts, read_part, whole_file
from datagen.template import render_file

SAMPLES = 5  # rows shown per product
DOCUMENTS = 10  # documents shown, those with the most refusals
DROPS = 3  # rows shown per reason


def write_report(run: Run) -> Path:
    """Write the ``report.html`` of a complete run; return its path."""
    stages = run.stage_records()
    page = render_file(
        __package__,
        "report.html.j2",
        html=True,
        run=run,
        manifest=run.manifest,
        stages=stages,
        products=products(run),
        refusals=refusals(run),
        metadata=metadata(run),
        languages=languages(run),
        samples={product: _samples(run, product) for product in KINDS.values()},
        drops={record["stage"]: _drops(run, record) for record in stages if record["dropped"]},
        shifts={
            record["stage"]: shifts(run.stage_folder(record["stage"]))
            for record in stages
            if record["dropped"] and record["takes"] == record["gives"] == "examples"
        },
        comparisons=comparisons(run),
        changed=read_summary(run.folder),
        planned=read_outcome(run.folder),
        promises=promises(run),
        yields=_yields(stages),
        endings=[files_by_ending(record.get("figures", {})) for record in stages],
    )
    path = run.folder / "report.html"
    with whole_file(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def products(run: Run) -> dict[str, dict[str, int]]:
    """Count the rows of the hand-off: product -> split -> rows. A product without rows has no splits."""
    counts: dict[str, dict[str, int]] = {product: {} for product in KINDS.values()}
    for product, splits in counts.items():
        for path in _handed_off(run, product):
            if rows := pq.read_metadata(path).num_rows:
                split = path.name.partition("-")[0]
                splits[split] = splits.get(split, 0) + rows
    return counts


def refusals(run: Run) -> dict[str, list[tuple[str, int, int]]]:
    """
    Count refusals and instructions, which are trained together.

    Returns
    -------
    "kind" -> (task, refusals, refusals plus instructions) for every refusal task; "document" -> (source,
    refusals, refusals plus instructions) for the documents with the most refusals.
    """
    tasks: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    chat: Counter[str] = Counter()
    for product in ("refusals", "instructions"):
        for path in _handed_off(run, product):
            rows = read_part(path, ["task", "lineage"])
            sources = Counter(pc.struct_field(rows["lineage"].combine_chunks(), "source").to_pylist())
            chat += sources
            if product == "refusals":
                refused += sources
                tasks += Counter(rows["task"].to_pylist())
    total = chat.total()
    return {
        "kind": [(task, count, total) for task, count in tasks.most_common()],
        "document": [(source or "", count, chat[source]) for source, count in refused.most_common(DOCUMENTS)],
    }


def metadata(run: Run) -> list[tuple[str, str, str, int, int]]:
    """
    Count the string and boolean values in the metadata of rows, as their stage made them.

    Returns
    -------
    list of (task, key, value, rows, rows of the task with this key)
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    made = [r["stage"] for r in run.stage_records() if r["gives"] == "examples" != r["takes"]]
    for path in (path for stage in made for path in parts(run.stage_folder(stage))):
        table = read_part(path, ["task", "metadata"])
        for group in table.group_by(["task", "metadata"]).aggregate([([], "count_all")]).to_pylist():
            for name, value in json.loads(group["metadata"] or "{}").items():
                if isinstance(value, str | bool):
                    counts[group["task"], name, json.dumps(value).strip('"')] += group["count_all"]
    totals: Counter[tuple[str, str]] = Counter()
    for (task, name, _), rows in counts.items():
        totals[task, name] += rows
    return [(*key, rows, totals[key[:2]]) for key, rows in sorted(counts.items())]


def comparisons(run: Run) -> dict[str, dict[str, Any]]:
    """Read how two models agree on difficulty: stage -> its ``comparison.json``, if it has one."""
    paths = {name: run.stage_folder(name) / "comparison.json" for name in run.manifest["stages"]}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.is_file()}


def promises(run: Run) -> list[dict[str, Any]]:
    """Read what is promised about the precision of the hand-off from ``promises.json``."""
    paths = [run.stage_folder(name) / "promises.json" for name in run.manifest["stages"]]
    tables = (json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file())
    return [promise for table in tables for promise in table]


def _handed_off(run: Run, *products: str) -> Iterator[Path]:
    for product in products:
        yield from sorted((run.folder / "handoff" / product).rglob("*.parquet"))


def _samples(run: Run, product: str) -> list[dict[str, Any]]:
    """Sample rows of a product by hash, so that the report does not show only the first ones."""
    rows = []
    for path in _handed_off(run, product):
        table = read_part(path)
        order = sorted(range(len(table)), key=lambda n: content_id(table["id"][n].as_py(), "sample"))
        rows += table.take(order[:SAMPLES]).to_pylist()
    rows.sort(key=lambda row: content_id(row["id"], "sample"))
    return [{"row": row, "lineage": json.dumps(row["lineage"], indent=2)} for row in rows[:SAMPLES]]


def _drops(run: Run, record: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Sample a few dropped rows per reason."""
    shown: dict[str, list[dict[str, Any]]] = {reason: [] for reason in record["dropped"]}
    for row in _dropped_rows(run.stage_folder(record["stage"])):
        if len(rows := shown[row["reason"]]) < DROPS:
            rows.append({"detail": row["detail"] or "", "content": _content(row)})
    return shown


def _dropped_rows(folder: Path) -> Iterator[dict[str, Any]]:
    columns = ["reason", "detail", "question", "answer", "text"]
    for path in parts(folder / "dropped"):
        yield from read_part(path, columns).to_pylist()


def _content(row: dict[str, Any]) -> str:
    texts = [row.get(name) for name in ("question", "answer", "text")]
    return " · ".join(text for text in texts if text)[:600]


def _yields(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum the requests and tokens of all stages; `kept` is the number of rows at the end of the pipeline."""
    usages = [record["requests"] for record in stages if "requests" in record]
    names = ("asked", "reused", "completions", "prompt_tokens", "cached_tokens", "completion_tokens")
    total: dict[str, Any] = {name: sum(usage[name] for usage in usages) for name in names}
    total["kept"] = stages[-1]["rows_out"] if stages else 0
    total["cached_share"] = total["cached_tokens"] / total["prompt_tokens"] if total["prompt_tokens"] else 0.0
    return total
