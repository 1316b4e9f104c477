"""Confidence compared with judged rows: reliability diagram, and precision over the threshold."""

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from datagen.json_types import JsonObject
from datagen.report import charts
from datagen.run.folder import Run
from datagen.store.parquet import read_json, read_part

POINTS = 100  # points of the curve
MIN_ROWS = 10  # minimum judged rows above a threshold


def calibration_charts(run: Run) -> list[charts.Chart]:
    """Draw two charts per group with judged rows: a kind, or a task as kind/task."""
    drawn = []
    for name in run.manifest["stages"]:
        report, sample = run.stage_file(name, "report.json"), run.stage_file(name, "sample.parquet")
        if not report or not sample:
            continue
        judged = read_part(sample)
        for group, entry in read_json(report).items():
            diagram = entry["scores"].get("confidence", {}).get("reliability")
            if diagram:
                drawn.append(_reliability(group, diagram))
            rows = judged.filter(pc.equal(judged["group"], group))
            scored = rows.filter(pc.and_(pc.is_valid(rows["confidence"]), pc.is_valid(rows["right"])))
            confidence, right = (
                scored[part].to_numpy(zero_copy_only=False) for part in ("confidence", "right")
            )
            values = precision(confidence.astype(float), right.astype(bool))
            if values:
                drawn.append(_precision(group, values, entry["promise"]))
    return drawn


def precision(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """
    Compute the precision of judged rows at or above each threshold.

    Rows of equal confidence are not separated. At least `MIN_ROWS` rows are above each threshold.
    """
    finite = np.isfinite(confidence)
    order = np.argsort(-confidence[finite], kind="stable")
    confidence, right = confidence[finite][order], right[finite][order]
    if len(right) < MIN_ROWS:
        return []
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    last = last[last >= MIN_ROWS - 1]
    selected = (
        last[np.unique(np.linspace(0, len(last) - 1, POINTS).round().astype(int))] if len(last) else last
    )
    shares = np.cumsum(right)[selected] / (selected + 1)
    return [
        {"threshold": float(limit), "precision": float(share), "rows": int(place) + 1}
        for limit, share, place in zip(confidence[selected], shares, selected, strict=True)
    ][::-1]


def _reliability(group: str, diagram: dict[str, list[float]]) -> charts.Chart:
    names = ("confidence", "right", "rows")
    values = [
        dict(zip(names, row, strict=True)) for row in zip(*(diagram[name] for name in names), strict=True)
    ]
    return charts.curve(
        f"{group}: reliability",
        "Share of judged rows that are right, by confidence. The dashed line is perfect calibration",
        values,
        ("confidence", "confidence"),
        ("right", "right"),
        diagonal=True,
        points=True,
    )


def _precision(group: str, values: list[dict[str, float]], promise: JsonObject) -> charts.Chart:
    limit = promise.get("threshold")
    outcome = "No threshold keeps the promise" if limit is None else f"The threshold is {limit:.3f}"
    return charts.curve(
        f"{group}: precision over the threshold",
        f"Share of judged rows at or above a threshold that are right; dashed: the promise. {outcome}",
        values,
        ("threshold", "threshold"),
        ("precision", "right"),
        rule=promise["target"],
    )
