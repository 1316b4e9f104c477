"""
Optimiser steps over packed sequences, by trl's `SFTTrainer`, on a CPU or a GPU.

The loss of a step is the mean over its rows of the mean over each row's response, or the mean over all
trained tokens, as the schedule says.
"""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # exported lazily

from datagen.training.packing import Tokens, pack, row_losses, token_losses

FLOOR = 0.02  # of the learning rate, at the end


@dataclass(frozen=True)
class Schedule:
    """
    How the steps are taken.

    Parameters
    ----------
    learning_rate
        The highest; a cosine falls from it to `FLOOR` of it.
    warmup
        Share of the steps in which the rate rises.
    steps
        How many.
    at_once
        Sequences of a step.
    minutes
        Stop by then, with the schedule scaled to it; None: after the steps.
    by_token
        Whether each trained token counts the same, instead of each row.
    """

    learning_rate: float
    warmup: float
    steps: int
    at_once: int = 1
    minutes: float | None = None
    by_token: bool = False


class Precise(torch.optim.AdamW):
    """
    AdamW on single-precision copies of half-precision weights.

    Weights in bfloat16 train 1.5 times as fast on a CPU as in single precision, but would round small steps
    away.
    """

    def __init__(self, weights: Sequence[torch.nn.Parameter], **settings: Any) -> None:
        self.weights = list(weights)
        super().__init__([weight.detach().float() for weight in self.weights], **settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step the copies by the weights' gradients, and round them to the weights."""
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
    """trl's trainer on packed rows; counts rows and tokens."""

    figures: dict[str, Any]
    spent: dict[str, int]
    by_token = False

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Average the losses of rows or tokens; the trainer averages over the sequences of a step."""
        losses = (token_losses if self.by_token else row_losses)(model, inputs)
        self.spent["rows"] += len(inputs["branches"])
        self.spent["trained tokens"] += len(inputs["targets"])
        self.spent["tokens computed"] += inputs["input_ids"].shape[1]
        return losses.mean()


class Clock(transformers.TrainerCallback):
    """Stops the training when its minutes are over."""

    def __init__(self, minutes: float | None) -> None:
        self.start, self.seconds = time.monotonic(), 60 * (minutes or math.inf)

    def done(self) -> float:
        """Return the share of the minutes that has passed."""
        return (time.monotonic() - self.start) / self.seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop when the time is over."""
        control.should_training_stop |= self.done() >= 1


def run_steps(
    model: Any,
    tokenizer: Any,
    batches: Sequence[list[Tokens]],
    schedule: Schedule,
    seed: int,
    folder: Path,
) -> tuple[Trainer, float]:
    """
    Train the model's trainable weights on batches in their order.

    Parameters
    ----------
    model
        On whatever device; the trainer moves it.
    tokenizer
        The model's, for the trainer.
    batches
        Rows of each sequence.
    schedule
        How the steps are taken.
    seed
        Of the trainer; the order is that of `batches`.
    folder
        Where the trainer may write.

    Returns
    -------
    trainer, seconds
        The trainer with its counts, and the time that the steps took.
    """
    clock = Clock(schedule.minutes)
    total, warmup = schedule.steps, schedule.warmup

    def rate(step: int) -> float:
        done = min(1.0, max(step / total, clock.done()))
        if done < warmup:
            return (done + 1 / total) / (warmup + 1 / total)
        turn = (done - warmup) / (1 - warmup)
        return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * turn)) / 2

    config = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=schedule.at_once,
        max_steps=total,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        gradient_checkpointing=False,
        bf16=False,  # the weights are; casting on top of that costs time
        use_cpu=not torch.cuda.is_available(),
        max_grad_norm=1.0,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        seed=seed,
        disable_tqdm=True,
    )
    model.to(config.device)  # before the optimiser copies the weights
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = Precise(weights, lr=schedule.learning_rate, weight_decay=0.0)
    trainer = Trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"batch": range(len(batches))}),
        data_collator=lambda rows: pack(batches[rows[0]["batch"]]),
        processing_class=tokenizer,
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        callbacks=[clock],
    )
    trainer.spent, trainer.by_token = defaultdict(int), schedule.by_token
    clock.start = time.monotonic()
    trainer.train()
    return trainer, time.monotonic() - clock.start
