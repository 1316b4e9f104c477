"""Read the user's test sets: JSON lines, Parquet, Arrow, or folders of such files."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.errors import UserError

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet", ".arrow")  # .arrow: the format of `datasets` on disk


class EvaluationSet(datagen.stage.Options):
    """A test set."""

    path: str = Field(
        description="A .jsonl, .jsonl.gz, .parquet or .arrow file, or a folder; relative to the recipe"
    )
    fields: list[str] = Field([], description="Fields with text; default: all fields with text")


def read_texts(
    given: EvaluationSet, folder: Path, option: str = "decontaminate.against"
) -> Iterator[tuple[str, str]]:
    """
    Yield the texts of a test set, each with the name of its item; `option` is the option that names the set.

    Raises
    ------
    UserError
        If the set is missing, cannot be read, or lacks a requested field.
    """
    for path in _files(folder / given.path, f"{option}: {given.path}"):
        for number, item in enumerate(_records(path, option), 1):
            if missing := [name for name in given.fields if name not in item]:
                raise UserError(
                    f"{option}: item {number} of {path} has no field {missing[0]!r}; it has {', '.join(item)}"
                )
            name = f"{path.name}, item {item.get('id', number)}"
            chosen = [item[field] for field in given.fields] if given.fields else list(item.values())
            for text in _strings(chosen):
                yield name, text


def _files(path: Path, option: str) -> list[Path]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.is_file() and file.name.endswith(ENDINGS)]
    if not files:
        state = (
            "contains no" if path.is_dir() else "is not a" if path.exists() else "does not exist; expected a"
        )
        raise UserError(f"{option} {state} {' or '.join(ENDINGS)} file ({path})")
    return files


def _records(path: Path, option: str) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        elif path.suffix == ".arrow":
            for batch in pa.ipc.open_stream(pa.memory_map(str(path))):
                yield from batch.to_pylist()
        else:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        item = json.loads(line)
                        yield item if isinstance(item, dict) else {"text": item}
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{option}: {path} cannot be read: {error}") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        parts: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for part in parts:
            yield from _strings(part)
