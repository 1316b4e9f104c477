"""JSON that datagen did not write."""

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """
    Parse JSON.

    Raises
    ------
    ValueError
        Whatever is wrong with it: not JSON, not UTF-8, a number of thousands of digits, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
