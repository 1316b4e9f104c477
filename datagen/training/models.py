"""Load a model for training on packed sequences, in full or with a LoRA adapter."""

import torch
import transformers
from peft import LoraConfig, get_peft_model

import datagen.training.packing  # noqa: F401  # registers the attention
from datagen.cluster.hardware import has_bfloat16
from datagen.training.packing import LanguageModel

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_model(source: str) -> LanguageModel:
    """
    Load a model with the attention for packed sequences.

    It is in bfloat16, or in single precision where the processor only emulates bfloat16.
    """
    fast = torch.cuda.is_available() or has_bfloat16()
    return transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.bfloat16 if fast else torch.float32, attn_implementation="shared_prefix"
    )


def with_lora(model: LanguageModel, rank: int, alpha: float, dropout: float = 0.0) -> LanguageModel:
    """Add an untrained adapter to all linear layers (Hu et al. 2021, arXiv 2106.09685)."""
    lora = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # declared int, used as a float
        lora_dropout=dropout,
        target_modules=LINEAR,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora, autocast_adapter_dtype=False)
