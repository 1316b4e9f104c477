"""
Count the tokens of many texts.

The pre-tokenizers of byte-level BPE begin a new part at every blank between two other characters, and encode
each part on its own. So a text has as many tokens as its words, each with the blank before it, and each
distinct word is encoded once for all texts, in a third of the time.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:  # its import takes time
    from tokenizers import Tokenizer

Counts = npt.NDArray[np.int64]

BLANK = ord(" ")
VISIBLE = np.zeros(256, bool)
VISIBLE[33:127] = True  # ASCII that no pattern counts as white space
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


def _sees_blanks(token: dict[str, Any]) -> bool:
    return " " in token["content"] or token["lstrip"] or token["rstrip"] or token["single_word"]


def count_by_word(texts: Sequence[str], tokenizer: "Tokenizer") -> Counts:
    """Count the tokens of texts, without those that a tokenizer adds; it must be one that `is_by_word`."""
    column = pa.array(texts, pa.large_string())
    ends = np.frombuffer(column.buffers()[1], np.int64)[: len(column) + 1]
    letters = np.frombuffer(column.buffers()[2] or b"", np.uint8)[: ends[-1]]
    visible = VISIBLE[letters]
    between = (letters[1:-1] == BLANK) & visible[:-2] & visible[2:]
    starts = np.unique(np.concatenate([ends, np.flatnonzero(between) + 1]))
    pieces = pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), column.buffers()[2])
    distinct = pieces.dictionary_encode()
    encoded = tokenizer.encode_batch_fast(distinct.dictionary.to_pylist(), add_special_tokens=False)
    counts = np.array([len(tokens) for tokens in encoded], np.int64)
    sums = np.concatenate([[0], np.cumsum(counts[distinct.indices.to_numpy()])])
    result: Counts = np.diff(sums[np.searchsorted(starts, ends)])
    return result
