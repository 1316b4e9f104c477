"""What judged rows say of confidence: reliability, and precision over the threshold."""

import json
from typing import Any

import numpy as np
import pyarrow.compute as pc

from datagen.report import charts
from datagen.run.folder import Run
from datagen.store.parquet import read_part

POINTS = 100  # of the curve
FEWEST = 10  # judged rows above a threshold from which precision is drawn


def calibration_charts(run: Run) -> list[charts.Chart]:
    """Draw two charts of each group that has judged rows: a kind, or a task written kind/task."""
    found = []
    for name in run.manifest["stages"]:
        folder = run.stage_folder(name)
        report, sample = folder / "report.json", folder / "sample.parquet"
        if not report.is_file() or not sample.is_file():
            continue
        judged = read_part(sample)
        for group, said in json.loads(report.read_text(encoding="utf-8")).items():
            diagram = said["scores"].get("confidence", {}).get("reliability")
            if diagram:
                found.append(_reliability(group, diagram))
            rows = judged.filter(pc.equal(judged["group"], group))
            known = rows.filter(pc.and_(pc.is_valid(rows["confidence"]), pc.is_valid(rows["right"])))
            confidence, right = (
                known[part].to_numpy(zero_copy_only=False) for part in ("confidence", "right")
            )
            values = precision(confidence.astype(float), right.astype(bool))
            if values:
                found.append(_precision(group, values, said["promise"]))
    return found


def precision(confidence: Any, right: Any) -> list[dict[str, float]]:
    """
    Measure the share that is right of the judged rows at or above each threshold.

    Equal confidences belong together. At least `FEWEST` rows are above each threshold.
    """
    finite = np.isfinite(confidence)
    order = np.argsort(-confidence[finite], kind="stable")
    confidence, right = confidence[finite][order], right[finite][order]
    if len(right) < FEWEST:
        return []
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    last = last[last >= FEWEST - 1]
    shown = last[np.unique(np.linspace(0, len(last) - 1, POINTS).round().astype(int))] if len(last) else last
    reached = np.cumsum(right)[shown] / (shown + 1)
    return [
        {"threshold": float(limit), "precision": float(share), "rows": int(place) + 1}
        for limit, share, place in zip(confidence[shown], reached, shown, strict=True)
    ][::-1]


def _reliability(group: str, diagram: dict[str, list[float]]) -> charts.Chart:
    names = ("confidence", "right", "rows")
    values = [
        dict(zip(names, row, strict=True)) for row in zip(*(diagram[name] for name in names), strict=True)
    ]
    return charts.curve(
        f"{group}: reliability",
        "Share of judged rows that are right, by confidence. On the dashed line, confidence is what it says",
        values,
        ("confidence", "confidence"),
        ("right", "right"),
        diagonal=True,
        points=True,
    )


def _precision(group: str, values: list[dict[str, float]], promise: dict[str, Any]) -> charts.Chart:
    limit = promise.get("threshold")
    chosen = "No threshold keeps the promise" if limit is None else f"The threshold is {limit:.3f}"
    return charts.curve(
        f"{group}: precision over the threshold",
        f"Share of judged rows at or above a threshold that are right; dashed: what is promised. {chosen}",
        values,
        ("threshold", "threshold"),
        ("precision", "right"),
        rule=promise["target"],
    )
