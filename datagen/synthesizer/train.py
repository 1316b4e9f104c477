"""
Train the adapter: LoRA (Hu et al. 2021, arXiv 2106.09685) on all linear layers, loss on responses only.

peft adds the adapter and trl's `SFTTrainer` runs the steps, on a CPU or a GPU. Every row has the same weight,
regardless of the length of its response: the loss is the mean over rows of the mean over response tokens.
"""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from datagen.engines.identity import identify, resolve
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.synthesizer.card import write_card
from datagen.synthesizer.recipe import SynthesizerRecipe, Training
from datagen.synthesizer.remix import Row, account, remix
from datagen.synthesizer.sets import load
from datagen.training.models import load_model, with_lora
from datagen.training.packing import LanguageModel, pack, row_losses
from datagen.training.steps import Schedule, Trainer, run_steps
from datagen.training.tokens import Tokens, bundles, epochs, tokenize

MEASURED = 40  # rows per task for the held-out loss


def train_synthesizer(recipe: SynthesizerRecipe, folder: Path, steps: int = -1) -> JsonObject:
    """
    Remix, train, measure and save an adapter with its card.

    Writes ``rows.parquet`` (every row, with the reason if it was excluded), ``training.json`` (all figures),
    and the merged model in a folder named after the recipe. That name appears in the lineage of every row
    that the model writes, so use a new name for each round.

    Parameters
    ----------
    recipe
        Sets, tasks and training settings.
    folder
        Folder for the adapter.
    steps
        Maximum number of steps; -1: as in the recipe.

    Returns
    -------
    dict
        The content of ``training.json``.
    """
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(recipe.seed)
    source = resolve(recipe.model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    rows, tokens = fitting(remix(recipe, load(recipe)), tokenizer, recipe.training.max_tokens)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows]), folder / "rows.parquet")
    trained = [tokens[row.id] for row in rows if not row.reason and not row.held_out]
    held_out = [tokens[row.id] for row in rows if not row.reason and row.held_out]
    print_account(rows)

    training = recipe.training
    model = with_lora(load_model(source), training.rank, training.alpha, training.dropout)
    before = measure(model, held_out)
    trainer = fit(model, tokenizer, trained, recipe.training, recipe.seed, folder / "steps", steps)
    base = identify(recipe.model)
    model.peft_config["default"].base_model_name_or_path = base.name  # instead of a local path
    model.save_pretrained(folder, save_embedding_layers=False)  # otherwise it looks for the base on a hub
    save_merged(source, tokenizer, folder, recipe.name)
    after = measure(model, held_out)
    figures = {
        "base": asdict(base),
        "rows": account(rows),
        "prompts": dict(sorted({(row.prompt, row.prompt_hash) for row in rows})),
        "training": recipe.training.model_dump(),
        "steps": trainer.state.global_step,
        **trainer.figures,
        "held_out_loss": {task: {"before": before[task], "after": after[task]} for task in after},
    }
    write_card(recipe, figures, folder)
    if recipe.over:
        _reject_unless_better(
            folder, after, measure(_with_adapter(source, recipe.file.parent / recipe.over), held_out)
        )
    return figures


def save_merged(source: str, tokenizer: PreTrainedTokenizerBase, folder: Path, name: str) -> None:
    """Write the base model with a folder's adapter merged, as a plain checkpoint in that folder."""
    # Merged in single precision, because bfloat16 would round much of the adapter away.
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, str(folder)).merge_and_unload().to(torch.bfloat16)
    merged.config.dtype = torch.bfloat16
    merged.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)


def _with_adapter(source: str, adapter: Path) -> LanguageModel:
    model = load_model(source)
    return PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)


