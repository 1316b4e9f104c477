"""Parse JSON that datagen did not write."""

import json


def parse(text: str | bytes) -> object:
    """
    Parse JSON.

    Raises
    ------
    ValueError
        If it is not JSON or not UTF-8, has a number of thousands of digits, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
