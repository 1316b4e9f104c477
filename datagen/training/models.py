"""Load a model for training on packed sequences, in full or with a LoRA adapter."""

from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model

import datagen.training.packing  # noqa: F401  # registers the attention

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_model(source: str) -> Any:
    """Load a model in bfloat16 with the attention for packed sequences."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.bfloat16, attn_implementation="shared_prefix"
    )


def with_lora(model: Any, rank: int, alpha: float, dropout: float = 0.0) -> Any:
    """Add an untrained adapter to all linear layers, in bfloat16 (Hu et al. 2021, arXiv 2106.09685)."""
    lora = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # declared int, used as a float
        lora_dropout=dropout,
        target_modules=LINEAR,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora, autocast_adapter_dtype=False)
