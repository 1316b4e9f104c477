"""Convert a document's metadata to plain JSON values."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, time

LEVELS = 32  # of lists and mappings within one another
INTEGERS = range(-(2**63), 2**64)  # those that JSON readers support


def written(metadata: Mapping[str, object]) -> str:
    """Serialise metadata as a JSON object (`plain`)."""
    return json.dumps(plain(metadata), ensure_ascii=False)


def plain(metadata: Mapping[str, object]) -> dict[str, object]:
    """
    Convert metadata to JSON values: dates in ISO 8601, bytes as text, any other value as a string.

    NaN and infinities become null, keys strings, integers beyond 64 bits hexadecimal strings. Values nested
    deeper than `LEVELS` are omitted.
    """
    return {_key(key): _plain(part, 1) for key, part in metadata.items()}


def _plain(value: object, level: int) -> object:
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value in INTEGERS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        if level == LEVELS:
            return None
        return {_key(key): _plain(part, level + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return None if level == LEVELS else [_plain(part, level + 1) for part in value]
    if isinstance(value, set | frozenset):
        return (
            None if level == LEVELS else sorted((_plain(part, level + 1) for part in value), key=json.dumps)
        )
    return _word(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(_plain(key, LEVELS))


def _word(value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(data).decode()
    return str(value)
