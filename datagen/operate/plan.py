"""
``datagen plan``: what a run would take and give, judged by a pilot or by an earlier run.

Stages up to the pilot's sample have seen the whole corpus, so their rows are exact. What comes after is
scaled by the passages: all, over those in the sample. Tokens are those that the engine counted. For the rows
of each product there is an interval: passages are drawn at random, so the total is a ratio estimate with the
spread between passages as its error (a cluster sample, the passage being the cluster). Stages that drop rows
by comparison with all others, such as dedup and mix, drop more of many rows than of few: the interval does
not cover that.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.engines.identity import circumstances, identities
from datagen.errors import UserError
from datagen.operate import pilot
from datagen.operate.estimates import Plan, Price, Stage, interval
from datagen.recipe.model import Recipe
from datagen.report.planned import PLAN
from datagen.run.folder import PILOT, Run, earlier_runs, fingerprint
from datagen.run.takeover import foresee
from datagen.schema import KINDS
from datagen.store.completions import Completions
from datagen.store.parquet import parts, read_part, write_json


def plan(recipe: Recipe, outputs: Path, price: Price | None = None) -> Plan:
    """
    Plan a run by its newest pilot, or else by the newest run.

    Raises
    ------
    UserError
        When there is neither.
    """
    home = (outputs / recipe.name).resolve()
    basis = _basis(home)
    records = basis.stage_records()
    drawn = next((record for record in records if record["stage"] == pilot.NAME), None)
    sampled = drawn["rows_out"] if drawn else _passages(records)
    passages = drawn["rows_in"] if drawn else sampled
    scale = passages / sampled if sampled else 1.0
    standing = Completions(stored.folder / "completions") if (stored := _newest(home)) else None
    models = identities(recipe.models)
    stages, after = [], drawn is None
    for record in records:
        if record is drawn:
            after = True
            continue
        stages.append(_stage(record, scale if after and drawn else 1.0, basis, recipe, standing))
    found = Plan(
        recipe=recipe.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        basis=basis.folder.name if drawn is None else f"pilot {basis.folder.name}",
        sampled=sampled,
        passages=passages,
        fingerprint=fingerprint(recipe, models),
        documents=sum(r["rows_out"] for r in records if r["gives"] == "documents" != r["takes"]),
        stages=stages,
        products=_products(basis, sampled, passages),
        taken_over=foresee(recipe, home, models),
        current=_is_current(basis, drawn, recipe),
        price=price,
    )
    home.mkdir(parents=True, exist_ok=True)
    write_json(found.as_json(), home / PLAN)
    return found


def _basis(home: Path) -> Run:
    """Find the newest complete pilot, else the newest complete run."""
    for folder in (home.with_name(f"{home.name}{PILOT}"), home):
        runs = [run for run in (earlier_runs(folder) if folder.is_dir() else []) if run.over]
        if runs:
            return runs[-1]
    raise UserError("there is no pilot and no run to plan by. Run a pilot: datagen plan RECIPE --pilot 200")


def _is_current(basis: Run, drawn: dict[str, Any] | None, recipe: Recipe) -> bool:
    """Tell whether a pilot or run was made with this recipe, these prompts and these models."""
    same = pilot.pilot_of(recipe, drawn["options"]["passages"]) if drawn else recipe
    return bool(basis.manifest["fingerprint"] == fingerprint(same, identities(recipe.models)))


def _newest(home: Path) -> Run | None:
    runs = [run for run in (earlier_runs(home) if home.is_dir() else []) if run.over]
    return runs[-1] if runs else None


def _passages(records: list[dict[str, Any]]) -> int:
    of = [record["rows_out"] for record in records if record["gives"] == "passages"]
    return of[-1] if of else 0


def _stage(
    record: dict[str, Any], scale: float, basis: Run, recipe: Recipe, standing: Completions | None
) -> Stage:
    found = Stage(
        record["stage"],
        record.get("model", {}).get("name", ""),
        record["rows_in"] * scale,
        record["rows_out"] * scale,
    )
    if "requests" not in record:
        return found
    asked, cost = record["requests"], record["cost"]
    found.requests = asked["asked"] * scale
    found.prompt_tokens = cost["prompt_tokens"] * scale
    found.completion_tokens = cost["completion_tokens"] * scale
    keys = _keys(basis, record["stage"])
    share = 0.0
    if standing is not None and len(keys):
        here = circumstances(recipe.models.role(record["model"]["role"]))
        missing = Completions(standing.folder, here).missing(keys)
        share = 1 - pc.sum(missing).as_py() / len(keys)
    of_pilot = 0.0 if standing is not None and standing.folder == basis.completions.folder else asked["asked"]
    found.stored = min(found.requests, max(share * found.requests, of_pilot))
    measured = record.get("pace")
    found.seconds = found.requests * found.open_share / measured if measured else None
    if not found.open_share:
        found.seconds = 0.0
    return found


def _keys(run: Run, stage: str) -> pa.Array:
    folder = run.stage_folder(stage)
    paths = [*parts(folder / "requests"), *parts(folder / "follow_ups")]
    chunks = [chunk for path in paths for chunk in read_part(path, ["key"])["key"].chunks]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def _products(run: Run, sampled: int, passages: int) -> dict[str, tuple[float, float, float]]:
    """Estimate the rows of each product, with the ends of a 95% interval."""
    made = [record for record in run.stage_records() if record.get("gives") == "examples"]
    counts: dict[str, Counter[str]] = {product: Counter() for product in KINDS.values()}
    for path in parts(run.stage_folder(made[-1]["stage"])) if made else []:
        table = read_part(path, ["kind", "lineage"])
        lineage = table["lineage"].combine_chunks()
        place = pc.coalesce(pc.struct_field(lineage, "passage_id"), pc.struct_field(lineage, "document_id"))
        for kind, where in zip(table["kind"].to_pylist(), place.to_pylist(), strict=True):
            counts[KINDS[kind]][where or ""] += 1
    return {product: interval(list(of.values()), sampled, passages) for product, of in counts.items()}
