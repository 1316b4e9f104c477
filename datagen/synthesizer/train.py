"""
Train the adapter: LoRA (Hu et al. 2021, arXiv 2106.09685) on all linear layers, loss on responses only.

peft adds the adapter and trl's `SFTTrainer` runs the steps, on a CPU or a GPU. Every row has the same weight,
whatever the length of its response: the loss is the mean over rows of the mean over a response's tokens.
"""

import math
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # exported lazily

from datagen.engines.identity import identify, resolve
from datagen.errors import UserError
from datagen.synthesizer.card import write_card
from datagen.synthesizer.packing import Tokens, bundles, epochs, pack, row_losses, tokenize
from datagen.synthesizer.recipe import SynthesizerRecipe, Training
from datagen.synthesizer.remix import Row, account, remix
from datagen.synthesizer.sets import load

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FLOOR = 0.02  # final learning rate as a share of the initial one
MEASURED = 40  # rows per task for the held-out loss


def train_synthesizer(recipe: SynthesizerRecipe, folder: Path, steps: int = -1) -> dict[str, Any]:
    """
    Remix, train, measure and save an adapter with its card.

    `rows.parquet` holds every row, with the reason if it was left out, `training.json` all figures, and a
    folder with the recipe's name the merged model. That name is in the lineage of every row that the model
    writes, so use a new name for each round.

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

    model = adapted(source, recipe.training)
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
        _take(folder, after, measure(_with_adapter(source, recipe.file.parent / recipe.over), held_out))
    return figures


def save_merged(source: str, tokenizer: Any, folder: Path, name: str) -> None:
    """Write the base model with a folder's adapter merged, as a plain checkpoint in that folder."""
    # Merged in single precision, because bfloat16 would round much of the adapter away.
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, str(folder)).merge_and_unload().to(torch.bfloat16)
    merged.config.dtype = torch.bfloat16
    merged.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)


def _base(source: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.bfloat16, attn_implementation="shared_prefix"
    )


def _with_adapter(source: str, adapter: Path) -> Any:
    model = _base(source)
    return PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)


def _take(folder: Path, losses: dict[str, float], earlier: dict[str, float]) -> None:
    """Reject an adapter whose loss, the mean over tasks, is not lower than the previous one's."""
    current, previous = (sum(of_task.values()) / len(of_task) for of_task in (losses, earlier))
    if current < previous:
        return
    rejected = folder.with_name(f"{folder.name}-not-taken")
    shutil.rmtree(rejected, ignore_errors=True)
    folder.rename(rejected)
    raise UserError(
        f"this round does not lower the held-out loss ({current:.3f}, before {previous:.3f}), so it is not "
        f"taken; it is in {rejected}. Keep the previous adapter, or train on more pairs"
    )


def fitting(rows: Sequence[Row], tokenizer: Any, most: int) -> tuple[list[Row], dict[str, Tokens]]:
    """Mark overlong and duplicate rows as left out; return all rows, and the tokens of the others."""
    kept: list[Row] = []
    tokens: dict[str, Tokens] = {}
    for row in rows:
        if not row.reason:
            written = tokenize(tokenizer, row.paragraph, row.task, row.messages, row.response)
            if len(written) > most:
                row = replace(row, reason="too many tokens", detail=str(len(written)))
            elif row.id in tokens:
                row = replace(row, reason="the same row twice", detail=row.id)
            else:
                tokens[row.id] = written
        kept.append(row)
    return kept, tokens


def adapted(source: str, training: Training) -> Any:
    """Load the base model in bfloat16 and add an untrained adapter, also in bfloat16."""
    model = _base(source)
    lora = LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,  # type: ignore[arg-type]  # declared int, used as a float
        lora_dropout=training.dropout,
        target_modules=LINEAR,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora, autocast_adapter_dtype=False)


