"""
Read the header of a Markdown file: YAML between two lines of ``---``, or TOML between two of ``+++``.

A line of ``...`` may end YAML, too.

Its author is not trusted: a header that is too long, too deep, or expands with its aliases is not read, and a
value that is invalid for its type (``date: 2024-02-30``) is read as text.
"""

import re
import tomllib
from collections.abc import Callable
from typing import TypeAlias

import yaml

from datagen.request import Reject
from datagen.yaml_loader import UnsafeShape, check_shape

LONGEST = 64_000  # maximum characters, with aliases expanded
NODES = 10_000  # maximum values, with aliases expanded
LEVELS = 32
LONGEST_REASON = 300  # characters
Build: TypeAlias = "Callable[[_Loader, yaml.Node], object]"
YAML_END = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
TOML_END = re.compile(r"^\+\+\+[ \t]*(?:\n|\Z)", re.MULTILINE)
FIELD = re.compile(r"^([A-Za-z][\w .-]{0,60}):(?:\s+(.*))?$")


class _Loader(yaml.CSafeLoader):
    """Reads a scalar that is invalid for its type as text."""


def _or_text(build: Build) -> Build:
    def built(loader: _Loader, node: yaml.Node) -> object:
        try:
            return build(loader, node)
        except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError, LookupError):
            return node.value if isinstance(node, yaml.ScalarNode) else None

    return built


for _tag in ("timestamp", "int", "float", "bool", "binary", "null"):
    _build = getattr(yaml.CSafeLoader, f"construct_yaml_{_tag}")
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _or_text(_build))


def split_front_matter(text: str) -> tuple[str, dict[str, object]]:
    r"""
    Split off the header of a text whose lines end with \n.

    Returns
    -------
    text, fields
        The text below the header; the whole text and no fields if it has none. The field ``front_matter``
        states why a header was not read.
    """
    for mark, close, read in (("---", YAML_END, _yaml), ("+++", TOML_END, _toml)):
        if not text.startswith(f"{mark}\n"):
            continue
        if not (end := close.search(text, 4, 5 + LONGEST)):
            continue
        header, below = text[4 : end.start()], text[end.end() :].strip("\n")
        try:
            fields = read(header)
        except Reject as why:
            return below, {"front_matter": f"{why.reason}: {why.detail}"}
        except (yaml.YAMLError, ValueError, RecursionError, TypeError):
            fields = _lines(header) or header
        if isinstance(fields, dict | None):
            return below, {str(key): value for key, value in (fields or {}).items()}
    return text, {}


def _yaml(header: str) -> object:
    try:
        check_shape(header, yaml.CSafeLoader, values=NODES, characters=LONGEST, levels=LEVELS)
    except UnsafeShape as error:
        raise Reject("unreadable front matter", f"{error}") from error
    return yaml.load(header, _Loader)


def _toml(header: str) -> object:
    try:
        return tomllib.loads(header)
    except (ValueError, RecursionError) as error:  # +++ always opens a header, so it is not part of the text
        raise Reject("unreadable front matter", f"{error}"[:LONGEST_REASON]) from error


def _lines(header: str) -> dict[str, str] | None:
    """Read invalid YAML such as ``title: Ships: a history`` as names and texts; None if not a header."""
    fields: dict[str, str] = {}
    for line in header.split("\n"):
        if match := FIELD.match(line):
            fields[match[1]] = (match[2] or "").strip().strip("\"'")
        elif line.strip() and not (fields and line[0] in " \t-#"):
            return None
    return fields or None
