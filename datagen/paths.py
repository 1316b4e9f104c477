"""Paths that a user wrote."""

import os
from pathlib import Path


def expanded(path: str) -> Path:
    """Expand a leading ``~``, unless the user is unknown."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError)
