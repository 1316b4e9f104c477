"""Digests of a stage's dependencies other than its tables: the code, and files named in options."""

import glob
import importlib.util
import os
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import datagen
from datagen.engines.identity import identify
from datagen.errors import UserError
from datagen.paths import expanded
from datagen.recipe.roles import VllmModel
from datagen.schema import content_id
from datagen.store.digests import digest
from datagen.store.parquet import RECORD

SOURCES = (".py", ".yaml", ".j2", ".json")
REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
IMPORTED = re.compile(r"(?P<module>[A-Za-z_][\w.]*|\.{0,2}/.*\.py):[A-Za-z_]\w*")


@cache
def code() -> str:
    """Hash the code of datagen, its stages and prompts, and the versions of its dependencies."""
    root = Path(datagen.__file__).parent
    files = [path for path in _walk(root, links=True) if path.suffix in SOURCES]
    try:
        required = metadata.requires("datagen") or []
    except metadata.PackageNotFoundError:  # run from its sources
        required = []
    wanted = {match[0] for line in required if (match := REQUIREMENT.match(line))}
    versions = [f"{name} {_version(name)}" for name in sorted(wanted)]
    return content_id(platform.python_version(), *versions, *_contents(root, files))


def own_code(place: str, folder: Path) -> str:
    """
    Hash the code of a user's stage.

    Parameters
    ----------
    place
        Its import string: ``package.module:name`` or ``./file.py:name``.
    folder
        The recipe's folder.

    Returns
    -------
    "" for a stage of datagen. Otherwise the hash of the Python files in the file's folder, or in the package.
    """
    module = place.partition(":")[0]
    if module.startswith("datagen."):
        return ""
    if module.endswith(".py"):
        parent = (folder / module).resolve().parent
        return content_id(*_contents(parent, sorted(parent.glob("*.py"))))
    spec = importlib.util.find_spec(module.partition(".")[0])
    roots = [Path(root) for root in spec.submodule_search_locations or ()] if spec else []
    if not roots and spec and spec.origin:
        return digest(Path(spec.origin))
    files = [(root, [path for path in _walk(root) if path.suffix == ".py"]) for root in roots]
    return content_id(*(text for root, paths in files for text in _contents(root, paths)))


def named_content(options: object, folder: Path) -> str:
    """
    Hash the content of every file, folder, run or module that a value in options names.

    Parameters
    ----------
    options
        Plain values: mappings, lists, texts.
    folder
        The recipe's folder, the base of relative paths.
    """
    texts: list[str] = []
    for text in sorted(set(_texts(options))):
        if match := IMPORTED.fullmatch(text):
            texts += [text, _module(match["module"], folder)]
        else:
            for path in _named(text, folder):
                texts += [text, digest(path) if path.is_file() else _folder(path)]
    return content_id(*texts)


def prompts_content(folder: Path | None) -> str:
    """Hash a recipe's own prompts."""
    paths = [path for path in sorted(folder.rglob("*.yaml")) if path.is_file()] if folder else []
    return content_id(*(_contents(folder, paths) if folder else ()))


def _module(name: str, folder: Path) -> str:
    if name.endswith(".py"):
        return own_code(f"{name}:", folder)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    return digest(Path(spec.origin)) if spec and spec.origin else ""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _named(text: str, folder: Path) -> list[Path]:
    """List the files and folders that a text names, if it is a path or a glob."""
    if not text.strip("./") or "\n" in text or "\0" in text:
        return []
    try:
        path = folder / expanded(text)
        if path.exists():
            return [path]
        names = glob.glob(text, root_dir=folder, recursive=True) if glob.has_magic(text) else []  # noqa: PTH207
    except (OSError, RuntimeError, re.error):  # a name that is too long, an unknown home folder
        return []
    return [folder / name for name in sorted(names)]


def _folder(folder: Path) -> str:
    """Hash a folder: a checkpoint by its identity, a run by its records, any other by all files."""
    if (folder / "config.json").is_file():
        try:
            return identify(VllmModel(model=str(folder.resolve()))).revision
        except UserError:
            pass
    records = sorted(folder.glob(f"stages/*/{RECORD}"))
    files = [*records, *folder.glob("handoff/manifest.json")] if records else _walk(folder)
    return content_id(*_contents(folder, files))


def _contents(root: Path, files: list[Path]) -> list[str]:
    return [text for path in files for text in (path.relative_to(root).as_posix(), digest(path))]


def _walk(root: Path, links: bool = False) -> list[Path]:
    """List the files of a folder without hidden files and caches; optionally follow links to folders."""
    paths: list[Path] = []
    for folder, inner, names in os.walk(root, followlinks=links):
        inner[:] = [name for name in inner if not name.startswith((".", "__pycache__"))]
        paths += [Path(folder) / name for name in names if not name.startswith(".")]
    return sorted(path for path in paths if path.is_file())  # neither pipes nor links to nothing


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
