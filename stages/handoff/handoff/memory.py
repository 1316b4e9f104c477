"""
Estimate the GPU memory that training the target takes, for the card.

As in Fine Tuning LLM for Enterprise (arXiv 2404.10779), it depends on the number of parameters.
"""

from dataclasses import dataclass

from datagen.engines import bundled
from datagen.recipe.profiles import size_of
from datagen.recipe.roles import Model, ScriptedModel

# Bytes per parameter: weights and gradients in 16 bits, and weights, momentum and variance of Adam in 32
# (arXiv 1910.02054, section 3.1); frozen weights in 16 bits, whose adapters add few.
ALL_WEIGHTS, LORA = 2 + 2 + 4 + 4 + 4, 2


@dataclass(frozen=True)
class Memory:
    """
    Estimated memory in GB (1e9 bytes), without activations.

    Parameters
    ----------
    billions
        Parameters of the model.
    all_weights, lora
        For training all weights with AdamW in mixed precision, and adapters of frozen weights.
    """

    billions: float
    all_weights: float
    lora: float


def memory_for(model: Model) -> Memory | None:
    """Estimate the memory for a model; None if its size is neither in its configuration nor in its name."""
    if isinstance(model, ScriptedModel):
        return None
    billions, _ = size_of(bundled.NAMES.get(model.model, model.model))
    return Memory(billions, ALL_WEIGHTS * billions, LORA * billions) if billions else None
