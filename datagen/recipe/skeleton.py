"""Skeletons that a user starts from: a task as data with its test."""

import keyword
import re
from importlib import resources
from pathlib import Path

from datagen.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9_]{,39}")
FILES = {"{name}.yaml": "task.yaml", "test_{name}.py": "test_task.txt"}


def write_task(name: str, folder: Path) -> list[Path]:
    """
    Write the files of a new task.

    Parameters
    ----------
    name
        Its name.
    folder
        Existing or new folder.

    Returns
    -------
    The files written.

    Raises
    ------
    UserError
        If the name is no identifier, a file exists already, or the folder cannot be written to.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot name a task; use up to 40 lower-case letters, digits and underscores"
        )
    skeletons = resources.files("datagen.recipe") / "skeletons"
    texts = {
        folder / file.format(name=name): (skeletons / source).read_text(encoding="utf-8")
        for file, source in FILES.items()
    }
    if taken := [path for path in texts if path.exists()]:
        raise UserError(f"{taken[0]} exists already; give the task another name, or another folder with --in")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text.replace("NAME", name))
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error}") from error
    return list(texts)
