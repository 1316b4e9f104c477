"""
One fit and its measurements, in a separate process: ``python -m datagen.evaluate.prove.fit``.

The result is one file, written atomically, so an interrupted proof keeps its finished fits.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedTokenizerBase

from datagen.engines import parent_watch
from datagen.evaluate.prove.arms import text_counts
from datagen.evaluate.prove.encode import Encoder, batches, exposures, sequence
from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.plan import Plan
from datagen.evaluate.prove.settings import FULL, LORA_RATE, RANK, RATE, STEP, WARMUP, WINDOW, Arm
from datagen.json_types import JsonObject
from datagen.store.parquet import finish_folder, write_json
from datagen.training.models import load_model, with_lora
from datagen.training.packing import LanguageModel, pack, row_sums, token_losses
from datagen.training.steps import Schedule, Trainer, run_steps
from datagen.training.tokens import Tokens

BATCH = 1_024  # tokens per batch of items
STEPS_TIMED = 2  # after a warm-up step


def fit_name(arm: str, seed: int) -> str:
    """Return the name of a fit's files; the untrained target has no seed."""
    return arm if arm == "base" else f"{arm}-{seed}"


def run_fit(folder: Path, arm: Arm, seed: int, keep: bool = False) -> JsonObject:
    """
    Train one arm and measure it.

    Parameters
    ----------
    folder
        Contains the plan; the result is written to its ``fits/``.
    arm, seed
        The arm, and the seed of the order of its rows.
    keep
        Whether to save the trained model in ``models/``.

    Returns
    -------
    dict
        The result: for each item, the log probabilities of its choices (natural, summed over tokens) and
        their token counts; losses in nats per token; tokens, exposures, seconds.
    """
    plan = Plan.load(folder)
    torch.manual_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(plan.source)
    encoder, model = Encoder(tokenizer), load_model(plan.source)
    result: JsonObject = {"arm": arm, "seed": seed}
    if arm != "base":
        model, figures = _train(plan, arm, seed, model, tokenizer, encoder)
        result |= figures
    elif torch.cuda.is_available():
        model.to("cuda")
    start = time.monotonic()
    result |= measure(model, encoder, plan)
    result["seconds_measured"] = time.monotonic() - start
    if keep:
        _save(model, tokenizer, folder / "models" / fit_name(arm, seed))
    write_json(result, folder / "fits" / f"{fit_name(arm, seed)}.json")
    return result


def _train(
    plan: Plan,
    arm: Arm,
    seed: int,
    model: LanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    encoder: Encoder,
) -> tuple[LanguageModel, JsonObject]:
    rows = [tokens for row in plan.rows[arm] for tokens in encoder.row(row)]
    order = sequence(rows, plan.budgets[arm], seed)
    trainer, seconds, model = train(model, tokenizer, batches(order), seed)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return model, {
        "tokens": trainer.counts["trained tokens"],
        "tokens_computed": trainer.counts["tokens computed"],
        "steps": trainer.state.global_step,
        "exposures": exposures(order, rows, text_counts(plan.rows[arm])),
        "pairs_seen": sum(row.task == "pair" for row in order),
        "loss": {"first": losses[0], "last": losses[-1]} if losses else {},
        "seconds": seconds,
    }


def train(
    model: LanguageModel, tokenizer: PreTrainedTokenizerBase, order: Sequence[list[Tokens]], seed: int
) -> tuple[Trainer, float, LanguageModel]:
    """Train all weights of a model with at most `FULL` parameters, otherwise a LoRA adapter."""
    small = sum(weight.numel() for weight in model.parameters()) <= FULL
    if not small:
        model = with_lora(model, RANK, 2 * RANK)
    schedule = Schedule(
        learning_rate=RATE if small else LORA_RATE, warmup=WARMUP, steps=len(order), by_token=True
    )
    with tempfile.TemporaryDirectory() as scratch:
        trainer, seconds = run_steps(model, tokenizer, order, schedule, seed, Path(scratch))
    return trainer, seconds, model


def measure(model: LanguageModel, encoder: Encoder, plan: Plan) -> JsonObject:
    """Measure a model on the items and texts of a plan, in the same order for every arm."""
    model.eval()
    return {
        "items": score(model, encoder, plan.items),
        "held_out": losses(model, encoder, plan.held_out),
        "general": losses(model, encoder, plan.general),
    }


def score(model: LanguageModel, encoder: Encoder, items: Sequence[Item]) -> dict[str, list[list[float]]]:
    """Return for each item the log probabilities of its choices, and their token counts."""
    rows = [tokens for item in items for tokens in encoder.choices(item)]
    sums: list[float] = []
    counts: list[int] = []
    for batch in batches(rows, BATCH):
        total, count = _sums(model, batch)
        sums += [-value for value in total]
        counts += count
    scores: dict[str, list[list[float]]] = {}
    start = 0
    for item in items:
        end = start + len(item.choices)
        scores[item.id] = [[round(value, 4) for value in sums[start:end]], [*map(float, counts[start:end])]]
        start = end
    return scores


def losses(model: LanguageModel, encoder: Encoder, texts: Sequence[str]) -> float | None:
    """Return the mean loss over the tokens of texts; None without texts."""
    total, tokens = 0.0, 0
    for batch in batches([row for text in texts for row in encoder.text(text) if row.response], WINDOW):
        sums, counts = _sums(model, batch)
        total, tokens = total + sum(sums), tokens + sum(counts)
    return total / tokens if tokens else None


@torch.no_grad()
def _sums(model: LanguageModel, batch: list[Tokens]) -> tuple[list[float], list[int]]:
    packed = {name: value.to(model.device) for name, value in pack(batch).items()}
    sums, counts = row_sums(token_losses(model, packed), packed)
    return sums.tolist(), counts.tolist()


def _save(model: LanguageModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a trained model as a full checkpoint, with its adapter merged."""
    unfinished = folder.with_name(f".unfinished-{folder.name}")
    unfinished.mkdir(parents=True, exist_ok=True)
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    merged.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    finish_folder(unfinished, folder)


def time_steps(source: str, target: Path) -> None:
    """Measure the tokens per second of training and of evaluation; write them to `target`."""
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
    elapsed = time.monotonic() - begun
    figures = {
        "train": trainer.counts["tokens computed"] / seconds,
        "measure": sum(map(len, short)) / max(elapsed, 1e-6),
        "start": start,
    }
    write_json(figures, target)


def main(arguments: Sequence[str]) -> None:
    """Run the task given by `datagen.evaluate.prove.processes`."""
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
