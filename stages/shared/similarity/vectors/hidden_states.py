"""
Vectors from a checkpoint: its last hidden states, pooled over the tokens of a text.

A sentence encoder defines its pooling (`datagen.stages.shared.similarity.vectors.encoder`). The hidden states
of other language models share a dominant direction, so their mean over a sample of all texts is subtracted
(the first step of Mu and Viswanath, All-but-the-Top, arXiv 1702.01417).

Texts are processed in batches of similar length. The composition of a batch changes the last bits of a state;
the grid of `datagen.stages.shared.similarity.vectors` hides this for nearly all coordinates, but not for all.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.schema import fraction
from datagen.stages.shared.load_once import load_once
from datagen.stages.shared.similarity.vectors import encoder

if TYPE_CHECKING:  # its import takes seconds
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = 512  # maximum tokens of a text that are read
BATCH = 8192  # tokens per batch, including padding
SAMPLE = 64  # maximum texts per partition for the mean

Means = npt.NDArray[np.float64]


def add_up(texts: pa.Array | pa.ChunkedArray, folder: str) -> Means:
    """Sum the vectors of some texts of a partition, drawn by hash; the last entry is their number."""
    drawn = sorted({text for text in texts.to_pylist() if text}, key=lambda text: fraction("middle", text))
    vectors = _pooled(drawn[:SAMPLE], folder)
    return np.append(vectors.sum(axis=0), len(vectors))


def middle(sums: Sequence[Means]) -> npt.NDArray[np.float32]:
    """Compute the mean vector from the sums of all partitions (`add_up`)."""
    total = np.sum(sums, axis=0)
    result: npt.NDArray[np.float32] = (total[:-1] / max(total[-1], 1)).astype(np.float32)
    return result


def middle_of_encoder(folder: str) -> npt.NDArray[np.float32] | None:
    """Return the mean to subtract from an encoder's vectors: zeros; None for other checkpoints."""
    if encoder.read(Path(folder), TOKENS) is None:
        return None
    width = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    return np.zeros(int(width), np.float32)


def embed(
    texts: pa.Array | pa.ChunkedArray, mean: npt.NDArray[np.float32], folder: str
) -> npt.NDArray[np.float64]:
    """
    Compute the pooled state of each text, minus the mean of all texts.

    Parameters
    ----------
    texts
        A column. The first `TOKENS` tokens of each text are read; an empty text gives zeros.
    mean
        The mean vector (`middle`).
    folder
        The checkpoint, in the format of transformers.

    Returns
    -------
    One row per text, as wide as the model, not normalised.
    """
    column = [text or "" for text in texts.to_pylist()]
    filled = np.array([bool(text.strip()) for text in column], bool)
    distinct = sorted({text for text, is_filled in zip(column, filled, strict=True) if is_filled})
    place = {text: number for number, text in enumerate(distinct)}
    vectors = np.zeros((len(column), len(mean)))
    vectors[filled] = (_pooled(distinct, folder) - mean)[[place[text] for text in column if text.strip()]]
    return vectors


def _pooled(texts: Sequence[str], folder: str) -> npt.NDArray[np.float64]:
    """Pool the last hidden states of each text."""
    import torch

    tokenizer, model = _load(folder)
    vectors = np.zeros((len(texts), model.config.hidden_size))
    if not texts:
        return vectors
    settings = encoder.read(Path(folder), TOKENS) or encoder.Encoder("mean", TOKENS)
    tokens = tokenizer(list(texts), truncation=True, max_length=settings.tokens)["input_ids"]
    order = sorted(range(len(texts)), key=lambda text: len(tokens[text]), reverse=True)
    while order:
        size = max(BATCH // max(len(tokens[order[0]]), 1), 1)
        batch, order = order[:size], order[size:]
        padded = tokenizer.pad({"input_ids": [tokens[text] for text in batch]}, return_tensors="pt")
        inputs = {name: padded[name].to(model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        vectors[batch] = (states[:, 0] if settings.pooling == "cls" else mean).cpu().numpy()
    return vectors


@load_once
def _load(folder: str) -> tuple["PreTrainedTokenizerBase", "PreTrainedModel"]:
    """Load tokenizer and model from local files, onto a GPU if there is one."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = "right"
    model = AutoModel.from_pretrained(folder, local_files_only=True)
    return tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
