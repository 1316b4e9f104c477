"""Errors in a recipe, reported with file, line, key and fix, one line per error."""

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from datagen.errors import UserError, hint, similar
from datagen.json_types import JsonObject
from datagen.paths import regular
from datagen.redaction import MASK, mask_settings
from datagen.yaml_loader import FILE, Loader, check_shape

MAX_ALIASES = 100
MAX_SHOWN = 120  # characters of an invalid value shown in a message
MAX_MISTAKES = 20  # errors shown; finding the line of one takes time linear in the recipe
VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")

LONGEST = 1_000_000  # bytes of a recipe; Python's parser takes up to 10 seconds for them

# Error type of pydantic -> expected value in the terms of YAML.
EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "a string; put it in quotes", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "dataclass_type": "a mapping",
    "tuple_type": "a list", "set_type": "a list", "path_type": "a path", "none_required": "nothing",
}  # fmt: skip
BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}

EXAMPLES = {("corpus", 0): "- path: documents", ("stages",): "ingest:"}
MAPPINGS = {kind for kind, expected in EXPECTED.items() if expected == "a mapping"}

Where: TypeAlias = tuple[int | str, ...]  # path of keys
Mistake = tuple[Where, str]  # path of keys, and message


class RecipeError(UserError):
    """A recipe is invalid. The message has the location of each error, and its fix."""


def read_yaml(path: Path, keys: str) -> tuple[yaml.Node | None, JsonObject]:
    """
    Read a recipe's file: its YAML nodes, which have line numbers, and its content.

    Raises
    ------
    RecipeError
        If it cannot be read, is not YAML, or is not a mapping. ``keys`` names its required keys.
    """
    try:
        text = _text_of(path)
        check_shape(text, Loader, **FILE)  # first, as it stops at the limit: deep nesting is slow to parse
        _check_aliases(path, text)
        node = yaml.compose(text, Loader=Loader)
        data = yaml.load(text, Loader)
    except FileNotFoundError:
        raise RecipeError(f"there is no recipe {path}") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder; name a recipe, which is a YAML file") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise RecipeError(f"{where}: not YAML: {error.problem or error}{_quotes(text, mark)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # control characters, 2024-02-30, too deep
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: invalid YAML: {reason}") from error
    if not isinstance(data, dict) or node is None:
        raise RecipeError(f"{path}: a recipe is a mapping with {keys}; see examples/")
    if repeated := list(_duplicate_keys(node)):
        raise mistaken(path, node, repeated)
    missing: list[Mistake] = []
    expanded = {key: _expanded(part, (key,), missing) for key, part in data.items()}
    if missing:
        raise mistaken(path, node, missing)
    return node, expanded


def _text_of(path: Path) -> str:
    """Read a recipe, which may be in UTF-16 with a mark, as YAML allows and Windows' shells write it."""
    with regular(path).open("rb") as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise RecipeError(f"{path} is not a recipe: it has over {LONGEST:,} bytes")
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{path}:{line}: it is not {encoding.upper()} text; save it as UTF-8") from None


def _quotes(text: str, mark: yaml.Mark | None) -> str:
    """Advise to quote an environment variable in a line that is not YAML: `{` starts a mapping there."""
    lines = text.splitlines()[mark.line :] if mark else []  # empty if the mark is at the end of the file
    variable = VARIABLE.search(lines[0]) if lines else None
    return f'; put quotes around a variable: "{variable[0]}"' if variable else ""


def _check_aliases(path: Path, text: str) -> None:
    """Limit the number of aliases, which could exhaust memory."""
    aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=Loader))
    if aliases > MAX_ALIASES:
        raise RecipeError(
            f"{path}: {aliases} YAML aliases, at most {MAX_ALIASES} are allowed; write out the values"
        )


