"""Detect rows with a chat control token, which a tokenizer would read as the end of a turn."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TEXTS = ("question", "context", "answer", "rejected", "text")  # in addition to the prompt's messages


def control_tokens_in(rows: pa.Table, tokens: re.Pattern[str]) -> pa.Array:
    """Return the context of each example's first control token; null if it has none."""
    contexts: list[str | None] = [None] * len(rows)
    for texts, of in _texts(rows):
        hits = pc.fill_null(pc.match_substring_regex(texts, tokens.pattern), False)
        for place in np.flatnonzero(hits.to_numpy(zero_copy_only=False)):
            row = int(of[place])
            contexts[row] = contexts[row] or _around(tokens, texts[int(place)].as_py())
    return pa.array(contexts, pa.string())


def _texts(rows: pa.Table) -> list[tuple[pa.Array, np.ndarray]]:
    """List columns of text, each with the row indices of its texts."""
    own = np.arange(len(rows))
    columns = [(_joined(rows[name]), own) for name in TEXTS if name in rows.column_names]
    if "prompt" in rows.column_names:
        prompts = _joined(rows["prompt"])
        contents = pc.struct_field(pc.list_flatten(prompts), "content")
        columns.append((contents, pc.list_parent_indices(prompts).to_numpy()))
    return columns


def _joined(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _around(tokens: re.Pattern[str], text: str) -> str:
    match = tokens.search(text)
    return text[max(0, match.start() - 40) : match.end() + 40] if match else text[:80]
