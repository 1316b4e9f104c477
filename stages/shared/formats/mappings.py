"""JSON and YAML: one object with text keys, whose values are scalars or lists of scalars."""

import json
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import ClassVar, NoReturn, TypeVar

import yaml

from datagen.stages.shared.formats.parsed import NotTheFormat, Parsed
from datagen.yaml_loader import Loader

LEVELS = 2  # a mapping and its lists

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def json_object(text: str) -> Parsed:
    """Parse a JSON object. Repeated keys and NaN are errors, although Python's parser accepts both."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except NotTheFormat:
        raise
    except ValueError as error:
        raise NotTheFormat(str(error)) from None
    return _flat(value)


def yaml_mapping(text: str) -> Parsed:
    """Parse a YAML mapping. Aliases, tags, comments, several documents and repeated keys are errors."""
    try:
        _check_events(text)
        return _flat(yaml.load(text, Loader=_Strict))
    except NotTheFormat:
        raise
    except yaml.YAMLError as error:
        raise NotTheFormat(" ".join(str(error).split())) from None
    except (ValueError, TypeError, OverflowError) as error:  # a date such as 2024-13-45, a very long integer
        raise NotTheFormat(str(error)) from None


def _check_events(text: str) -> None:
    """Reject aliases, tags and comments, which hide or multiply text, and nesting, which is slow to parse."""
    outside, end, level = "", 0, 0
    for event in yaml.parse(text, yaml.SafeLoader):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > LEVELS:
            raise NotTheFormat("a nested value")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NotTheFormat("an alias")
        if getattr(event, "tag", None):
            raise NotTheFormat("a tag")
        if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark:
            outside += text[end : event.start_mark.index]
            end = event.end_mark.index
    if "#" in outside + text[end:]:
        raise NotTheFormat("a comment")


class _Strict(Loader):
    """Rejects repeated keys; integers may be of any length, such as account numbers."""

    yaml_constructors: ClassVar = Loader.yaml_constructors | {
        "tag:yaml.org,2002:int": yaml.SafeLoader.construct_yaml_int
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        pairs = [(self.construct_object(key, deep=True), key) for key, _ in node.value]
        _unique(pairs)
        return super().construct_mapping(node, deep)


def _unique(pairs: Iterable[tuple[K, V]]) -> dict[K, V]:
    mapping: dict[K, V] = {}
    for key, value in pairs:
        if key in mapping:
            raise NotTheFormat(f"the key {key!r} twice")
        mapping[key] = value
    return mapping


def _no_constant(name: str) -> NoReturn:
    raise NotTheFormat(f"{name} is not JSON")


def _flat(value: object) -> Parsed:
    if not isinstance(value, Mapping) or not value:
        raise NotTheFormat("not an object with keys")
    if not all(isinstance(key, str) and key.strip() for key in value):
        raise NotTheFormat("a key that is not text")
    return Parsed(tuple(value), (tuple(_text(item) for item in value.values()),))


def _text(value: object) -> str:
    if isinstance(value, list):
        if any(isinstance(item, list | Mapping) for item in value):
            raise NotTheFormat("a nested list or object")
        return "\n".join(map(_text, value))
    if isinstance(value, Mapping):
        raise NotTheFormat("a nested object")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotTheFormat(f"{value} is not a number")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
