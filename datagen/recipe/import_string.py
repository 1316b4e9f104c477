"""Import strings in a recipe: ``package.module:name`` or ``./file.py:name``."""

import importlib
import importlib.util
from functools import cache
from pathlib import Path

from datagen.errors import UserError


@cache
def load(use: str, folder: Path, what: str = "") -> object:
    """
    Import an object; files are relative to `folder`. `what` describes the object in error messages.

    Raises
    ------
    UserError
        If it cannot be imported.
    """
    module, _, name = use.partition(":")
    try:
        loaded = load_file(folder / module) if module.endswith(".py") else importlib.import_module(module)
        named: object = getattr(loaded, name)
    except (ImportError, FileNotFoundError, AttributeError, ValueError) as error:
        raise UserError(f"{what} {use!r} cannot be loaded: {error}".lstrip()) from error
    return named


def load_file(path: Path) -> object:
    """Run a Python file outside any package, and return it as a module."""
    spec = importlib.util.spec_from_file_location(f"datagen_recipe_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
