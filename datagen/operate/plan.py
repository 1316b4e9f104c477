"""
``datagen plan``: estimate a run from a pilot or an earlier run.

Stages before the pilot's sample process the whole corpus, so their rows are exact. The figures of later
stages are scaled by the ratio of all passages to sampled ones. Tokens are those counted by the engine. The
interval of a product's rows follows from cluster sampling: passages are the clusters, and the spread between
them gives the error. Stages that compare rows with all others, such as dedup and mix, drop a larger share of
many rows than of few; the interval does not include that.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datagen.engines.identity import circumstances, identities
from datagen.errors import UserError
from datagen.operate import pilot
from datagen.operate.estimates import Plan, Stage, interval, share_correction
from datagen.recipe.model import Recipe
from datagen.recipe.prices import Prices, currency_of, describe, price_of
from datagen.report.planned import PLAN
from datagen.report.rows import final_parts
from datagen.request import Identity
from datagen.run.content import prompts_content
from datagen.run.folder import PILOT, Run, earlier_runs
from datagen.run.lifecycle import fingerprint
from datagen.run.takeover import foresee
from datagen.schema import KINDS
from datagen.stage import ModelStage, SourceStage
from datagen.store.completions import Completions
from datagen.store.digests import write_sealed
from datagen.store.parquet import read_part
from datagen.store.record import StageRecord
from datagen.store.rounds import request_files

OUTSIDE = "outside the sample"  # reason of the rows that a stage with a share does not ask about


def plan(recipe: Recipe, outputs: Path, prices: Prices | None = None) -> Plan:
    """
    Estimate a run from the newest pilot, otherwise from the newest run.

    Parameters
    ----------
    recipe, outputs
        The recipe, and the folder of all runs.
    prices
        Prices by role. Default: those of the recipe.

    Raises
    ------
    UserError
        If there is neither.
    """
    home = (outputs / recipe.name).resolve()
    basis = _basis(home)
    records = basis.stage_records()
    sample = next((record for record in records if record["stage"] == pilot.NAME), None)
    sampled = sample["rows_out"] if sample else _passages(records)
    passages = sample["rows_in"] if sample else sampled
    scale = passages / sampled if sampled else 1.0
    newest = _newest(home)
    stored = Completions(newest.folder / "completions") if newest else None
    models = identities(recipe.models)
    line = recipe.line()
    roles = {name: stage.role for name, stage, _ in line if isinstance(stage, ModelStage)}
    stages, after_sample = [], sample is None
    for record in records:
        if record is sample:
            after_sample = True
            continue
        role = roles.get(record["stage"], record.get("model", {}).get("role", ""))
        stage = _stage(record, role, scale if after_sample and sample else 1.0, basis, recipe, stored)
        if stage.role:
            _set_model(stage, record, models)
        stages.append(stage)
    prices = recipe.prices if prices is None else prices
    by_role = {role: getattr(recipe.models, role) for role in recipe.models.roles}
    taken_over = foresee(recipe, home, models)
    for stage in stages:
        if taken_over.get(stage.stage):
            stage.stored, stage.seconds = stage.requests, 0.0
        stage.charge(price_of(stage.role, prices, by_role))
    reads_corpus = [name for name, source, _ in line if isinstance(source, SourceStage)]
    result = Plan(
        recipe=recipe.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        basis=basis.folder.name if sample is None else f"pilot {basis.folder.name}",
        sampled=sampled,
        passages=passages,
        fingerprint=fingerprint(recipe, models),
        documents=sum(r["rows_out"] for r in records if r["gives"] == "documents" != r["takes"]),
        stages=stages,
        products=_products(basis, sampled, passages),
        taken_over=taken_over,
        current=_is_current(basis, sample, recipe) and all(taken_over[name] for name in reads_corpus),
        currency=currency_of(prices),
        terms=describe(prices),
    )
    home.mkdir(parents=True, exist_ok=True)
    write_sealed(result.as_json(), home / PLAN)
    return result


def _basis(home: Path) -> Run:
    """Return the newest complete pilot, otherwise the newest complete run."""
    for folder in (home.with_name(f"{home.name}{PILOT}"), home):
        runs = [run for run in (earlier_runs(folder) if folder.is_dir() else []) if run.over]
        if runs:
            return runs[-1]
    raise UserError(
        "there is no pilot or run to base a plan on. Run a pilot: datagen plan RECIPE --pilot 200"
    )


def _is_current(basis: Run, sample: StageRecord | None, recipe: Recipe) -> bool:
    """Check whether a pilot or run has the same recipe, prompts and models."""
    planned = pilot.pilot_of(recipe, sample["options"]["passages"]) if sample else recipe
    return bool(basis.manifest["fingerprint"] == fingerprint(planned, identities(recipe.models)))


def _newest(home: Path) -> Run | None:
    runs = [run for run in (earlier_runs(home) if home.is_dir() else []) if run.over]
    return runs[-1] if runs else None


def _passages(records: list[StageRecord]) -> int:
    counts = [record["rows_out"] for record in records if record["gives"] == "passages"]
    return counts[-1] if counts else 0


def _stage(
    record: StageRecord, role: str, scale: float, basis: Run, recipe: Recipe, stored: Completions | None
) -> Stage:
    """Estimate a stage from its record in the basis; `role` is the one that the recipe gives it now."""
    stage = Stage(
        record["stage"],
        record.get("model", {}).get("name", ""),
        record["rows_in"] * scale,
        record["rows_out"] * scale,
    )
    if "requests" not in record:
        return stage
    requests, cost = record["requests"], record["cost"]
    stage.role = role
    if scale != 1:
        scale *= _correction(record)
    stage.requests = requests["asked"] * scale
    stage.prompt_tokens = cost["prompt_tokens"] * scale
    stage.cached_tokens = cost["cached_tokens"] * scale
    stage.completion_tokens = cost["completion_tokens"] * scale
    same = _has_same_requests(record["stage"], basis, recipe)
    keys = _keys(basis, record["stage"])
    share = 0.0
    if same and stored is not None and len(keys) and stage.role in recipe.models.roles:
        current = circumstances(recipe.models.role(role))
        missing = Completions(stored.folder, current).missing(keys)
        share = 1 - pc.sum(missing).as_py() / len(keys)
    of_pilot = 0.0  # answers of a pilot, which the next run has, although the newest one may not
    if same and (stored is None or stored.folder != basis.completions.folder):
        of_pilot = requests["asked"]
    stage.stored = min(stage.requests, max(share * stage.requests, of_pilot))
    pace = record.get("pace")
    stage.seconds = stage.requests * stage.open_share / pace if pace else None
    if not stage.open_share:
        stage.seconds = 0.0
    return stage


def _set_model(stage: Stage, record: StageRecord, models: Mapping[str, Identity]) -> None:
    """Name the recipe's model for the stage's role; stored answers of another model do not count."""
    of_basis = Identity(record["model"]["name"], record["model"]["revision"])
    current = models.get(stage.role, of_basis)
    if current == of_basis:
        return
    stage.model, stage.stored, stage.seconds = current.name, 0.0, None


def _correction(record: StageRecord) -> float:
    """Correct for the rows that a stage with the option ``share`` drew in the sample by chance."""
    rows, share = record["rows_in"], record["options"].get("share")
    if OUTSIDE not in record["dropped"] or not isinstance(share, float):
        return 1.0
    return share_correction(rows, rows - record["dropped"][OUTSIDE], share)


def _has_same_requests(stage: str, basis: Run, recipe: Recipe) -> bool:
    """
    Check whether a stage sends the same requests about the same rows as in the basis.

    Changed options, a changed seed and changed prompts may change all requests. None of them counts as
    answered then, so that a plan never promises an answer that has to be paid for.
    """
    was = basis.manifest["recipe"]
    options = recipe.model_dump(mode="json")["stages"].get(stage)
    prompts = prompts_content(recipe.prompt_folder)
    return (
        (options or {}) == (was["stages"].get(stage) or {})
        and recipe.seed == was.get("seed")
        and basis.manifest.get("prompts_content", prompts) == prompts
    )


def _keys(run: Run, stage: str) -> pa.Array:
    folder = run.stage_folder(stage)
    chunks = [chunk for path in request_files(folder) for chunk in read_part(path, ["key"])["key"].chunks]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def _products(run: Run, sampled: int, passages: int) -> dict[str, tuple[float, float, float]]:
    """Estimate the rows of each product, with the bounds of a 95% interval."""
    counts: dict[str, Counter[str]] = {product: Counter() for product in KINDS.values()}
    for path in final_parts(run):
        table = read_part(path, ["kind", "lineage"])
        lineage = table["lineage"].combine_chunks()
        origins = pc.coalesce(pc.struct_field(lineage, "passage_id"), pc.struct_field(lineage, "document_id"))
        for kind, origin in zip(table["kind"].to_pylist(), origins.to_pylist(), strict=True):
            counts[KINDS[kind]][origin or ""] += 1
    return {
        product: interval(list(by_origin.values()), sampled, passages)
        for product, by_origin in counts.items()
    }
