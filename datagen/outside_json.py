"""Parse JSON that datagen did not write."""

import json
import re
import sys
from collections.abc import Iterator

SPACE = re.compile(r"[\s\x1e]*")
SPACE_OR_COMMA = re.compile(r"[\s,]*")  # between the elements of an array


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


def parse_each(text: str, between: re.Pattern[str] = SPACE) -> Iterator[object]:
    """
    Parse JSON values that follow one another, with or without space `between` them.

    Raises
    ------
    ValueError
        After the last value before a place that is not JSON.
    """
    decoder, at = json.JSONDecoder(parse_int=_integer), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            yield value
            at = between.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere
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
