"""Keys of a recipe that are set on the command line: ``stages.chunk.max_chars=800``."""

import json
from collections.abc import Sequence
from typing import Any

import yaml

from datagen.errors import UserError
from datagen.yaml_loader import Loader


def overrides_of(pairs: Sequence[str]) -> dict[str, Any]:
    """
    Read ``KEY=VALUE`` pairs, each value as YAML.

    Raises
    ------
    UserError
        When a pair has no equals sign, or its value cannot be read.
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write it as KEY=VALUE")
        try:
            overrides[key] = yaml.load(value, Loader)
            json.dumps(overrides[key], default=str)  # refuses what holds itself
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            why = getattr(error, "problem", None) or "it cannot be read"
            raise UserError(
                f"--set {pair}: the value is not YAML: {why}. Put a text in quotes, inside the shell's own"
            ) from None
    return overrides
