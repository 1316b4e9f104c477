"""
Labels on disk: JSON lines, one object per verdict or edit.

``{"id": "7918d5...", "verdict": "right", "question": "...", "answer": "..."}``. The verdict is ``right``,
``wrong`` or ``skip`` (cannot be judged). The row is identified by its id or, without one, by its content:
question and answer, or text. The last verdict on a row counts. Other fields of an object are kept.

An edit gives a row new text: ``"edit": {"answer": "..."}``, with or without a verdict. It needs the row's id.
The last edit of a row counts, ``{}`` withdraws it, and a later verdict leaves it in place. A verdict with
``"by_edit": true`` follows from the edit: it is withdrawn with it, and a later verdict replaces it.
`datagen.stages.confidence.labels.edits` lists the other fields of an edit.
"""

import fcntl
import json
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.outside_json import parse
from datagen.paths import regular
from datagen.rows import Row
from datagen.schema import content_id
from datagen.store.parquet import whole_file

RIGHT, WRONG, SKIP = VERDICTS = ("right", "wrong", "skip")
CONTENT = ("question", "answer", "text")  # identify a row without an id
BY_CONTENT = "content "  # prefix of the key of such a row
BY_EDIT = "by_edit"  # marks a verdict that follows from the edit
EDITABLE = ("question", "answer", "rejected", "text")  # fields that an edit may replace

Label = JsonObject


def read(path: Path) -> list[Label]:
    """
    Read a file of labels.

    Raises
    ------
    UserError
        When it cannot be read, or a line is not a label.
    """
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot read the labels {path}: {reason}. `datagen label RUN` writes such a file"
        ) from error
    lines = text.split("\n")  # not `splitlines`: a text may hold Unicode's other line ends
    return [_checked(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _checked(line: str, where: str) -> Label:
    try:
        label = parse(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}") from error
    if not isinstance(label, dict) or not _is_judged_or_edited(label):
        raise UserError(
            f'{where}: a label is an object with "verdict": one of {", ".join(VERDICTS)}, or with "edit"'
        )
    if odd := [name for name in ("id", *CONTENT) if not isinstance(label.get(name), str | None)]:
        raise UserError(f"{where}: {odd[0]!r} should be a text")
    if not label.get("id") and not any(label.get(name) for name in CONTENT):
        raise UserError(f'{where}: identify the row by "id", by "question" and "answer", or by "text"')
    if "edit" in label and not label.get("id"):
        raise UserError(f'{where}: an edit needs the "id" of its row')
    _check_fields_of_edits(label, where)
    return label


def _is_judged_or_edited(label: Label) -> bool:
    return label["verdict"] in VERDICTS if "verdict" in label else "edit" in label


def _check_fields_of_edits(label: Label, where: str) -> None:
    """Check them in verdicts too: `add` merges these with the row's edit."""
    for name in ("edit", "original"):
        texts = label.get(name, {})
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise UserError(f'{where}: "{name}" should be an object of texts, such as {{"answer": "..."}}')
        if unknown := sorted(texts.keys() - set(EDITABLE)):
            raise UserError(f'{where}: "{name}" has {unknown[0]!r}; it may have {", ".join(EDITABLE)}')
    scores = label.get("scores", {})
    if not isinstance(scores, dict) or not all(map(_is_number, scores.values())):
        raise UserError(f'{where}: "scores" should be an object of numbers')


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # False for nan


def write(labels: Iterable[Label], path: Path) -> None:
    """Write a label file atomically."""
    with whole_file(path) as temporary:
        lines = (json.dumps(label, ensure_ascii=False) + "\n" for label in labels)
        # A lone surrogate becomes its JSON escape.
        temporary.write_bytes("".join(lines).encode("utf-8", "backslashreplace"))


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Label]]:
    """
    Yield the labels of a file by key, and write them if the block succeeds.

    A lock on a file next to it makes other processes wait, so that none overwrites a label of another.

    Raises
    ------
    UserError
        When a line of the file is not a label.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        labels = labels_in([path] if path.exists() else [])
        yield labels
        write(labels.values(), path)


def key(label: Row) -> str:
    """Return the key of a label's row: its id, else the hash of its content."""
    return label.get("id") or content_key(*(label.get(name) for name in CONTENT))


def content_key(*content: str | None) -> str:
    """Hash the content of a row; empty fields count as missing."""
    return BY_CONTENT + content_id(*(field or None for field in content))


def by_content(keys: Iterable[str]) -> bool:
    """Test whether any key is a content hash, so that the columns `CONTENT` are needed to match it."""
    return any(name.startswith(BY_CONTENT) for name in keys)


def keys_of(rows: pa.Table, labelled: Container[str], content: bool) -> list[str | None]:
    """
    Find the key under which each row has a label; None where it has none.

    Parameters
    ----------
    rows
        Examples with their id and, if labels are keyed by content, the columns `CONTENT`.
    labelled
        The keys of the labels. A key by id takes precedence over one by content.
    content
        Whether any key is by content.
    """
    keys = [name if name in labelled else None for name in rows["id"].to_pylist()]
    if content:
        contents = zip(*(rows[name].to_pylist() for name in CONTENT), strict=True)
        hashes = (content_key(*fields) for fields in contents)
        keys = [
            key or (hash_ if hash_ in labelled else None) for key, hash_ in zip(keys, hashes, strict=True)
        ]
    return keys


def verdicts_of(rows: pa.Table, verdicts: Mapping[str, str]) -> list[str | None]:
    """Return each row's verdict; `verdicts` maps keys to verdicts (see `keys_of`)."""
    keys = keys_of(rows, verdicts, by_content(verdicts))
    return [None if name is None else verdicts[name] for name in keys]


def labels_in(paths: Sequence[Path]) -> dict[str, Label]:
    """Read label files: key of a row -> its label, with the last verdict and the last edit."""
    labels: dict[str, Label] = {}
    for path in paths:
        for label in read(path):
            add(label, labels)
    return labels


def add(label: Label, labels: dict[str, Label]) -> None:
    """
    Add a label to those by key.

    A verdict leaves an earlier edit in place, and the reverse; a withdrawn edit takes its verdict with it.
    """
    name = key(label)
    earlier = labels.get(name, {})
    if "verdict" in label:
        earlier = _without(earlier, BY_EDIT)
    elif label.get("edit") == {} and earlier.get(BY_EDIT) is True:
        earlier = _without(earlier, BY_EDIT, "verdict")
    labels[name] = earlier | label


def _without(label: Label, *names: str) -> Label:
    return {name: value for name, value in label.items() if name not in names}


def verdicts_among(labels: Mapping[str, Label]) -> dict[str, str]:
    """Map the keys of the labels that have a verdict to it."""
    return {name: label["verdict"] for name, label in labels.items() if "verdict" in label}
