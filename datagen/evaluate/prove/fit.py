"""
One fit and its measurements, in a process of its own: ``python -m datagen.evaluate.prove.fit``.

The result is one file, written whole, so a proof that was stopped resumes with the fits that it has.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from datagen.engines import parent_watch
from datagen.evaluate.prove.encode import Encoder, batches, exposures, sequence
from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.plan import Plan
from datagen.evaluate.prove.settings import FULL, LORA_RATE, RANK, RATE, STEP, WARMUP, WINDOW, Arm
from datagen.store.parquet import finish_folder, write_json
from datagen.training.models import load_model, with_lora
from datagen.training.packing import Tokens, pack, row_sums, token_losses
from datagen.training.steps import Schedule, Trainer, run_steps

AT_ONCE = 1_024  # tokens of a sequence that is measured
STEPS_TIMED = 2  # after a first one


def fit_name(arm: str, seed: int) -> str:
    """Name a fit's files; the untrained target has no seed."""
    return arm if arm == "base" else f"{arm}-{seed}"


def run_fit(folder: Path, arm: Arm, seed: int, keep: bool = False) -> dict[str, Any]:
    """
    Train one arm and measure it.

    Parameters
    ----------
    folder
        With the plan; ``fits/`` receives the result.
    arm, seed
        Which arm, in which order of its rows.
    keep
        Whether the trained model is kept under ``models/``.

    Returns
    -------
    dict
        What is written: of each item the log probabilities of its choices (natural, summed over tokens) and
        their tokens; the losses in nats a token; tokens, exposures, seconds.
    """
    plan = Plan.load(folder)
    torch.manual_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(plan.source)
    encoder, model = Encoder(tokenizer), load_model(plan.source)
    told: dict[str, Any] = {"arm": arm, "seed": seed}
    if arm != "base":
        model, figures = _train(plan, arm, seed, model, tokenizer, encoder)
        told |= figures
    elif torch.cuda.is_available():
        model.to("cuda")
    start = time.monotonic()
    told |= measure(model, encoder, plan)
    told["seconds_measured"] = time.monotonic() - start
    if keep:
        _save(model, tokenizer, folder / "models" / fit_name(arm, seed))
    write_json(told, folder / "fits" / f"{fit_name(arm, seed)}.json")
    return told


def _train(
    plan: Plan, arm: Arm, seed: int, model: Any, tokenizer: Any, encoder: Encoder
) -> tuple[Any, dict[str, Any]]:
    rows = [tokens for row in plan.rows[arm] for tokens in encoder.row(row)]
    order = sequence(rows, plan.budgets[arm], seed)
    trainer, seconds, model = train(model, tokenizer, batches(order), seed)
    texts: dict[str, int] = {}
    for row in plan.rows[arm]:
        if not row.question:
            texts[row.passage] = texts.get(row.passage, 0) + 1
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return model, {
        "tokens": trainer.spent["trained tokens"],
        "tokens_computed": trainer.spent["tokens computed"],
        "steps": trainer.state.global_step,
        "exposures": exposures(order, rows, texts),
        "pairs_seen": sum(row.task == "pair" for row in order),
        "loss": {"first": losses[0], "last": losses[-1]} if losses else {},
        "seconds": seconds,
    }


def train(model: Any, tokenizer: Any, order: Sequence[list[Tokens]], seed: int) -> tuple[Trainer, float, Any]:
    """Train a model, whole up to `FULL` parameters, with an adapter above; return the trained one, too."""
    small = sum(weight.numel() for weight in model.parameters()) <= FULL
    if not small:
        model = with_lora(model, RANK, 2 * RANK)
    schedule = Schedule(
        learning_rate=RATE if small else LORA_RATE, warmup=WARMUP, steps=len(order), by_token=True
    )
    with tempfile.TemporaryDirectory() as scratch:
        trainer, seconds = run_steps(model, tokenizer, order, schedule, seed, Path(scratch))
    return trainer, seconds, model


def measure(model: Any, encoder: Encoder, plan: Plan) -> dict[str, Any]:
    """Measure a model on the items and texts of a plan; the same order for every arm."""
    model.eval()
    return {
        "items": score(model, encoder, plan.items),
        "held_out": losses(model, encoder, plan.held_out),
        "general": losses(model, encoder, plan.general),
    }


def score(model: Any, encoder: Encoder, items: Sequence[Item]) -> dict[str, list[list[float]]]:
    """Give for each item the log probability of each choice, and the tokens of each."""
    rows = [tokens for item in items for tokens in encoder.choices(item)]
    sums: list[float] = []
    counts: list[int] = []
    for batch in batches(rows, AT_ONCE):
        total, count = _sums(model, batch)
        sums += [-value for value in total]
        counts += count
    found: dict[str, list[list[float]]] = {}
    place = 0
    for item in items:
        end = place + len(item.choices)
        found[item.id] = [[round(value, 4) for value in sums[place:end]], [*map(float, counts[place:end])]]
        place = end
    return found


def losses(model: Any, encoder: Encoder, texts: Sequence[str]) -> float | None:
    """Average the loss over the tokens of texts; None without texts."""
    total, tokens = 0.0, 0
    for batch in batches([row for text in texts for row in encoder.text(text) if row.response], WINDOW):
        sums, counts = _sums(model, batch)
        total, tokens = total + sum(sums), tokens + sum(counts)
    return total / tokens if tokens else None


@torch.no_grad()
def _sums(model: Any, batch: list[Tokens]) -> tuple[list[float], list[int]]:
    packed = {name: value.to(model.device) for name, value in pack(batch).items()}
    sums, counts = row_sums(token_losses(model, packed), packed)
    return sums.tolist(), counts.tolist()


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Keep a trained model as a plain checkpoint, an adapter merged."""
    beside = folder.with_name(f".unfinished-{folder.name}")
    beside.mkdir(parents=True, exist_ok=True)
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    merged.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    finish_folder(beside, folder)


def time_steps(source: str, target: Path) -> None:
    """Measure the tokens per second of training and of evaluation, and write them."""
    begun = time.monotonic()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    model = load_model(source)
    start = time.monotonic() - begun
    step = [Tokens("", "text", [1], [2 + number % 50 for number in range(STEP // 4)])] * 4
    trainer, seconds, model = train(model, tokenizer, [step] * (1 + STEPS_TIMED), 0)
    model.eval()
    short = [Tokens("", "question", [1] * 20, [2] * 5)] * 32
    _sums(model, short)
    begun = time.monotonic()
    _sums(model, short)
    asked = time.monotonic() - begun
    figures = {
        "train": trainer.spent["tokens computed"] / seconds,
        "measure": sum(map(len, short)) / max(asked, 1e-6),
        "start": start,
    }
    write_json(figures, target)


def main(arguments: Sequence[str]) -> None:
    """Run what `datagen.evaluate.prove.processes` asks for."""
    parent_watch.hold()
    threads = int(os.environ.get("DATAGEN_THREADS", "0"))
    if threads:
        torch.set_num_threads(threads)
    if arguments[0] == "time":
        time_steps(arguments[1], Path(arguments[2]))
    else:
        folder, arm, seed, keep = arguments[1:]
        run_fit(Path(folder), arm, int(seed), keep == "keep")  # type: ignore[arg-type]  # an arm's name


if __name__ == "__main__":
    main(sys.argv[1:])
