"""Mistakes in a recipe, told with file, line, key and fix, one line a mistake."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from datagen.errors import UserError
from datagen.redaction import MASK, mask_settings

Mistake = tuple[tuple[Any, ...], str]  # where, as a path of keys, and what


class RecipeError(UserError):
    """A recipe that cannot be run: what is wrong, where, and how to mend it."""


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
        node = yaml.compose(text)
        data = yaml.safe_load(text)
    except FileNotFoundError:
        raise RecipeError(f"there is no recipe {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise RecipeError(f"{where}: not YAML: {error.problem or error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a recipe is a mapping with {keys}; see examples/")
    return node, data


def mistaken(path: Path, node: yaml.Node | None, mistakes: Iterable[Mistake]) -> RecipeError:
    """Say what is wrong with a recipe, one line a mistake."""
    lines = [f"{path}:{line_of(node, at)}: {'.'.join(map(str, at))}: {what}" for at, what in mistakes]
    return RecipeError("\n".join(lines))


def location(error: ErrorDetails) -> tuple[Any, ...]:
    """Where the mistake is, in the user's words: without the tags that tell a union's members apart."""
    tags = {"vllm", "openai", "scripted", "function-after", "function-before"}
    return tuple(part for part in error["loc"] if part not in tags and not str(part).startswith("literal["))


def explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong with a key of a model and how to mend it."""
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
    found = (
        MASK if key == "api_key_env" else mask_settings(error["input"])
    )  # a key may stand there by mistake
    return f"{error['msg'].removeprefix('Value error, ')} (found {found!r})"


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
