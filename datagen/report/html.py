"""The report of a run: one self-contained HTML file without scripts."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc

from datagen.json_types import JsonObject
from datagen.recipe.prices import money
from datagen.report.calibration import calibration_charts
from datagen.report.changes import read_summary
from datagen.report.charts import draw_all
from datagen.report.composition import mix_charts
from datagen.report.cost import cost_chart, costs
from datagen.report.coverage import coverage
from datagen.report.difficulty import shifts
from datagen.report.diversity import diversity
from datagen.report.files import files_by_ending
from datagen.report.funnel import duplicates, funnel_chart, steps, unit
from datagen.report.languages import languages
from datagen.report.occupancy import engine_use
from datagen.report.planned import read_outcome
from datagen.report.promises import promises
from datagen.report.proof import latest_proof
from datagen.report.rows import handed_off, knowledge_test_rows, products
from datagen.report.samples import by_reason, side_by_side
from datagen.report.scores import scores
from datagen.run.folder import Run
from datagen.store.parquet import parts, read_json, read_part, whole_file
from datagen.store.record import StageRecord
from datagen.template import content, render_file

REPORT = "report.html"
DOCUMENTS = 10  # listed documents with the most refusals


def write_report(run: Run) -> Path:
    """Write ``report.html`` of a complete run; return its path."""
    stages = run.stage_records()
    funnel, cost, covered = funnel_chart(stages), cost_chart(stages), coverage(run)
    mix, scored, calibration = mix_charts(run), scores(run), calibration_charts(run)
    use = engine_use(run)
    charts = [*mix, *scored.charts, *calibration, *(covered.drawn if covered else [])]
    draw_all([*charts, *(chart for chart in (funnel, cost, use and use.chart) if chart)])
    page = render_file(
        __package__,
        "report.html.j2",
        html=True,
        css=content(__package__, "theme.css") + content(__package__, "report.css"),
        run=run,
        manifest=run.manifest,
        stages=stages,
        products=products(run),
        tested=knowledge_test_rows(run),
        refusals=refusals(run),
        metadata=metadata(run),
        languages=languages(run),
        steps=steps(stages),
        funnel=funnel,
        unit=unit,
        mix=mix,
        scores=scored,
        calibration=calibration,
        coverage=covered,
        diversity=diversity(run),
        duplicates=duplicates(stages),
        cost=cost,
        costs=costs(run.manifest, stages),
        money=money,
        proof=latest_proof(run),
        use=use,
        samples=side_by_side(run),
        drops={record["stage"]: by_reason(run, record) for record in stages if record["dropped"]},
        shifts={
            record["stage"]: shifts(run.stage_folder(record["stage"]))
            for record in stages
            if record["dropped"] and record["takes"] == record["gives"] == "examples"
        },
        comparisons=comparisons(run),
        generators=generators(run),
        changed=read_summary(run.folder),
        planned=read_outcome(run.folder),
        promises=promises(run),
        yields=_yields(stages),
        endings=[files_by_ending(record.get("figures", {})) for record in stages],
    )
    path = run.folder / REPORT
    with whole_file(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def refusals(run: Run) -> dict[str, list[tuple[str, int, int]]]:
    """
    Count refusals, compared with all rows of the chat format.

    Returns
    -------
    "kind" -> (task, refusals, refusals and instructions) of every task of refusals; "document" -> (source,
    refusals, refusals and instructions) of the documents with the most refusals.
    """
    tasks: Counter[str] = Counter()
    by_source: Counter[str] = Counter()
    of_chat: Counter[str] = Counter()
    for product in ("refusals", "instructions"):
        for path in handed_off(run, product):
            rows = read_part(path, ["task", "lineage"])
            sources = Counter(pc.struct_field(rows["lineage"].combine_chunks(), "source").to_pylist())
            of_chat += sources
            if product == "refusals":
                by_source += sources
                tasks += Counter(rows["task"].to_pylist())
    total = of_chat.total()
    return {
        "kind": [(task, count, total) for task, count in tasks.most_common()],
        "document": [
            (source or "", count, of_chat[source]) for source, count in by_source.most_common(DOCUMENTS)
        ],
    }


def metadata(run: Run) -> list[tuple[str, str, str, int, int]]:
    """
    Count string and boolean metadata values in the rows, as generated.

    Returns
    -------
    list of (task, key, value, rows, rows of the task with this key)
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    sources = [r["stage"] for r in run.stage_records() if r["gives"] == "examples" != r["takes"]]
    for path in (path for stage in sources for path in parts(run.stage_folder(stage))):
        table = read_part(path, ["task", "metadata"])
        for row in table.group_by(["task", "metadata"]).aggregate([([], "count_all")]).to_pylist():
            for name, value in json.loads(row["metadata"] or "{}").items():
                if isinstance(value, str | bool):
                    counts[row["task"], name, json.dumps(value).strip('"')] += row["count_all"]
    totals: Counter[tuple[str, str]] = Counter()
    for (task, name, _), rows in counts.items():
        totals[task, name] += rows
    return [(*key, rows, totals[key[:2]]) for key, rows in sorted(counts.items())]


def comparisons(run: Run) -> dict[str, JsonObject]:
    """Read the agreement of two models on difficulty: stage -> its ``comparison.json``, if it has one."""
    return _written(run, "comparison.json")


def generators(run: Run) -> dict[str, JsonObject]:
    """Read the comparisons of generators: stage -> its ``generators.json``, if it has one."""
    return _written(run, "generators.json")


def _written(run: Run, name: str) -> JsonObject:
    paths = {stage: run.stage_file(stage, name) for stage in run.manifest["stages"]}
    return {stage: read_json(path) for stage, path in paths.items() if path}


def _yields(stages: list[StageRecord]) -> dict[str, object]:
    """Sum the usage of generation."""
    requests = [record["requests"] for record in stages if "requests" in record]
    names = ("asked", "reused", "completions", "prompt_tokens", "cached_tokens", "completion_tokens")
    total: JsonObject = {name: sum(part[name] for part in requests) for name in names}
    total["kept"] = stages[-1]["rows_out"] if stages else 0
    total["cached_share"] = total["cached_tokens"] / total["prompt_tokens"] if total["prompt_tokens"] else 0.0
    return total