def _reject_unless_better(folder: Path, losses: dict[str, float], earlier: dict[str, float]) -> None:
    """Reject an adapter whose loss, the mean over tasks, is not lower than the previous one's."""
    current, previous = (sum(of_task.values()) / len(of_task) for of_task in (losses, earlier))
    if current < previous:
        return
    rejected = folder.with_name(f"{folder.name}-rejected")
    shutil.rmtree(rejected, ignore_errors=True)
    folder.rename(rejected)
    raise UserError(
        f"this round does not lower the held-out loss ({current:.3f}, previously {previous:.3f}), so the "
        f"adapter is rejected. It is in {rejected}. Keep the previous adapter, or train on more pairs"
    )


def fitting(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> tuple[list[Row], dict[str, Tokens]]:
    """Exclude overlong and duplicate rows; return all rows, and the tokens of the included ones."""
    checked: list[Row] = []
    tokens: dict[str, Tokens] = {}
    for row in rows:
        if not row.reason:
            encoded = tokenize(tokenizer, row.paragraph, row.task, row.messages, row.response)
            if len(encoded) > max_tokens:
                row = replace(row, reason="too many tokens", detail=str(len(encoded)))
            elif row.id in tokens:
                row = replace(row, reason="the same row twice", detail=row.id)
            else:
                tokens[row.id] = encoded
        checked.append(row)
    return checked, tokens


def fit(
    model: LanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Tokens],
    training: Training,
    seed: int,
    folder: Path,
    steps: int = -1,
) -> Trainer:
    """Train the adapter on rows; return the trainer with its figures."""
    order = list(epochs(rows, training.epochs, training.together, seed))
    bundles_per_step = training.batch_size // training.together
    schedule = Schedule(
        learning_rate=training.learning_rate,
        warmup=training.warmup,
        sequences_per_step=bundles_per_step,
        steps=max(1, steps if steps > 0 else len(order) // bundles_per_step),
        minutes=training.minutes,
    )
    trainer, seconds = run_steps(model, tokenizer, order, schedule, seed, folder)
    trainer.figures = _figures(trainer, rows, seconds)
    return trainer


def _figures(trainer: Trainer, rows: Sequence[Tokens], seconds: float) -> JsonObject:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    unshared = sum(map(len, rows)) / max(1, len(rows)) * trainer.counts["rows"]
    return {
        "loss_start": losses[0] if losses else None,
        "loss_end": sum(losses[-5:]) / len(losses[-5:]) if losses else None,
        "epochs_seen": trainer.counts["rows"] / max(1, len(rows)),
        "seconds": seconds,
        "tokens_computed": trainer.counts["tokens computed"],
        "tokens_without_sharing": round(unshared),
        "tokens_per_second": trainer.counts["tokens computed"] / seconds,
    }


@torch.no_grad()
def measure(model: LanguageModel, rows: Sequence[Tokens]) -> dict[str, float]:
    """Return the mean loss of each task, on at most `MEASURED` of its rows, sampled by hash."""
    model.eval()
    by_task: dict[str, list[Tokens]] = defaultdict(list)
    for bundle in bundles(rows, 1, "measure"):
        by_task[bundle[0].task] += bundle
    chosen = [row for of_task in by_task.values() for row in of_task[:MEASURED]]
    losses: dict[str, list[float]] = defaultdict(list)
    for bundle in bundles(chosen, 16, "measure"):
        packed = {name: value.to(model.device) for name, value in pack(bundle).items()}
        for row, loss in zip(bundle, row_losses(model, packed).tolist(), strict=True):
            losses[row.task].append(loss)
    return {task: sum(of_task) / len(of_task) for task, of_task in sorted(losses.items())}


def print_account(rows: Sequence[Row]) -> None:
    """Print how many rows of each task are trained on, held out or excluded, with reasons."""
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "rows", "use")
    for task, counts in account(rows).items():
        for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
            table.add_row(task, str(count), reason)
    Console().print(table)


if __name__ == "__main__":
    from datagen.synthesizer.recipe import load_recipe

    try:
        train_synthesizer(load_recipe(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]))
    except UserError as error:
        sys.exit(str(error))
