"""What ``report.json`` says: how well each score tells right from wrong, and what is promised."""

from dataclasses import asdict
from typing import Any

import numpy as np

from datagen.stages.confidence.calibrate.combination import Combination
from datagen.stages.confidence.calibrate.curves import BINS, Bools, Floats, aurc, auroc, reliability, risks
from datagen.stages.confidence.calibrate.labelled import Labelled
from datagen.stages.confidence.calibrate.promises import Promise
from datagen.stages.confidence.labels import file

COVERAGES = 10  # points of the risk-coverage curve that are shown


def describe(rows: Labelled, fit: Combination | None, promise: Promise) -> dict[str, Any]:
    """
    Tell of a kind or task how many labels there are, what is promised, and the curves.

    Confidence and each score that it is made of are measured on the checking rows, which confidence was not
    learnt from.
    """
    verdicts = {verdict: int((rows.verdict == verdict).sum()) for verdict in file.VERDICTS}
    labels = verdicts | {"learn": len(rows.teaching), "check": len(rows.checking)}
    scores = {}
    if fit is not None:
        shown = rows.checking.judged
        columns = {"confidence": fit(shown.values), **dict(zip(fit.scores, shown.values.T, strict=True))}
        scores = {name: curve(values, shown.right) for name, values in columns.items()}
    return {"labels": labels, "promise": asdict(promise), "scores": scores}


def curve(values: Floats, right: Bools) -> dict[str, Any]:
    """
    Measure one score on judged rows; those that lack it are counted and left out.

    AUROC, the area under the risk-coverage curve and the curve at each tenth of the rows; for a
    score in [0, 1] the ECE and its reliability diagram.
    """
    known = ~np.isnan(values)
    values, right = values[known], right[known]
    found: dict[str, Any] = {"rows": len(values), "null": int((~known).sum()), "auroc": auroc(values, right)}
    if not len(values):
        return found
    risk = risks(values, right)
    shown = np.ceil(len(risk) * np.arange(1, COVERAGES + 1) / COVERAGES).astype(int) - 1
    found |= {"aurc": aurc(values, right), "risks": risk[shown].tolist()}
    if values.min() >= 0 and values.max() <= 1:
        diagram = reliability(values, right)
        found |= {"ece": diagram.error, "bins": BINS, "reliability": diagram.table()}
    return found
