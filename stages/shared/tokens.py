"""
How long texts are, in tokens of the model that will be trained on them: bounds and accounts.

Where no tokenizer is given, characters are counted instead, and the account says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from datagen.engines import bundled
from datagen.errors import UserError
from datagen.stage import Outcome

AT_ONCE = 500  # texts whose tokens are held at a time


@dataclass(frozen=True)
class Ruler:
    """
    Measures texts.

    Parameters
    ----------
    unit
        tokens or characters.
    lengths
        Gives the length of each of some texts in that unit.
    middle
        Gives where the middle one of a text's tokens begins, in code points.
    """

    unit: str
    lengths: Callable[[Sequence[str]], list[int]]
    middle: Callable[[str], int]

    def fits(self, text: str, longest: int) -> bool:
        """Tell whether a text is not longer than so much."""
        # A token holds a byte at least, and so does a character: most texts need no look.
        few = len(text.encode("utf-8", "surrogatepass")) <= longest
        return few or self.lengths([text])[0] <= longest

    def account(
        self, outcome: Outcome, passages: Sequence[str], bound: Sequence[str], **others: Sequence[str]
    ) -> Outcome:
        """
        Add to an outcome what went in and what came out.

        Its figures are, in the ruler's unit: the length of all `passages` that the stage was given, of those
        that are `bound` into its kept texts, of these texts, and of the `others` by their names: the texts by
        the bound are the expansion.
        """
        texts: list[str] = outcome.kept["text"].to_pylist()
        said = {"passage": passages, **others, "bound": bound, "text": texts}
        figures = {f"{name}_{self.unit}": sum(self.lengths(of)) for name, of in said.items()}
        return replace(outcome, figures=figures)


def ruler(tokenizer: str, folder: Path) -> Ruler:
    """
    Make the ruler of a tokenizer.

    Parameters
    ----------
    tokenizer
        As in `load_tokenizer`; "": characters are counted.
    folder
        Where relative paths start.

    Raises
    ------
    UserError
        When the file is not there, is no tokenizer, or the library that reads it is not installed.
    """
    if not tokenizer:
        return Ruler("characters", lambda texts: list(map(len, texts)), lambda text: len(text) // 2)
    tokens = load_tokenizer(tokenizer, folder)

    def lengths(texts: Sequence[str]) -> list[int]:
        parts = (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))
        return [
            len(one)
            for part in parts
            for one in tokens.encode_batch_fast(list(part), add_special_tokens=False)
        ]

    def middle(text: str) -> int:
        offsets = tokens.encode(text, add_special_tokens=False).offsets
        return int(offsets[len(offsets) // 2][0]) if offsets else 0

    return Ruler("tokens", lengths, middle)


def load_tokenizer(tokenizer: str, folder: Path) -> Any:
    """
    Load a ``tokenizers.Tokenizer``.

    Parameters
    ----------
    tokenizer
        ``bundled``, a checkpoint's folder or a ``tokenizer.json``.
    folder
        Where relative paths start.

    Raises
    ------
    UserError
        When the file is not there, is no tokenizer, or the library that reads it is not installed.
    """
    own = bundled.prepare(tokenizer) if tokenizer in bundled.NAMES else folder / Path(tokenizer).expanduser()
    path = own / "tokenizer.json" if own.is_dir() else own
    if not path.is_file():
        raise UserError(f"tokenizer: there is no {path}; name a checkpoint's folder or a tokenizer.json")
    return _load(path, path.stat().st_mtime_ns)


@cache
def _load(path: Path, changed: int) -> Any:
    """Load a tokenizer, once for all partitions that a worker measures."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            "the option tokenizer needs the package tokenizers, which comes with the extras cpu and gpu; "
            "without it, leave the option out and bound texts by their characters"
        ) from error
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"tokenizer: {path} is no tokenizer: {error}") from error
