"""The distribution of each score: all rows that have it, and those handed off."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report import bins, charts
from datagen.run.folder import Run
from datagen.schema import EXAMPLES
from datagen.store.parquet import fields_of, parts, read_part
from datagen.store.record import StageRecord

BOOKKEEPING = {"threshold"}  # floating-point columns that are not scores
MEANINGS = {  # of the built-in scores; docs/curate.md and docs/scores.md describe them
    "words": "Number of words of the answer or reading text",
    "loop": "Words in the longest repetition",
    "diversity": "Share of distinct words in a moving window",
    "grounding": "How well the passage supports the answer; 1: the answer occurs in it",
    "alignment": "Whether the answer is in the part of the passage that the question is about",
    "leakage": "Share of the answer that the question gives away",
    "echo": "Share of the answer that repeats the prompt but not the passage",
    "standalone": "1: the question can be understood without the passage",
    "script": "Share of the answer in the script of its source",
    "logprob": "Mean log probability of the generated tokens",
    "p_true": "Probability that the answer is right, according to the judge",
    "consistency": "Agreement of the answer with repeated answers",
    "reflection": "The model's assessment of the answer",
    "bsdetector": "Agreement with repeated answers and assessment combined",
    "meta_rank": "Comparison with labelled pairs; above 0: reliable",
    "ifd": "Difficulty: how little the question helps to predict the answer; above 1: not at all",
    "ifd_ppl": "Difficulty: how little the question helps to predict the answer, by perplexity",
    "v_info": "Bits by which the question helps to predict the answer",
    "utility": "How much the nearest rows help as examples",
    "confidence": "Probability that the row is right, learned from verdicts",
}
Counts = npt.NDArray[np.int64]
COLOURS = {"handed off": "var(--kept)", "not handed off": "var(--dropped)"}


class Constant(NamedTuple):
    """A score that has the same value in all rows, after the first stage whose table has it."""

    name: str
    value: float
    rows: int
    stage: str


class Scores(NamedTuple):
    """Histograms of the scores that differ between rows, and the others."""

    charts: list[charts.Chart]
    constant: list[Constant]


def scores(run: Run) -> Scores:
    """Draw a histogram of each score, over the rows of the first stage whose table has it."""
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    if not records:
        return Scores([], [])
    first_stages = _first_with(run, records)
    spans: dict[str, tuple[float, float]] = {}
    edges: dict[str, bins.Floats] = {}
    total: dict[str, Counts] = {}
    for stage in dict.fromkeys(first_stages.values()):
        names = [name for name, other in first_stages.items() if other == stage]
        paths = parts(run.stage_folder(stage))
        spans |= _spans(paths, names)
        edges |= {name: bins.edges(*spans[name]) for name in names if name in spans}
        total |= _counted(paths, {name: edges[name] for name in names if name in edges})
    kept = _counted(parts(run.stage_folder(records[-1]["stage"])), edges)
    common = [name for name in edges if name in EXAMPLES.names]  # scores that every run has come last
    order = [*(name for name in edges if name not in common), *common]
    constant = [name for name in order if spans[name][0] == spans[name][1]]
    return Scores(
        [
            _chart(name, first_stages[name], edges[name], total[name], kept[name])
            for name in order
            if name not in constant
        ],
        [Constant(name, spans[name][0], int(total[name].sum()), first_stages[name]) for name in constant],
    )


def _first_with(run: Run, records: list[StageRecord]) -> dict[str, str]:
    """Map each score to the first stage that has it, among those that refine examples and the last one."""
    first: dict[str, str] = {}
    for record in records:
        if record["takes"] != "examples" and record is not records[-1]:
            continue  # it has only the rows that it generated
        for path in parts(run.stage_folder(record["stage"]))[:1]:
            for field in fields_of(path):
                if pa.types.is_floating(field.type) and field.name not in BOOKKEEPING:
                    first.setdefault(field.name, record["stage"])
    return first


def _spans(paths: list[Path], names: list[str]) -> dict[str, tuple[float, float]]:
    """Find the minimum and maximum of each score that has a value."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for path in paths:
        for name, values in _values(path, names).items():
            if limits := bins.span(values):
                spans.setdefault(name, []).append(limits)
    return {
        name: (min(low for low, _ in of_score), max(high for _, high in of_score))
        for name, of_score in spans.items()
    }


def _counted(paths: list[Path], edges: dict[str, bins.Floats]) -> dict[str, Counts]:
    """Count the values of each score per bin, over all partitions."""
    counts = {name: np.zeros(len(bins_) - 1, np.int64) for name, bins_ in edges.items()}
    for path in paths:
        for name, values in _values(path, list(edges)).items():
            counts[name] += bins.count(values, edges[name])
    return counts


def _values(path: Path, names: list[str]) -> dict[str, bins.Floats]:
    table = read_part(path, names)
    return {name: pc.cast(table[name], pa.float64()).drop_null().to_numpy() for name in table.column_names}


def _chart(name: str, stage: str, edges: bins.Floats, total: Counts, kept: Counts) -> charts.Chart:
    values = [
        {name: label, "rows": int(rows), "outcome": outcome}
        for outcome, counts in (("handed off", kept), ("not handed off", np.maximum(total - kept, 0)))
        for label, rows in zip(bins.names(edges), counts, strict=True)
    ]
    meaning = f"{MEANINGS[name]}. " if name in MEANINGS else ""
    caption = f"{meaning}{int(total.sum()):,} rows have this score after {stage}"
    return charts.columns(name, caption, values, name, "rows", "outcome", COLOURS)
