"""Load the tokenizer of a checkpoint with transformers, and without torch where its class allows."""

from pathlib import Path
from typing import Literal, Protocol, cast

from datagen.outside_json import parse

# Classes that read tokenizer.json as it is. `AutoTokenizer` would choose them too, but imports torch for it.
GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")


class PretrainedTokenizer(Protocol):
    """What is used of a tokenizer of transformers, whose types take long to check."""

    chat_template: str | None
    eos_token: str | None
    model_max_length: int
    split_special_tokens: bool

    def __call__(
        self, text: list[str], *, add_special_tokens: bool, verbose: bool = True
    ) -> dict[str, list[list[int]]]:
        """Encode texts; the ids are in ``input_ids``."""

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        tokenize: Literal[False],
        add_generation_prompt: bool = False,
    ) -> str:
        """Render a chat."""


def load_tokenizer(model: str, **options: bool) -> PretrainedTokenizer:
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
    return cast(PretrainedTokenizer, loader.from_pretrained(model, **options))


def _class_of(folder: Path) -> object:
    """Return the class that a checkpoint names for its tokenizer; None if it names none."""
    try:
        config = parse((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config.get("tokenizer_class") if isinstance(config, dict) else None
