"""
Measure texts in tokens of the target model, for limits and accounts.

Without a tokenizer, characters are counted, and the account names this unit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.engines import bundled
from datagen.errors import UserError
from datagen.paths import expanded
from datagen.stage import Outcome

if TYPE_CHECKING:  # its import takes time, or it is not installed
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer

BATCH = 500  # texts whose tokens are in memory at once
FILES = ("tokenizer.json", "tokenizer.model")  # of a checkpoint, in order of preference
SENTENCEPIECE = (".model", ".spm")
# The prefix of pieces that start a word: SentencePiece's mark, and a blank in byte-level vocabularies.
WORD, BLANK = "▁", "Ġ"
ACCEPTED = "give bundled, a checkpoint folder, a tokenizer.json, a tokenizer.model or a Hub id"


@dataclass(frozen=True)
class Ruler:
    """
    Measures texts.

    Parameters
    ----------
    unit
        tokens or characters.
    lengths
        Returns the length of each text in that unit.
    starts
        Returns the offsets, in code points, at which the tokens of a text start.
    framing
        Tokens that trainers add to a text: the end token, and those that the tokenizer puts first.
    """

    unit: str
    lengths: Callable[[Sequence[str]], list[int]]
    starts: Callable[[str], Sequence[int]]
    framing: int = 0

    def middle(self, text: str) -> int:
        """Return the offset, in code points, at which the middle token of a text starts."""
        starts = self.starts(text)
        return starts[len(starts) // 2] if starts else 0

    def trained(self, texts: Sequence[str]) -> list[int]:
        """Measure texts as trainers do, with the tokens that they add."""
        return [length + self.framing for length in self.lengths(texts)]

    def fits(self, text: str, longest: int) -> bool:
        """Check whether the length of a text is at most `longest`."""
        # Tokens and characters have at least one byte each, so most texts need not be encoded.
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
    Load the ruler of a tokenizer.

    Parameters
    ----------
    tokenizer
        ``bundled``, a checkpoint folder, a ``tokenizer.json``, a SentencePiece model or a Hub id; "" counts
        characters.
    folder
        The base of relative paths.

    Raises
    ------
    UserError
        If there is no such tokenizer, it cannot be read, or the library that reads it is not installed.
    """
    if not tokenizer:
        return CHARACTERS
    path = tokenizer_file(tokenizer, folder)
    return _load(path, path.stat().st_mtime_ns)


def tokenizer_file(tokenizer: str, folder: Path) -> Path:
    """
    Find the file of a tokenizer: a ``tokenizer.json`` or a SentencePiece model.

    A path takes precedence over a Hub id. Files of the Hub are downloaded once, to its cache.

    Raises
    ------
    UserError
        If there is no such file.
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
        except Exception as error:  # of the HTTP client, which depends on the version of the library
            reason = str(error).strip().partition("\n")[0]
            break
    raise UserError(
        f"tokenizer: there is no folder and no tokenizer on the Hub named {name!r} ({reason}); {ACCEPTED}"
    )


def words_of_vocabulary(tokenizer: str, folder: Path) -> frozenset[str]:
    """
    List the pieces of a tokenizer that start a word, without their prefix and in lower case.

    Raises
    ------
    UserError
        As `ruler`; also if no piece of the vocabulary starts a word.
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
        raise UserError(f"tokenizer: no piece of {path} starts a word, so it cannot identify domain words")
    return frozenset(words - {""})


@cache
def _load(path: Path, changed: int) -> Ruler:
    """Load a tokenizer once per process, and again if the file changes."""
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


def _of_sentencepiece(model: "SentencePieceProcessor") -> Ruler:
    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(model.encode(text)) for text in texts]

    def starts(text: str) -> list[int]:
        return [piece.begin for piece in model.encode(text, return_type="proto").pieces]

    return Ruler("tokens", lengths, starts, framing=2)  # most such models add a token at the start


def _sentencepiece(path: Path) -> "SentencePieceProcessor":
    from sentencepiece import SentencePieceProcessor

    try:
        model = SentencePieceProcessor(model_proto=path.read_bytes())
        model.encode("")  # an empty file is loaded without an error
        return model
    except (RuntimeError, OSError) as error:
        raise UserError(f"tokenizer: {path} is not a SentencePiece model: {error}; {ACCEPTED}") from error


def _tokenizers(path: Path) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            "the option tokenizer needs the package tokenizers, which the extras cpu and gpu install; "
            "without it, remove the option and limit texts by characters"
        ) from error
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower type
        raise UserError(f"tokenizer: {path} is not a tokenizer: {error}; {ACCEPTED}") from error
