"""
Labels on disk: JSON lines, an object a verdict.

``{"id": "7918d5...", "verdict": "right", "question": "...", "answer": "..."}``. The verdict is ``right``,
``wrong`` or ``skip`` (cannot be judged). The row is named by its id; without one by its content: question and
answer, or text. Of two verdicts on a row the later one counts. Whatever else an object holds is kept.
"""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen.errors import UserError
from datagen.outside_json import parse
from datagen.schema import content_id
from datagen.store.parquet import whole_file

RIGHT, WRONG, SKIP = VERDICTS = ("right", "wrong", "skip")
CONTENT = ("question", "answer", "text")  # what names a row that has no id
BY_CONTENT = "content "  # what the key of such a row begins with

Label = dict[str, Any]


def read(path: Path) -> list[Label]:
    """
    Read a file of labels.

    Raises
    ------
    UserError
        If it cannot be read, or a line is not a label.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # text may hold Unicode's other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the labels {path} cannot be read: {error}. `datagen label RUN` writes such a file"
        ) from error
    return [_checked(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _checked(line: str, where: str) -> Label:
    try:
        label = parse(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}") from error
    if not isinstance(label, dict) or label.get("verdict") not in VERDICTS:
        raise UserError(f'{where}: a label is an object with "verdict": one of {", ".join(VERDICTS)}')
    if odd := [name for name in ("id", *CONTENT) if not isinstance(label.get(name), str | None)]:
        raise UserError(f"{where}: {odd[0]!r} should be a text")
    if not label.get("id") and not any(label.get(name) for name in CONTENT):
        raise UserError(f'{where}: say which row it is by "id", or by "question" and "answer", or by "text"')
    return label


def write(labels: Iterable[Label], path: Path) -> None:
    """Write a file of labels, whole or not at all."""
    with whole_file(path) as beside:
        lines = (json.dumps(label, ensure_ascii=False) + "\n" for label in labels)
        # A lone surrogate becomes its JSON escape.
        beside.write_bytes("".join(lines).encode("utf-8", "backslashreplace"))


def key(label: Mapping[str, Any]) -> str:
    """Name the row of a label: its id, else the hash of its content."""
    return label.get("id") or content_key(*(label.get(name) for name in CONTENT))


def content_key(*content: str | None) -> str:
    """Hash what a row says; an empty field is no field."""
    return BY_CONTENT + content_id(*(said or None for said in content))


def by_content(keys: Iterable[str]) -> bool:
    """Tell whether any row is named by what it says, so that the columns `CONTENT` are needed to find it."""
    return any(name.startswith(BY_CONTENT) for name in keys)


def keys_of(rows: pa.Table, known: Container[str], content: bool) -> list[str | None]:
    """
    Find by which key each row has been judged; None where it has not.

    Parameters
    ----------
    rows
        Examples with their id and, where verdicts are by content, the columns `CONTENT`.
    known
        The keys of the labels. One by id goes before one by content.
    content
        Whether any is by content.
    """
    found = [name if name in known else None for name in rows["id"].to_pylist()]
    if content:
        said = zip(*(rows[name].to_pylist() for name in CONTENT), strict=True)
        other = (content_key(*row) for row in said)
        found = [mine or (key if key in known else None) for mine, key in zip(found, other, strict=True)]
    return found


def verdicts_of(rows: pa.Table, verdicts: Mapping[str, str]) -> list[str | None]:
    """Find each row's verdict: `verdicts` maps the key of a row to it (see `keys_of`)."""
    keys = keys_of(rows, verdicts, by_content(verdicts))
    return [None if name is None else verdicts[name] for name in keys]


def labels_in(paths: Sequence[Path]) -> dict[str, Label]:
    """Read some files of labels: key of a row -> its last label."""
    return {key(label): label for path in paths for label in read(path)}


def verdicts_in(paths: Sequence[Path]) -> dict[str, str]:
    """Read some files of labels: key of a row -> verdict."""
    return {key: label["verdict"] for key, label in labels_in(paths).items()}
