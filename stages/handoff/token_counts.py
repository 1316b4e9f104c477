"""
Count the tokens of many texts.

The pre-tokenizers of byte-level BPE begin a new part at every blank between two other characters, and encode
each part on its own. So a text has as many tokens as its pieces (`datagen.stages.shared.language.pieces`),
and each distinct one is encoded once for all texts, in a third of the time.
"""

import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from datagen.json_types import JsonObject
from datagen.stages.shared.language.pieces import Counts, sum_over_pieces

if TYPE_CHECKING:  # its import takes time
    from tokenizers import Tokenizer

KEPT, SHORT = 200_000, 40  # pieces whose tokens are remembered, in 25 MB, and their characters
# The patterns of GPT-2 (built into `ByteLevel`), of Llama 3, and of Qwen 2 to 3.
WORD_OF_GPT_2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORD_OF_OTHERS = [
    [
        {
            "type": "Split",
            "pattern": {"Regex": f"{CONTRACTION}{number}{REST}"},
            "behavior": "Isolated",
            "invert": False,
        },
        {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
    ]
    for number in (r"\p{N}{1,3}", r"\p{N}")
]


def is_by_word(tokenizer: "Tokenizer") -> bool:
    """Check whether a tokenizer encodes each word, with the blank before it, on its own."""
    settings = json.loads(tokenizer.to_str())
    parts = settings["pre_tokenizer"] or {}
    parts = parts.get("pretokenizers") or [parts]
    parts = [{name: value for name, value in part.items() if name != "trim_offsets"} for part in parts]
    return (
        (parts == [WORD_OF_GPT_2] or parts in WORD_OF_OTHERS)
        and settings["model"]["type"] == "BPE"
        and not settings["model"].get("dropout")
        and settings["normalizer"] in (None, {"type": "NFC"})
        and settings["truncation"] is None
        and not any(_sees_blanks(token) for token in settings["added_tokens"])
    )


def _sees_blanks(token: JsonObject) -> bool:
    return " " in token["content"] or token["lstrip"] or token["rstrip"] or token["single_word"]


class WordCounter:
    """
    Counts the tokens of texts, without those that a tokenizer adds.

    Parameters
    ----------
    tokenizer
        A tokenizer that `is_by_word`.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, int] = {}  # tokens of the pieces of earlier texts

    def count(self, texts: Sequence[str]) -> Counts:
        """Return the number of tokens of each text."""
        return sum_over_pieces(pa.array(texts, pa.large_string()), self._of_pieces)

    def _of_pieces(self, pieces: pa.Array) -> Counts:
        texts = pieces.to_pylist()
        new = [text for text in texts if text not in self._known]
        encoded = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        counted = dict(zip(new, map(len, encoded), strict=True))
        counts = (counted[text] if text in counted else self._known[text] for text in texts)
        result = np.fromiter(counts, np.int64, len(texts))
        short = {text: count for text, count in counted.items() if len(text) <= SHORT}
        if len(self._known) + len(short) > KEPT:
            self._known.clear()
        self._known |= islice(short.items(), KEPT)
        return result
