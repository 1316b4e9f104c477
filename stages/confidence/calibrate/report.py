"""The files that calibrate writes next to its table: the report, the judged rows and the promised rows."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import ceil

import numpy as np
import pyarrow as pa

from datagen.json_types import JsonObject
from datagen.stage import Context
from datagen.stages.confidence.calibrate import population
from datagen.stages.confidence.calibrate.curves import BINS, Bools, Floats, aurc, auroc, reliability, risks
from datagen.stages.confidence.calibrate.group_data import GroupData
from datagen.stages.confidence.calibrate.lost import Lost
from datagen.stages.confidence.calibrate.promises import Promise
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import LEARN
from datagen.store.parquet import write_json, write_table

COVERAGES = 10  # points of the risk-coverage curve to report
SAMPLE = "sample.parquet"  # the random sample of each group, in draw order
SAMPLED = pa.schema(
    [
        *(("group", pa.string()), ("id", pa.string()), ("right", pa.bool_())),
        *(("confidence", pa.float64()), ("later", pa.bool_())),
    ]
)


def write(
    data: Mapping[str, GroupData],
    promises: Mapping[str, Promise],
    unmatched: Lost,
    verdicts: int,
    unapplied: int,
    context: Context,
) -> None:
    """Write all files; `verdicts` and `unapplied` are the numbers of all verdicts and of ignored edits."""
    entries = {name: describe(group, promises[name], unmatched) for name, group in data.items()}
    write_json(entries, context.output / "report.json")
    tables = [_sampled(name, group) for name, group in data.items()]
    write_table(pa.concat_tables([SAMPLED.empty_table(), *tables]), context.output / SAMPLE)
    population.write(dict(_promised(data, promises, context)), context.output)
    notices = [*_notices(promises, unmatched)] if verdicts else []
    if unapplied:
        notices.append(
            f"{unapplied:,} edits in the labels are not applied: put apply_edits, with these labels, before "
            "measure"
        )
    context.notice(notices)


def _sampled(name: str, data: GroupData) -> pa.Table:
    columns = {part: getattr(data.sample, part) for part in SAMPLED.names[1:]}
    return pa.table({"group": [name] * len(data.sample.id)} | columns, schema=SAMPLED)


def _promised(
    data: Mapping[str, GroupData], promises: Mapping[str, Promise], context: Context
) -> Iterator[tuple[str, tuple[str, Floats]]]:
    """Select the rows to record for later runs; those of an earlier promise if there is no new one."""
    for name, group in data.items():
        promise = promises[name]
        if promise.threshold is not None and not promise.release:
            yield name, (context.run_folder.name, group.rows.numbers)
        elif group.before is not None:
            yield name, (group.before.release, group.before.draws)


def _notices(promises: Mapping[str, Promise], unmatched: Lost) -> Iterator[str]:
    if lost := sum(unmatched.counts.values()):
        counts = ", ".join(f"{count:,} {verdict}" for verdict, count in unmatched.counts.items() if count)
        yield f"{lost:,} verdict{'s match' if lost > 1 else ' matches'} no row ({counts})"
    for name, promise in promises.items():
        if promise.threshold is None:
            yield f"{name}: nothing is promised: {promise.why}{advice(promise)}"
        elif promise.later:
            yield (
                f"{name}: the promise of {promise.release} does not cover {promise.later:,} rows added since"
                f"{advice(promise)}"
            )


def advice(promise: Promise) -> str:
    """Report how many verdicts are missing, and the command that collects them."""
    if not promise.missing:
        return ""
    rows = "" if promise.needed is None else f" --rows {ceil(promise.needed / (1 - LEARN))}"
    return f"; {promise.missing:,} rows need a verdict: datagen label{rows}"


def describe(data: GroupData, promise: Promise, unmatched: Lost) -> JsonObject:
    """
    Describe the labels, the promise and the curves of a kind or task.

    Confidence and each score that it combines are measured on the checking rows, which confidence was not
    learned from.
    """
    rows, fit = data.judged, data.fit
    labels: JsonObject = {verdict: int((rows.verdict == verdict).sum()) for verdict in file.VERDICTS}
    labels |= {"learn": len(rows.teaching), "check": len(rows.checking)}
    labels |= {"without verdict": len(data.rows.gaps.draw)}
    labels |= {"no row": unmatched.counts, "dropped": unmatched.dropped}
    scores = {}
    if fit is not None:
        checking = rows.checking.judged
        columns = {"confidence": fit(checking.values)}
        columns |= dict(zip(fit.scores, checking.values.T, strict=True))
        scores = {name: curve(values, checking.right) for name, values in columns.items()}
    return {
        "rows": len(data.rows.numbers),
        "labels": labels,
        "promise": asdict(promise),
        "scores": scores,
    }


def curve(values: Floats, right: Bools) -> JsonObject:
    """
    Measure one score on judged rows; rows that lack it are counted and excluded.

    AUROC, the area under the risk-coverage curve and the curve at each tenth of the rows; for a score in
    [0, 1] also the ECE and its reliability diagram.
    """
    valid = ~np.isnan(values)
    values, right = values[valid], right[valid]
    measures: JsonObject = {"rows": len(values), "null": int((~valid).sum())}
    measures["auroc"] = auroc(values, right)
    if not len(values):
        return measures
    risk = risks(values, right)
    points = np.ceil(len(risk) * np.arange(1, COVERAGES + 1) / COVERAGES).astype(int) - 1
    measures |= {"aurc": aurc(values, right), "risks": risk[points].tolist()}
    if values.min() >= 0 and values.max() <= 1:
        diagram = reliability(values, right)
        measures |= {"ece": diagram.error, "bins": BINS, "reliability": diagram.table()}
    return measures
