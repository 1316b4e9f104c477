"""Load the tokenizer of a checkpoint with transformers, and without torch where its class allows."""

from pathlib import Path
from typing import Any

from datagen.outside_json import parse

# Classes that read tokenizer.json as it is. `AutoTokenizer` would choose them too, but imports torch for it.
GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")


def load_tokenizer(model: str, **options: Any) -> Any:
    """
    Load a tokenizer of transformers.

    Parameters
    ----------
    model
        A folder or a hub id.
    options
        Passed to ``from_pretrained``.
    """
    import transformers

    name = _class_of(Path(model))
    loader = transformers.PreTrainedTokenizerFast if name in GENERIC else transformers.AutoTokenizer
    return loader.from_pretrained(model, **options)


def _class_of(folder: Path) -> object:
    """Return the class that a checkpoint names for its tokenizer; None if it names none."""
    try:
        config = parse((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config.get("tokenizer_class") if isinstance(config, dict) else None
