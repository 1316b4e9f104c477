"""
How well scores detect planted errors, and whether promised precision holds.

``python -m benchmarks.confidence xquad.en.json.gz --model bundled-chat``

A fifth of the answers of a real question-answer set is corrupted in five ways (`benchmarks.planted`). The
built-in stages score the rows: all scoring stages of the default pipeline, or the named ones, and one defined
here for the log probability of an answer that no model wrote. Then, over 200 samples of labelled rows:

* AUROC of each score and of the calibrated combination, on rows without a label;
* the precision of the `--keep` most confident rows, with the scores of each stage and of those before it;
* how often the rows above a promised threshold are less precise than promised, compared with the naive
  threshold that just reaches the target on the labelled rows;
* the share of tokens needed if cheap scores decide first, and how much the kept rows then differ from those
  that all scores keep.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from pydantic import Field

import datagen.stage
from benchmarks import add_quick, planted
from datagen.recipe.load import load_recipe
from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage, installed_stages
from datagen.report.console import Console
from datagen.request import Answers, Request
from datagen.run.folder import Run
from datagen.run.runner import run
from datagen.schema import EXAMPLES, table_of
from datagen.stage import Context, ModelStage, Outcome, SourceStage, mean_logprob
from datagen.stages.confidence.calibrate.combination import combine, held_out
from datagen.stages.confidence.calibrate.curves import Bools, Floats, auroc, reliability
from datagen.stages.confidence.calibrate.labelled import numbers
from datagen.stages.confidence.calibrate.promises import BINS, Counts, bin_of, promise, steps
from datagen.stages.shared import passage_qa
from datagen.store.parquet import parts, read_part, write_table

RESAMPLINGS = 200
LEARN = 1 / 3  # of the labelled rows
LOST = 0.02  # maximum share of the rows that an early decision may get wrong


class Rows(datagen.stage.Options):
    """The file of planted rows."""

    path: str = Field(description="A Parquet file of examples")


source = SourceStage(
    name="planted",
    summary="examples with planted mistakes",
    plan=lambda options, context: [options.path],
    read=lambda path, options, context: iter([Outcome.all_kept(read_part(Path(path)))]),
    gives="examples",
    options=Rows,
)


def ask(rows: pa.Table, options: datagen.stage.Options, context: Context) -> Iterator[Request]:
    """Request the log probabilities of each answer after its passage and question."""
    prompt = context.prompt(passage_qa.PROMPT)
    for row in rows.select(["id", "question", "context", "answer"]).to_pylist():
        yield prompt.ask(
            row["id"],
            task="given",
            given=row["answer"],
            heading="",
            passage=row["context"],
            question=row["question"],
        )


def read(rows: pa.Table, answers: Answers, options: datagen.stage.Options, context: Context) -> Outcome:
    """Set `logprob` to the mean log probability of the answer's tokens, as for a generated answer."""
    logprobs = [mean_logprob(answers.of(row)) for row in rows["id"].to_pylist()]
    place = rows.schema.get_field_index("logprob")
    return Outcome.all_kept(rows.set_column(place, "logprob", pa.array(logprobs, pa.float64())))


given = ModelStage("given", "read the answer", "examples", "examples", ask, read)


@dataclass(frozen=True)
class Scored:
    """
    Rows with their scores and their true labels.

    Parameters
    ----------
    names, values
        The columns; rows by columns, nan for null.
    right, how
        Whether each row is right, and how it was corrupted.
    levels, tokens
        Number of columns after each stage, and tokens per row that the stage used.
    """

    names: list[str]
    values: Floats
    right: Bools
    how: list[str]
    levels: list[int]
    tokens: list[float]


