"""
Prompts are YAML files in ``prompts/``, one file per prompt.

A file holds two Jinja templates, ``system`` and ``user``, and any other fields that its stage needs. The
hash of the file is part of the lineage of every row. Inserted values are data, never instructions: templates
put them between ``~~~`` fences, and strings that could end a fence or a chat turn are broken up
(`datagen.control_tokens.defuse`). Templates run in a sandbox (`datagen.sandbox`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from datagen.control_tokens import defuse
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.request import Message, Request, Sampling
from datagen.schema import content_id
from datagen.template import compiled, render
from datagen.yaml_loader import FastLoader
from datagen.yaml_loader import load as load_yaml

# A prompt in a recipe: the path of a prompt file without extension, or the fields of such a file.
PromptSource: TypeAlias = str | JsonObject

ROLES = ("system", "user")

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True)
class Prompt:
    """A prompt file: its name, the hash of its content, and its fields."""

    name: str
    hash: str
    fields: JsonObject

    def render(self, **values: object) -> list[Message]:
        """
        Fill the templates and return the messages.

        Raises
        ------
        UserError
            If a template is invalid, uses an undefined value, or breaks the sandbox's rules.
        """
        messages = []
        for role in ROLES:
            if template := self.fields.get(role):
                where = f"prompts/{self.name}.yaml: {role}"
                content = render(compiled(template, where, finalize=defuse), where, values).strip()
                messages.append({"role": role, "content": content})
        return messages

    def checked(self, shape: type[Shape], advice: str) -> Shape:
        """
        Validate the fields against a Pydantic model.

        Raises
        ------
        UserError
            If they are invalid: names the file, the field, and what to do (`advice`).
        """
        try:
            return shape.model_validate(self.fields)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            where = ".".join(map(str, wrong["loc"]))
            raise UserError(f"prompts/{self.name}.yaml: {where}: {wrong['msg']}; {advice}") from error

    def ask(
        self,
        row: str,
        *,
        task: str,
        sampling: Sampling | None = None,
        schema: type[BaseModel] | None = None,
        choices: tuple[str, ...] = (),
        sample: int = 0,
        about: str = "",
        **values: object,
    ) -> Request:
        """Build the request that sends this prompt about a row; `values` fill the templates."""
        return Request(
            row=row,
            messages=self.render(**values),
            prompt=self.name,
            prompt_hash=self.hash,
            task=task,
            sampling=sampling or Sampling(),
            schema=_json_schema(schema) if schema else None,
            choices=choices,
            sample=sample,
            about=about,
        )


@cache
def _json_schema(schema: type[BaseModel]) -> JsonObject:
    return schema.model_json_schema()  # the slowest step in building a request


@cache
def load(name: str, folder: Path | None = None) -> Prompt:
    """
    Read a prompt by its path without extension, from the recipe's own folder or else the built-in prompts.

    Raises
    ------
    UserError
        If neither contains it, or the file is not a mapping in YAML.
    """
    path = _find(name, folder)
    if path is None:
        own_folder = f"{folder} or in " if folder else ""
        raise UserError(f"there is no prompt {name}.yaml in {own_folder}the built-in prompts")
    try:
        text = path.read_text(encoding="utf-8")
        fields = load_yaml(text, FastLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise UserError(f"{path}: a prompt file is a mapping of names to templates and settings")
    if wrong := next((role for role in ROLES if not isinstance(fields.get(role) or "", str)), None):
        raise UserError(f"{path}: {wrong}: should be text")
    return Prompt(name, content_id(text)[:16], fields)


def inline(name: str, fields: Mapping[str, object]) -> Prompt:
    """
    Create a prompt from its fields, as written in a recipe.

    Raises
    ------
    UserError
        If it has no template ``user``, or a template is not a string.
    """
    if not all(isinstance(fields.get(role, ""), str) for role in ROLES) or not fields.get("user"):
        raise UserError(f"{name}: a prompt in the recipe needs a string user:, and may have a string system:")
    return Prompt(name, content_id(json.dumps(fields, sort_keys=True, default=str))[:16], dict(fields))


def exists(name: str, folder: Path | None = None) -> bool:
    """Check whether the recipe's own or the built-in prompts contain this name."""
    return _find(name, folder) is not None


def names_in(path: str, folder: Path | None = None) -> list[str]:
    """List the names in a folder below the recipe's own and the built-in prompts, such as profiles."""
    places = [place.joinpath(path) for place in (folder, resources.files("datagen.prompts")) if place]
    files = [file.name for place in places if place.is_dir() for file in place.iterdir()]
    return sorted({name.removesuffix(".yaml") for name in files if name.endswith(".yaml")})


def _find(name: str, folder: Path | None) -> Traversable | None:
    places = [folder] if folder else []
    paths = (place.joinpath(f"{name}.yaml") for place in [*places, resources.files("datagen.prompts")])
    return next((path for path in paths if path.is_file()), None)
