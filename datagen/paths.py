"""Paths that a user wrote."""

import os
from pathlib import Path


def expanded(path: str) -> Path:
    """Expand a leading ``~``; the home of an unknown user stays as it is written."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError)
