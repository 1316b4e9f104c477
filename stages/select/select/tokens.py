"""Tokens of a row, as counted by the tokenizer of the model that will be trained."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.engines.identity import resolve
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.stage import Context, Partitions
from datagen.stages.select.greedy import Numbers
from datagen.stages.shared.load_once import load_once
from datagen.stages.shared.pretrained import PretrainedTokenizer, load_tokenizer
from datagen.stages.shared.similarity.sketch import Reader


def count(partitions: Partitions, model: str, context: Context) -> Numbers:
    """
    Count the tokens of all rows, on all workers.

    For a reading text these are the tokens of the text; for other rows those of the prompt's messages and the
    answers, without the chat template. The tokenizer is that of `model`: ``bundled`` or a folder; "": that of
    the recipe's target.

    Raises
    ------
    UserError
        When the tokenizer is not on this machine.
    """
    spec = VllmModel(model=model) if model else context.models.role("target")
    folder = resolve(spec) if isinstance(spec, VllmModel) else ""
    if not Path(folder or "-").is_dir():
        raise UserError(
            f"{context.stage}.max_tokens: the tokenizer of {spec.model!r} is not on this machine. Set "
            f"{context.stage}.tokenizer to a checkpoint folder or bundled"
        )
    counts = context.each(partial(_count, folder), partitions.readers)
    return np.concatenate([np.empty(0, np.int64), *counts])


def _count(folder: str, reader: Reader) -> Numbers:
    tokenizer = _load(folder)
    rows = reader(["text", "prompt", "answer", "rejected"])
    lengths = np.zeros(len(rows), np.int64)
    for name in ("text", "answer", "rejected"):
        lengths += _tokens(tokenizer, rows[name])
    prompts = rows["prompt"].combine_chunks()
    messages = pc.struct_field(pc.list_flatten(prompts), "content")
    row_of = pc.list_parent_indices(prompts).to_numpy()
    return lengths + np.bincount(row_of, _tokens(tokenizer, messages), minlength=len(rows)).astype(np.int64)


def _tokens(tokenizer: PretrainedTokenizer, texts: pa.Array | pa.ChunkedArray) -> Numbers:
    filled = pc.fill_null(texts, "").to_pylist()
    if not filled:
        return np.zeros(0, np.int64)
    encoded = tokenizer(filled, add_special_tokens=False)["input_ids"]
    return np.array([len(tokens) for tokens in encoded], np.int64)


@load_once
def _load(folder: str) -> PretrainedTokenizer:
    return load_tokenizer(folder, local_files_only=True)