def score(
    pairs: Sequence[planted.Pair], model: dict[str, str], scoring: dict[str, str], folder: Path
) -> Scored:
    """Score the pairs with these stages: name in the recipe -> name or import string of the stage."""
    write_table(table_of(EXAMPLES, [pair.row() for pair in pairs]), folder / "rows.parquet")
    stages: dict[str, Any] = {
        "planted": {"use": "benchmarks.confidence:source", "path": str(folder / "rows.parquet")},
        "given": {"use": "benchmarks.confidence:given"},
    } | {name: {"use": use} for name, use in scoring.items()}
    recipe = {
        "name": "benchmark-confidence",
        "corpus": [{"path": str(folder / "rows.parquet")}],
        "models": {"generator": model},
        "stages": stages,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    with Console() as console:
        finished = run(load_recipe(folder / "recipe.yaml"), folder / "outputs", console)
    how = {pair.id: pair.how for pair in pairs}
    return _scored(finished, list(stages)[1:], how)


def scoring() -> dict[str, str]:
    """List the stages of the default pipeline that score examples: those before curate that refine them."""
    before = [
        name for name in DEFAULT_PIPELINE[: DEFAULT_PIPELINE.index("curate")] if name in installed_stages()
    ]
    stages = {name: find_stage(name) for name in before}
    return {name: name for name, stage in stages.items() if stage.takes == stage.gives == "examples"}


def _scored(finished: Run, stages: Sequence[str], how: dict[str, str]) -> Scored:
    tables = {
        stage: pa.concat_tables(map(read_part, parts(finished.stage_folder(stage)))).sort_by("id")
        for stage in stages
    }
    names: list[str] = []
    levels, tokens = [], []
    for stage, table in tables.items():
        floats = [part.name for part in table.schema if pa.types.is_floating(part.type)]
        names += [name for name in floats if name not in names and table[name].null_count < len(table)]
        levels.append(len(names))
        record = finished.stage_record(stage) or {}
        spent = record.get("cost", record.get("requests", {}))
        asked = spent.get("prompt_tokens", 0) - spent.get("cached_tokens", 0)
        tokens.append((asked + spent.get("completion_tokens", 0)) / len(table))
    last = tables[stages[-1]]
    ways = [how[name] for name in last["id"].to_pylist()]
    right = np.array([not way for way in ways])
    return Scored(names, numbers(last, names), right, ways, levels, tokens)


def singles(rows: Scored) -> dict[str, dict[str, float | None]]:
    """Return each score's AUROC: for all wrong rows, and for each type of corruption."""
    results = {}
    for name, values in zip(rows.names, rows.values.T, strict=True):
        known = ~np.isnan(values)
        ways = {"all": known} | {
            how: known & (rows.right | np.array([way == how for way in rows.how])) for how in planted.WAYS
        }
        results[name] = {how: auroc(values[mine], rows.right[mine]) for how, mine in ways.items()}
    return results


def combined(rows: Scored, labels: int) -> dict[str, Any]:
    """Compare the combination with each score on rows that it was not trained on, over many samples."""
    measured: dict[str, list[float]] = {name: [] for name in ("confidence", *rows.names)}
    errors = []
    for order in _orders(rows):
        learn, others = order[:labels], order[labels:]
        fit = combine(rows.names, rows.values[learn], rows.right[learn])
        confidence, right = fit(rows.values[others]), rows.right[others]
        errors.append(reliability(confidence, right).error)
        measured["confidence"].append(auroc(confidence, right) or 0.5)
        for name, values in zip(rows.names, rows.values[others].T, strict=True):
            measured[name].append(auroc(np.nan_to_num(values, nan=np.nanmin(values)), right) or 0.5)
    single = np.array([measured[name] for name in rows.names])
    single = np.where(single.mean(axis=1, keepdims=True) < 0.5, 1 - single, single)  # a loss: less is better
    best = int(single.mean(axis=1).argmax())
    ahead = np.array(measured["confidence"]) > single[best]
    return {
        "auroc": {name: round(float(np.mean(scores)), 3) for name, scores in measured.items()},
        "best single": rows.names[best],
        "its auroc": round(float(single[best].mean()), 3),
        "ahead of it": round(float(ahead.mean()), 3),
        "ece": round(float(np.mean(errors)), 3),
    }


def at_equal_yield(rows: Scored, stages: Sequence[str], labels: int, keep: float) -> dict[str, float]:
    """
    Measure the precision of the `keep` most confident rows, with the scores up to each stage.

    Returns
    -------
    Stage -> mean precision over the draws, on rows without a label.
    """
    precisions: dict[str, list[float]] = {stage: [] for stage in stages}
    for order in _orders(rows):
        learn, others = order[:labels], order[labels:]
        for stage, level in zip(stages, rows.levels, strict=True):
            fit = combine(rows.names[:level], rows.values[learn, :level], rows.right[learn])
            surest = np.argsort(-fit(rows.values[others, :level]), kind="stable")
            precisions[stage].append(float(rows.right[others][surest[: round(keep * len(others))]].mean()))
    return {stage: round(float(np.mean(values)), 3) for stage, values in precisions.items()}


def promises(rows: Scored, labels: int, target: float, sure: float) -> dict[str, Any]:
    """Count how often a promise is made and broken, compared with the naive threshold."""
    kept, broken, naive = [], 0, 0
    for order in _orders(rows):
        learn, check = np.split(order[:labels], [round(LEARN * labels)])
        others = order[labels:]
        fit = combine(rows.names, rows.values[learn], rows.right[learn])
        confidence = fit(rows.values)
        named = steps(np.bincount(bin_of(confidence), minlength=BINS))
        learned = held_out(rows.values[learn], rows.right[learn]), rows.right[learn]
        promised = promise(target, sure, *named, learned, (confidence[check], rows.right[check]))
        if promised.threshold is not None:
            kept.append(promised.kept)
            broken += _precision(confidence, rows.right, np.r_[check, others], promised.threshold) < target
        every = combine(rows.names, rows.values[order[:labels]], rows.right[order[:labels]])(rows.values)
        naive += (
            _precision(every, rows.right, others, _naive(every, rows.right, order[:labels], target)) < target
        )
    return {
        "promised": len(kept) / RESAMPLINGS,
        "broken": broken / RESAMPLINGS,
        "kept": round(float(np.mean(kept)), 3) if kept else None,
        "naive broken": naive / RESAMPLINGS,
    }


def _naive(confidence: Floats, right: Bools, labelled: Bools, target: float) -> float:
    """Return the lowest threshold whose labelled rows reach the target; infinite if none does."""
    thresholds = np.sort(confidence[labelled])
    counts = Counts.of(thresholds, confidence[labelled], right[labelled])
    reached = np.array(counts.right) >= target * np.array(counts.rows)
    return float(min(thresholds[reached], default=np.inf))


def _precision(confidence: Floats, right: Bools, among: Bools, threshold: float) -> float:
    """Return the share of right rows above a threshold; 1 if there are no rows."""
    above = right[among][confidence[among] >= threshold]
    return float(above.mean()) if len(above) else 1.0


def cascade(rows: Scored, labels: int, keep: float) -> dict[str, float]:
    """
    Decide rows by the scores of each stage as early as possible, before the next stage is paid for.

    With all scores, the share `keep` of the rows with the highest confidence is kept. A stage decides a row
    early if its confidence by the scores so far is so low, or so high, that at most `LOST` of the labelled
    rows would be decided wrongly.

    Returns
    -------
    The share of the tokens used, and the overlap (Jaccard) of the rows kept in both ways.
    """
    shares, alike = [], []
    for order in _orders(rows):
        learn = order[:labels]
        each = [
            combine(rows.names[:level], rows.values[learn, :level], rows.right[learn])(rows.values[:, :level])
            for level in rows.levels
        ]
        whole = each[-1] >= np.quantile(each[-1], 1 - keep)
        kept, open_ = np.zeros(len(whole), bool), np.ones(len(whole), bool)
        spent = 0.0
        for confidence, tokens in zip(each[:-1], rows.tokens[:-1], strict=True):
            spent += tokens * open_.mean()
            low = np.quantile(confidence[learn][whole[learn]], LOST)
            high = np.quantile(confidence[learn][~whole[learn]], 1 - LOST)
            kept |= open_ & (confidence > max(low, high))
            open_ &= (confidence >= low) & (confidence <= max(low, high))
        spent += rows.tokens[-1] * open_.mean()
        kept |= open_ & whole
        shares.append(spent / (sum(rows.tokens) or 1.0))
        alike.append((kept & whole).sum() / max(1, (kept | whole).sum()))
    return {"tokens": round(float(np.mean(shares)), 3), "same rows": round(float(np.mean(alike)), 3)}


def _orders(rows: Scored) -> Iterator[Any]:
    """Yield many random samples of rows to label."""
    for number in range(RESAMPLINGS):
        yield np.random.default_rng(number).permutation(len(rows.right))


def main() -> None:
    """Run the benchmark; the figures come last, as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, help="question-answer pairs in SQuAD's format, also gzipped")
    parser.add_argument(
        "--model", default="bundled", help="judge and reader: bundled, bundled-chat, a folder"
    )
    parser.add_argument(
        "--stages", nargs="+", help="scoring stages, the cheapest first: names, or package.module:stage"
    )
    parser.add_argument("--rows", type=int, default=600, help="pairs drawn from the set")
    parser.add_argument("--labels", type=int, default=240, help="labelled rows per sample")
    parser.add_argument("--target", type=float, nargs="+", default=[0.85, 0.9], help="promised precision")
    parser.add_argument("--sure", type=float, default=0.9, help="probability that a promise holds")
    parser.add_argument(
        "--keep", type=float, default=0.6, help="share of the rows to keep, for cascade and yield"
    )
    parser.add_argument("--folder", type=Path, help="keep the runs here, to resume with the same command")
    add_quick(parser, rows=60, labels=24)
    options = parser.parse_args()
    pairs = planted.plant(list(planted.read(options.set)), options.rows)
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        stages = {find_stage(use).name: use for use in options.stages} if options.stages else scoring()
        rows = score(pairs, {"model": options.model}, stages, folder)
    figures = {
        "rows": len(rows.right),
        "right": round(float(rows.right.mean()), 3),
        "tokens a row": dict(zip(["given", *stages], np.round(rows.tokens, 1).tolist(), strict=True)),
        "auroc": singles(rows),
        "combined": combined(rows, options.labels),
        "precision at equal yield": at_equal_yield(rows, ["given", *stages], options.labels, options.keep),
        "promises": {t: promises(rows, options.labels, t, options.sure) for t in options.target},
        "cascade": cascade(rows, options.labels, options.keep),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