def _duplicate_keys(node: yaml.Node, where: Where = (), ancestors: tuple[int, ...] = ()) -> Iterator[Mistake]:
    """Find keys that occur twice in one mapping, of which YAML silently uses the last."""
    if id(node) in ancestors:
        return
    ancestors = (*ancestors, id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                text = f"the key appears twice, in lines {lines[key.value]} and {line}; remove one"
                yield (*where, key.value), text
            lines[key.value] = line
            yield from _duplicate_keys(value, (*where, key.value), ancestors)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _duplicate_keys(value, (*where, index), ancestors)


def _expanded(value: object, where: Where, missing: list[Mistake]) -> object:
    """Substitute environment variables for ``${NAME}`` and ``${NAME:-default}`` in strings."""

    def variable(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if (setting := os.environ.get(name, default)) is None:
            advice = similar(name, os.environ) or f"set it, or write ${{{name}:-…}}"
            missing.append((where, f"the environment variable {name} is not set; {advice}"))
        return setting or ""

    if isinstance(value, str):
        return VARIABLE.sub(variable, value)
    if isinstance(value, dict):
        return {key: _expanded(part, (*where, key), missing) for key, part in value.items()}
    if isinstance(value, list):
        return [_expanded(part, (*where, index), missing) for index, part in enumerate(value)]
    return value


def mistaken(path: Path, node: yaml.Node | None, mistakes: Iterable[Mistake]) -> RecipeError:
    """Build an error with one line for each of the first mistakes, in the order of the file."""
    all_mistakes = list(mistakes)
    shown = all_mistakes[:MAX_MISTAKES]
    located = sorted((line_of(node, at), ".".join(map(str, at)), what) for at, what in shown)
    lines = [f"{path}:{line}: {where}: {what}" for line, where, what in located]
    if more := len(all_mistakes) - len(shown):
        lines.append(f"{path}: {more:,} more errors are not shown")
    return RecipeError("\n".join(lines))


def mistakes_in(
    error: ValidationError, model: type[BaseModel], data: object, at: Where = ()
) -> list[Mistake]:
    """
    Describe the errors of a validation.

    Parameters
    ----------
    error
        The errors. Where a value may be of several types, pydantic reports one error per type.
    model
        The model that the data should match.
    data, at
        The data, and the path of keys to it.

    Returns
    -------
    The mistakes, without those about other types than the one that the value has.
    """
    mistakes = [(_location(part, data), part["type"], _explain(part, model)) for part in error.errors()]
    places = Counter(where for where, _, _ in mistakes)
    inner = {place[:depth] for place in places for depth in range(len(place))}
    return [
        ((*at, *where), what)
        for where, kind, what in mistakes
        if where not in inner and not (kind in MAPPINGS and places[where] > 1)
    ]


def _location(error: ErrorDetails, data: object) -> Where:
    """Return the path of keys of an error, without the names of types that pydantic adds to it."""
    where: list[int | str] = []
    for key in error["loc"]:
        parts = dict(enumerate(data)) if isinstance(data, list) else data if isinstance(data, dict) else {}
        if key in parts:
            data = parts[key]
            where.append(key)
    if error["type"] == "union_tag_invalid":  # the value of this key selects the type, such as engine
        where.append(str(error["ctx"]["discriminator"]).strip("'"))
    elif error["type"] in ("missing", "extra_forbidden") and where[-1:] != [error["loc"][-1]]:
        where.append(error["loc"][-1])
    return tuple(where)


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe an error in a key of a model, and how to fix it."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return f"no such key; {hint(key, sorted(set(_keys(model))))}"
    if error["type"] == "missing":
        return "is required; add it"
    value = error["ctx"]["tag"] if error["type"] == "union_tag_invalid" else error["input"]
    # It may contain an API key by mistake.
    shown = MASK if key == "api_key_env" else mask_settings(value)
    return f"{_expectation(error)} (found {_shortened(shown)}){_meant(error, value)}"


def _meant(error: ErrorDetails, value: object) -> str:
    """Ask whether a misspelt choice was meant."""
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags", "")))
    question = similar(value, choices) if isinstance(value, str) else ""
    return f"; {question}" if question else ""


def _expectation(error: ErrorDetails) -> str:
    """Describe the expected value in the terms of YAML."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in EXPECTED:
        place = tuple(0 if isinstance(key, int) else key for key in error["loc"])
        example = f", such as `{EXAMPLES[place]}`" if place in EXAMPLES and kind in MAPPINGS else ""
        return f"should be {EXPECTED[kind]}{example}"
    for bound, words in BOUNDS.items():
        if bound in context and kind.startswith(("greater_than", "less_than")):
            return f"should be {words} {context[bound]}"
    match kind:
        case "literal_error" | "enum":
            return f"should be {context['expected']}"
        case "string_pattern_mismatch":
            return f"should match {context['pattern']}"
        case "too_short" | "string_too_short":
            return f"should have at least {context['min_length']} entries or characters"
        case "too_long" | "string_too_long":
            return f"should have at most {context['max_length']} entries or characters"
        case "union_tag_invalid":
            return f"should be one of {context['expected_tags']}"
    return error["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _shortened(value: object) -> str:
    """Format a value; a date, which YAML reads without quotes, as it is written."""
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """Yield all keys of a model and of its nested models."""
    schema = model.model_json_schema()
    for part in [schema, *schema.get("$defs", {}).values()]:
        yield from part.get("properties", {})


def line_of(node: yaml.Node | None, where: Where) -> int:
    """Return the line of a key in the YAML tree, or of its nearest existing ancestor."""
    line = 1
    for key in where:
        if isinstance(node, yaml.MappingNode):
            matches = [(k, v) for k, v in node.value if k.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            matches = [(node.value[key], node.value[key])]
        else:
            break
        if not matches:
            break
        line, node = matches[0][0].start_mark.line + 1, matches[0][1]
    return line
