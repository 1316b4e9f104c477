"""How long a text may be: in tokens of the model that will be trained on it, where its tokenizer is given."""

from collections.abc import Callable
from pathlib import Path

from datagen.errors import UserError


def ruler(tokenizer: str, max_tokens: int, max_chars: int, folder: Path) -> Callable[[str], bool]:
    """
    Make the test that a text fits.

    Parameters
    ----------
    tokenizer
        A checkpoint's folder or a ``tokenizer.json``, from `folder` on; "": characters are counted.
    max_tokens, max_chars
        The bounds, one of which holds.
    folder
        Where relative paths start.

    Raises
    ------
    UserError
        When the file is not there, is no tokenizer, or the library that reads it is not installed.
    """
    if not tokenizer:
        return lambda text: len(text) <= max_chars
    path = folder / Path(tokenizer).expanduser()
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"mine.tokenizer: there is no {path}; name a checkpoint's folder or a tokenizer.json")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            "mine.tokenizer needs the package tokenizers, which comes with the extras cpu and gpu; "
            "without it, leave the option out and set mine.max_chars"
        ) from error
    try:
        tokens = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"mine.tokenizer: {path} is no tokenizer: {error}") from error

    def fits(text: str) -> bool:
        # A token holds a byte at least, so most texts need no look.
        few = len(text.encode("utf-8", "surrogatepass")) <= max_tokens
        return few or len(tokens.encode(text, add_special_tokens=False).ids) <= max_tokens

    return fits
