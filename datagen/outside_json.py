"""Parse JSON that datagen did not write."""

import json
import sys


def parse(text: str | bytes) -> object:
    """
    Parse JSON. An integer with more digits than Python converts is returned as text.

    Raises
    ------
    ValueError
        If it is not JSON or not UTF-8, or is nested too deeply.
    """
    try:
        return _loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _loads(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # of a long integer
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.get_int_max_str_digits() else digits
