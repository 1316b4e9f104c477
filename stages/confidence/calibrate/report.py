"""What calibrate leaves beside its table: ``report.json``, the judged rows, and what later runs must know."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa

from datagen.stage import Context
from datagen.stages.confidence.calibrate import population
from datagen.stages.confidence.calibrate.curves import BINS, Bools, Floats, aurc, auroc, reliability, risks
from datagen.stages.confidence.calibrate.known import Known
from datagen.stages.confidence.calibrate.lost import Lost
from datagen.stages.confidence.calibrate.promises import Promise
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import LEARN
from datagen.store.parquet import write_json, write_table

COVERAGES = 10  # points of the risk-coverage curve that are shown
SAMPLE = "sample.parquet"  # group, id, right, confidence, later: the random sample in the order of its draws


def write(
    known: Mapping[str, Known], promises: Mapping[str, Promise], gone: Lost, labels: int, context: Context
) -> None:
    """Write all of it; `labels` is the number of labels that there are."""
    described = {name: describe(one, promises[name], gone) for name, one in known.items()}
    write_json(described, context.output / "report.json")
    tables = [
        pa.table(
            {"group": [name] * len(one.sample.id)} | {part: getattr(one.sample, part) for part in SAMPLED}
        )
        for name, one in known.items()
    ]
    write_table(pa.concat_tables(tables), context.output / SAMPLE)
    population.write(dict(_promised(known, promises, context)), context.output)
    context.notice(_notices(known, promises, gone, context) if labels else [])


SAMPLED = ("id", "right", "confidence", "later")


def _promised(
    known: Mapping[str, Known], promises: Mapping[str, Promise], context: Context
) -> Iterator[tuple[str, tuple[str, Floats]]]:
    """Of which rows a later run must know; those of an earlier promise where none is made anew."""
    for name, one in known.items():
        found = promises[name]
        if found.threshold is not None and not found.release:
            yield name, (context.run_folder.name, one.rows.numbers)
        elif one.before is not None:
            yield name, (one.before.release, one.before.draws)


def _notices(
    known: Mapping[str, Known], promises: Mapping[str, Promise], gone: Lost, context: Context
) -> Iterator[str]:
    if lost := sum(gone.counts.values()):
        said = ", ".join(f"{count:,} {verdict}" for verdict, count in gone.counts.items() if count)
        yield f"{lost:,} verdicts match no row ({said})"
    for name, found in promises.items():
        if found.threshold is None:
            yield f"{name}: nothing is promised: {found.why}{asked(found)}"
        elif found.later:
            yield (
                f"{name}: {found.later:,} rows came after {found.release} and are not under its promise"
                f"{asked(found)}"
            )


def asked(promise: Promise) -> str:
    """Say how many verdicts are missing, and with how many rows the command asks for them."""
    if not promise.missing:
        return ""
    rows = "" if promise.needed is None else f" --rows {ceil(promise.needed / (1 - LEARN))}"
    return f"; {promise.missing:,} rows need a verdict: datagen label{rows}"


def describe(known: Known, promise: Promise, gone: Lost) -> dict[str, Any]:
    """
    Tell of a kind or task how many labels there are, what is promised, and the curves.

    Confidence and each score that it is made of are measured on the checking rows, which confidence was not
    learnt from.
    """
    rows, fit = known.judged, known.fit
    labels: dict[str, Any] = {verdict: int((rows.verdict == verdict).sum()) for verdict in file.VERDICTS}
    labels |= {"learn": len(rows.teaching), "check": len(rows.checking)}
    labels |= {"without verdict": len(known.rows.gaps.draw), "no row": gone.counts, "dropped": gone.dropped}
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