class Precise(torch.optim.AdamW):
    """
    AdamW on single-precision copies of half-precision weights.

    On a CPU, an adapter in bfloat16 trains 1.5 times as fast as one in single precision, but its weights
    alone would round small steps away.
    """

    def __init__(self, weights: Sequence[torch.nn.Parameter], **settings: Any) -> None:
        self.weights = list(weights)
        super().__init__([weight.detach().float() for weight in self.weights], **settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the copies with the weights' gradients, and round them to the weights."""
        copies = [copy for group in self.param_groups for copy in group["params"]]
        for weight, copy in zip(self.weights, copies, strict=True):
            copy.grad = None if weight.grad is None else weight.grad.float()
        super().step()
        for weight, copy in zip(self.weights, copies, strict=True):
            weight.copy_(copy)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of the weights."""
        for weight in self.weights:
            weight.grad = None


class Trainer(SFTTrainer):
    """trl's trainer for packed rows, which counts rows and tokens."""

    figures: dict[str, Any]
    spent: dict[str, int]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean of the rows' losses; the trainer averages over the bundles of a step."""
        losses = row_losses(model, inputs)
        self.spent["rows"] += len(losses)
        self.spent["tokens computed"] += inputs["input_ids"].shape[1]
        return losses.mean()


class Clock(transformers.TrainerCallback):
    """Stops the training at the time limit, and reports the share of time used."""

    def __init__(self, minutes: float | None) -> None:
        self.start, self.seconds = time.monotonic(), 60 * (minutes or math.inf)

    def done(self) -> float:
        """Return the elapsed share of the time limit."""
        return (time.monotonic() - self.start) / self.seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at the time limit."""
        control.should_training_stop |= self.done() >= 1


def fit(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Tokens],
    training: Training,
    seed: int,
    folder: Path,
    steps: int = -1,
) -> Trainer:
    """Train the adapter on rows; return the trainer with its figures."""
    order = list(epochs(rows, training.epochs, training.together, seed))
    at_once = training.batch_size // training.together
    total = max(1, steps if steps > 0 else len(order) // at_once)
    clock = Clock(training.minutes)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = Precise(weights, lr=training.learning_rate, weight_decay=0.0)

    def rate(step: int) -> float:
        done = min(1.0, max(step / total, clock.done()))
        if done < training.warmup:
            return (done + 1 / total) / (training.warmup + 1 / total)
        turn = (done - training.warmup) / (1 - training.warmup)
        return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * turn)) / 2

    config = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=at_once,
        max_steps=total,
        train_sampling_strategy="sequential",  # packing.bundles has shuffled them
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        gradient_checkpointing=False,
        bf16=False,  # the weights already are; casting costs time
        use_cpu=not torch.cuda.is_available(),
        max_grad_norm=1.0,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        seed=seed,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"bundle": range(len(order))}),
        data_collator=lambda batch: pack(order[batch[0]["bundle"]]),
        processing_class=tokenizer,
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        callbacks=[clock],
    )
    trainer.spent = defaultdict(int)
    clock.start = time.monotonic()
    trainer.train()
    trainer.figures = _figures(trainer, rows, time.monotonic() - clock.start)
    return trainer


def _figures(trainer: Trainer, rows: Sequence[Tokens], seconds: float) -> dict[str, Any]:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    unshared = sum(map(len, rows)) / max(1, len(rows)) * trainer.spent["rows"]
    return {
        "loss_start": losses[0] if losses else None,
        "loss_end": sum(losses[-5:]) / len(losses[-5:]) if losses else None,
        "epochs_seen": trainer.spent["rows"] / max(1, len(rows)),
        "seconds": seconds,
        "tokens_computed": trainer.spent["tokens computed"],
        "tokens_without_sharing": round(unshared),
        "tokens_per_second": trainer.spent["tokens computed"] / seconds,
    }


@torch.no_grad()
def measure(model: Any, rows: Sequence[Tokens]) -> dict[str, float]:
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
    """Print how many rows of each task are trained on, held out or left out, with reasons."""
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
