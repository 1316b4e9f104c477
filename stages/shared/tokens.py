"""
How long texts are in tokens of the model that will be trained on them: limits and accounts.

Without a tokenizer, characters are counted, and the account says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from datagen.engines import bundled
from datagen.errors import UserError
from datagen.paths import expanded
from datagen.stage import Outcome

BATCH = 500  # texts whose tokens are in memory at once
FILES = ("tokenizer.json", "tokenizer.model")  # of a checkpoint, in order of preference
SENTENCEPIECE = (".model", ".spm")
# What pieces that begin a word begin with: SentencePiece's mark, and a blank in byte-level vocabularies.
WORD, BLANK = "▁", "Ġ"
ACCEPTED = "name bundled, a checkpoint's folder, a tokenizer.json, a tokenizer.model or a hub's id"


@dataclass(frozen=True)
class Ruler:
    """
    Measures texts.

    Parameters
    ----------
    unit
        tokens or characters.
    lengths
        Gives the length of each text in that unit.
    starts
        Gives the offsets, in code points, at which the tokens of a text begin.
    framing
        Tokens that trainers add to a text: its end, and what the tokenizer puts in front.
    """

    unit: str
    lengths: Callable[[Sequence[str]], list[int]]
    starts: Callable[[str], Sequence[int]]
    framing: int = 0

    def middle(self, text: str) -> int:
        """Give the offset, in code points, at which the middle token of a text begins."""
        starts = self.starts(text)
        return starts[len(starts) // 2] if starts else 0

    def trained(self, texts: Sequence[str]) -> list[int]:
        """Measure texts as trainers do, with the tokens that they add."""
        return [length + self.framing for length in self.lengths(texts)]

    def fits(self, text: str, longest: int) -> bool:
        """Tell whether a text is at most so long."""
        # A token has at least one byte, and so has a character: most texts need not be encoded.
        short = len(text.encode("utf-8", "surrogatepass")) <= longest
        return short or self.lengths([text])[0] <= longest

    def account(
        self, outcome: Outcome, passages: Sequence[str], bound: Sequence[str], **others: Sequence[str]
    ) -> Outcome:
        """
        Add the lengths of input and output to the figures of an outcome.

        These are, in the ruler's unit, the totals of all `passages` that the stage received, of those
        `bound` into kept texts, of the texts, and of the `others` by name. Texts divided by bound passages
        is the expansion.
        """
        texts: list[str] = outcome.kept["text"].to_pylist()
        measured = {"passage": passages, **others, "bound": bound, "text": texts}
        lengths = {f"{name}_{self.unit}": sum(self.lengths(of)) for name, of in measured.items()}
        return replace(outcome, figures={**outcome.figures, **lengths})


CHARACTERS = Ruler("characters", lambda texts: list(map(len, texts)), lambda text: range(len(text)))


def ruler(tokenizer: str, folder: Path) -> Ruler:
    """
    Make the ruler of a tokenizer.

    Parameters
    ----------
    tokenizer
        ``bundled``, a checkpoint's folder, a ``tokenizer.json``, a SentencePiece model or a hub's id; ""
        counts characters.
    folder
        Where relative paths start.

    Raises
    ------
    UserError
        When there is no such tokenizer, it cannot be read, or the library that reads it is not installed.
    """
    if not tokenizer:
        return CHARACTERS
    path = tokenizer_file(tokenizer, folder)
    return _load(path, path.stat().st_mtime_ns)


def tokenizer_file(tokenizer: str, folder: Path) -> Path:
    """
    Find the file of a tokenizer: a ``tokenizer.json`` or a SentencePiece model.

    A path takes precedence over a hub's id. Files of a hub are downloaded once, to its own cache.

    Raises
    ------
    UserError
        When there is none.
    """
    if tokenizer in bundled.NAMES:
        return bundled.prepare(tokenizer) / FILES[0]
    path = folder / expanded(tokenizer)
    if path.is_file():
        return path
    if path.is_dir():
        for name in FILES:
            if (path / name).is_file():
                return path / name
        raise UserError(f"tokenizer: {path} has neither {FILES[0]} nor {FILES[1]}; {ACCEPTED}")
    if tokenizer.startswith(("/", "./", "../", "~")) or path.suffix:
        raise UserError(f"tokenizer: there is no {path}; {ACCEPTED}")
    return _from_hub(tokenizer)


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    reason = "it has none of " + ", ".join(FILES)
    for file in FILES:
        try:
            return Path(hf_hub_download(name, file))
        except EntryNotFoundError:
            continue
        except Exception as error:  # of the HTTP client, which differs between versions of the library
            reason = str(error).strip().partition("\n")[0]
            break
    raise UserError(
        f"tokenizer: no folder and no tokenizer on the hub is called {name!r} ({reason}); {ACCEPTED}"
    )


def words_of_vocabulary(tokenizer: str, folder: Path) -> frozenset[str]:
    """
    List the pieces of a tokenizer that begin a word, without their mark and in lower case.

    Raises
    ------
    UserError
        As `ruler`; and when no piece of the vocabulary begins a word.
    """
    path = tokenizer_file(tokenizer, folder)
    if path.suffix in SENTENCEPIECE:
        model = _sentencepiece(path)
        pieces = [model.id_to_piece(number) for number in range(model.vocab_size())]
        words = {piece[1:].lower() for piece in pieces if piece.startswith(WORD)}
    else:
        tokens = _tokenizers(path)
        numbers = tokens.get_vocab()
        words = {piece[1:].lower() for piece in numbers if piece.startswith(WORD)}
        encoded = [[number] for piece, number in numbers.items() if piece.startswith(BLANK)]
        words |= {word.strip().lower() for word in tokens.decode_batch(encoded)}
    if not words - {""}:
        raise UserError(f"tokenizer: no piece of {path} begins a word, so it cannot tell domain words")
    return frozenset(words - {""})


@cache
def _load(path: Path, changed: int) -> Ruler:
    """Load a tokenizer, once for all partitions that a worker measures; again when the file has changed."""
    if path.suffix in SENTENCEPIECE:
        return _of_sentencepiece(_sentencepiece(path))
    tokens = _tokenizers(path)

    def lengths(texts: Sequence[str]) -> list[int]:
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return [
            len(encoding)
            for batch in batches
            for encoding in tokens.encode_batch_fast(list(batch), add_special_tokens=False)
        ]

    def starts(text: str) -> list[int]:
        return [start for start, _ in tokens.encode(text, add_special_tokens=False).offsets]

    framing = len(tokens.encode("").ids) + 1
    return Ruler("tokens", lengths, starts, framing)


def _of_sentencepiece(model: Any) -> Ruler:
    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(model.encode(text)) for text in texts]

    def starts(text: str) -> list[int]:
        return [piece.begin for piece in model.encode(text, return_type="proto").pieces]

    return Ruler("tokens", lengths, starts, framing=2)  # most such models have a token for the beginning


def _sentencepiece(path: Path) -> Any:
    from sentencepiece import SentencePieceProcessor

    try:
        model = SentencePieceProcessor(model_proto=path.read_bytes())
        model.encode("")  # an empty file is loaded without an error
        return model
    except (RuntimeError, OSError) as error:
        raise UserError(f"tokenizer: {path} is not a SentencePiece model: {error}; {ACCEPTED}") from error


def _tokenizers(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            "the option tokenizer needs the package tokenizers, which comes with the extras cpu and gpu; "
            "without it, leave the option out and limit texts by their characters"
        ) from error
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"tokenizer: {path} is not a tokenizer: {error}; {ACCEPTED}") from error
