"""Keys of a recipe set on the command line: ``stages.chunk.max_chars=800``."""

import json
from collections.abc import Sequence

import yaml

from datagen.errors import UserError
from datagen.yaml_loader import Loader


def overrides_of(pairs: Sequence[str]) -> dict[str, object]:
    """
    Parse ``KEY=VALUE`` pairs; values are YAML.

    Raises
    ------
    UserError
        If a pair has no equals sign, or its value is not YAML.
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write it as KEY=VALUE")
        try:
            overrides[key] = yaml.load(value, Loader)
            json.dumps(overrides[key], default=str)  # rejects a value that contains itself
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            why = getattr(error, "problem", None) or "it cannot be read"
            raise UserError(
                f"--set {pair}: the value is not YAML: {why}. Quote strings inside the shell's quotes"
            ) from None
    return overrides
