"""Mistakes in a recipe, reported with file, line, key and fix, one line per mistake."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from datagen.errors import UserError
from datagen.redaction import MASK, mask_settings
from datagen.yaml_loader import FILE, Loader, check_shape

MAX_ALIASES = 100
LONGEST_VALUE = 120  # characters of a wrong value that a message shows
VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")

# What pydantic calls a type -> what a reader of YAML calls it.
EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "a text; put it in quotes", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "dataclass_type": "a mapping",
    "tuple_type": "a list", "set_type": "a list", "path_type": "a path", "none_required": "nothing",
}  # fmt: skip
BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}

Mistake = tuple[tuple[Any, ...], str]  # where, as a path of keys, and what


class RecipeError(UserError):
    """A recipe that cannot be run: what is wrong, where, and how to fix it."""


def read_yaml(path: Path, keys: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    """
    Read a recipe's file: its nodes, which know their lines, and what they say.

    Raises
    ------
    RecipeError
        When it cannot be read, is not YAML, or is no mapping; ``keys`` says what it should hold.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_aliases(path, text)
        check_shape(text, Loader, **FILE)
        node = yaml.compose(text, Loader=Loader)
        data = yaml.load(text, Loader)
    except FileNotFoundError:
        raise RecipeError(f"there is no recipe {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise RecipeError(f"{where}: not YAML: {error.problem or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # control characters, 2024-02-30, too deep
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: not YAML that can be read: {reason}") from error
    if not isinstance(data, dict) or node is None:
        raise RecipeError(f"{path}: a recipe is a mapping with {keys}; see examples/")
    if repeated := list(_repeated(node)):
        raise mistaken(path, node, repeated)
    missing: list[Mistake] = []
    data = _expanded(data, (), missing)
    if missing:
        raise mistaken(path, node, missing)
    return node, data


def _refuse_aliases(path: Path, text: str) -> None:
    """Aliases are allowed, but not in numbers that could only be an attack on memory."""
    aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=Loader))
    if aliases > MAX_ALIASES:
        raise RecipeError(
            f"{path}: {aliases} YAML aliases, at most {MAX_ALIASES} are read; write the values out"
        )


def _repeated(node: yaml.Node, where: tuple[Any, ...] = (), above: tuple[int, ...] = ()) -> Iterator[Mistake]:
    """Find keys that stand twice in one mapping: YAML would silently take the last."""
    if id(node) in above:
        return
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                text = f"the key appears twice, in lines {lines[key.value]} and {line}; remove one"
                yield (*where, key.value), text
            lines[key.value] = line
            yield from _repeated(value, (*where, key.value), above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*where, index), above)


def _expanded(value: Any, where: tuple[Any, ...], missing: list[Mistake]) -> Any:
    """Put environment variables in the place of ``${NAME}`` and ``${NAME:-default}`` in string values."""

    def variable(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if (given := os.environ.get(name, default)) is None:
            missing.append(
                (where, f"the environment variable {name} is not set; set it, or write ${{{name}:-…}}")
            )
        return given or ""

    if isinstance(value, str):
        return VARIABLE.sub(variable, value)
    if isinstance(value, dict):
        return {key: _expanded(part, (*where, key), missing) for key, part in value.items()}
    if isinstance(value, list):
        return [_expanded(part, (*where, index), missing) for index, part in enumerate(value)]
    return value


def mistaken(path: Path, node: yaml.Node | None, mistakes: Iterable[Mistake]) -> RecipeError:
    """Say what is wrong with a recipe, one line a mistake."""
    lines = [f"{path}:{line_of(node, at)}: {'.'.join(map(str, at))}: {what}" for at, what in mistakes]
    return RecipeError("\n".join(lines))


def location(error: ErrorDetails) -> tuple[Any, ...]:
    """Where the mistake is, in the user's words: without the tags that tell a union's members apart."""
    tags = {"vllm", "openai", "scripted", "function-after", "function-before"}
    return tuple(part for part in error["loc"] if part not in tags and not str(part).startswith("literal["))


def explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe what is wrong with a key of a model and how to fix it."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = sorted(set(_keys(model)))
        close = difflib.get_close_matches(key, known, n=1)
        return (
            f"no such key; did you mean {close[0]}?"
            if close
            else f"no such key; there are {', '.join(known)}"
        )
    if error["type"] == "missing":
        return "is required and not there; add it"
    # A key may be written there by mistake.
    value = MASK if key == "api_key_env" else mask_settings(error["input"])
    return f"{_expectation(error)} (found {_shortened(value)})"


def _expectation(error: ErrorDetails) -> str:
    """Say what a value should be, in the words of somebody who writes YAML."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in EXPECTED:
        return f"should be {EXPECTED[kind]}"
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
            return (
                f"{str(context['discriminator']).strip(chr(39))} should be one of {context['expected_tags']}"
            )
    return error["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """All keys that a model and the models below it know."""
    schema = model.model_json_schema()
    for part in [schema, *schema.get("$defs", {}).values()]:
        yield from part.get("properties", {})


def line_of(node: yaml.Node | None, where: tuple[Any, ...]) -> int:
    """Find the line of a key in the YAML tree; of the nearest key above it that is there."""
    line = 1
    for key in where:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = [(node.value[key], node.value[key])]
        else:
            break
        if not found:
            break
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line
