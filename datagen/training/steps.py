"""
Optimiser steps over packed sequences with trl's `SFTTrainer`, on a CPU or a GPU.

The loss of a step is the mean over its rows of the mean over each row's response, or the mean over all
trained tokens (`Schedule.by_token`).
"""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from datagen.json_types import JsonObject
from datagen.training.packing import LanguageModel, pack, row_losses, token_losses
from datagen.training.tokens import Tokens

FLOOR = 0.02  # final learning rate, as a share of the highest


@dataclass(frozen=True)
class Schedule:
    """
    Learning rate, number of steps and weighting.

    Parameters
    ----------
    learning_rate
        Highest learning rate; it decays by a cosine to `FLOOR` of it.
    warmup
        Share of the steps for the warm-up.
    steps
        Number of steps.
    sequences_per_step
        Sequences per step.
    minutes
        Time limit, to which the schedule is scaled; None for no limit.
    by_token
        Whether all trained tokens have the same weight, instead of all rows.
    """

    learning_rate: float
    warmup: float
    steps: int
    sequences_per_step: int = 1
    minutes: float | None = None
    by_token: bool = False


class MasterWeightAdamW(torch.optim.AdamW):
    """
    AdamW on single-precision master copies of bfloat16 weights.

    Training in bfloat16 is 1.5 times as fast on a CPU as in single precision, but without the copies small
    updates would be rounded away.
    """

    def __init__(self, weights: Sequence[torch.nn.Parameter], learning_rate: float) -> None:
        self.weights = list(weights)
        super().__init__(
            [weight.detach().float() for weight in self.weights], lr=learning_rate, weight_decay=0.0
        )

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Update the copies with the weights' gradients, and round them into the weights."""
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
    """trl's trainer for packed rows; counts rows and tokens."""

    figures: JsonObject
    counts: dict[str, int]
    by_token = False

    def compute_loss(
        self,
        model: LanguageModel,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: object = None,
    ) -> torch.Tensor:
        """Return the mean loss over rows or tokens; the trainer averages over the sequences of a step."""
        losses = (token_losses if self.by_token else row_losses)(model, inputs)
        self.counts["rows"] += len(inputs["branches"])
        self.counts["trained tokens"] += len(inputs["targets"])
        self.counts["tokens computed"] += inputs["input_ids"].shape[1]
        return losses.mean()


class Clock(transformers.TrainerCallback):
    """Stops the training at its time limit."""

    def __init__(self, minutes: float | None) -> None:
        self.start, self.seconds = time.monotonic(), 60 * (minutes or math.inf)

    def progress(self) -> float:
        """Return the elapsed share of the time limit."""
        return (time.monotonic() - self.start) / self.seconds

    def on_step_end(
        self, args: object, state: object, control: transformers.TrainerControl, **_: object
    ) -> None:
        """Stop at the time limit."""
        control.should_training_stop |= self.progress() >= 1


def run_steps(
    model: LanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    batches: Sequence[list[Tokens]],
    schedule: Schedule,
    seed: int,
    folder: Path,
) -> tuple[Trainer, float]:
    """
    Train the model's trainable weights on batches in the given order.

    Parameters
    ----------
    model
        On any device; it is moved to that of the trainer.
    tokenizer
        The model's tokenizer.
    batches
        Rows of each sequence.
    schedule
        Learning rate and number of steps.
    seed
        Seed of the trainer; it does not affect the order.
    folder
        Folder for the trainer's files.

    Returns
    -------
    trainer, seconds
        The trainer with its counts, and the duration of the steps.
    """
    clock = Clock(schedule.minutes)
    config = _config(schedule, seed, folder)
    model.to(config.device)  # before the optimiser copies the weights
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = MasterWeightAdamW(weights, schedule.learning_rate)
    rate = partial(_rate, schedule, clock)
    trainer = Trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"batch": range(len(batches))}),
        data_collator=lambda rows: pack(batches[rows[0]["batch"]]),
        processing_class=tokenizer,
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        callbacks=[clock],
    )
    trainer.counts, trainer.by_token = defaultdict(int), schedule.by_token
    clock.start = time.monotonic()
    trainer.train()
    return trainer, time.monotonic() - clock.start


def _rate(schedule: Schedule, clock: Clock, step: int) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then cosine decay to `FLOOR`."""
    progress, warmup = min(1.0, max(step / schedule.steps, clock.progress())), schedule.warmup
    if progress < warmup:
        return (progress + 1 / schedule.steps) / (warmup + 1 / schedule.steps)
    decay = (progress - warmup) / (1 - warmup)
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * decay)) / 2


def _config(schedule: Schedule, seed: int, folder: Path) -> SFTConfig:
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=schedule.sequences_per_step,
        max_steps=schedule.steps,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        gradient_checkpointing=False,
        bf16=False,  # the weights are bfloat16 already; autocast would only cost time
        use_cpu=not torch.cuda.is_available(),
        max_grad_norm=1.0,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        seed=seed,
        disable_tqdm=True,
    )
