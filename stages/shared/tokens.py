"""
Measure texts in tokens of the model to be trained, for length limits and figures.

Without a tokenizer, characters are counted instead, and the figures are named accordingly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from datagen.errors import UserError
from datagen.stage import Outcome

AT_ONCE = 500  # texts tokenized per batch


@dataclass(frozen=True)
class Ruler:
    """
    Measures texts.

    Parameters
    ----------
    unit
        tokens or characters.
    lengths
        Returns the lengths of texts in that unit.
    middle
        Returns the start of a text's middle token, in code points.
    """

    unit: str
    lengths: Callable[[Sequence[str]], list[int]]
    middle: Callable[[str], int]

    def fits(self, text: str, longest: int) -> bool:
        """Check that a text is at most `longest` units long."""
        # A token or character has at least one byte, so most texts need not be measured.
        few = len(text.encode("utf-8", "surrogatepass")) <= longest
        return few or self.lengths([text])[0] <= longest

    def account(
        self, outcome: Outcome, passages: Sequence[str], bound: Sequence[str], **others: Sequence[str]
    ) -> Outcome:
        """
        Add input and output lengths to an outcome's figures.

        The figures are, in the ruler's unit: the length of all `passages` that the stage received, of those
        `bound` into its kept texts, of these texts, and of the `others` by name. Texts divided by bound is
        the expansion.
        """
        texts: list[str] = outcome.kept["text"].to_pylist()
        groups = {"passage": passages, **others, "bound": bound, "text": texts}
        figures = {f"{name}_{self.unit}": sum(self.lengths(group)) for name, group in groups.items()}
        return replace(outcome, figures=figures)


def ruler(tokenizer: str, folder: Path) -> Ruler:
    """
    Build the ruler of a tokenizer.

    Parameters
    ----------
    tokenizer
        A checkpoint folder or a ``tokenizer.json``, relative to `folder`; "" counts characters.
    folder
        Base of relative paths.

    Raises
    ------
    UserError
        If the file is missing or not a tokenizer, or the library to read it is not installed.
    """
    if not tokenizer:
        return Ruler("characters", lambda texts: list(map(len, texts)), lambda text: len(text) // 2)
    path = folder / Path(tokenizer).expanduser()
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"tokenizer: {path} does not exist; name a checkpoint folder or a tokenizer.json")
    tokens = _load(path, path.stat().st_mtime_ns)

    def lengths(texts: Sequence[str]) -> list[int]:
        parts = (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))
        return [
            len(encoding)
            for part in parts
            for encoding in tokens.encode_batch_fast(list(part), add_special_tokens=False)
        ]

    def middle(text: str) -> int:
        offsets = tokens.encode(text, add_special_tokens=False).offsets
        return int(offsets[len(offsets) // 2][0]) if offsets else 0

    return Ruler("tokens", lengths, middle)


@cache
def _load(path: Path, changed: int) -> Any:
    """Load a tokenizer, once per worker."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            "the option tokenizer needs the package tokenizers, which is part of the extras cpu and gpu; "
            "without it, remove the option to limit texts by characters"
        ) from error
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain exceptions
        raise UserError(f"tokenizer: {path} is not a tokenizer: {error}") from error
