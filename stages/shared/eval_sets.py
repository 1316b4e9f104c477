"""
Evaluation sets as users have them: JSON Lines, JSON, CSV, Parquet, Arrow, or folders of such files.

Unless fields are named, the texts of an item are all its strings except answer options, short gold answers,
licence lines and metadata (id, source, subject). A list of tokens is one text.
"""

import csv
import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.outside_json import parse
from datagen.paths import not_a_file
from datagen.stages.shared.arrow_values import rows
from datagen.stages.shared.language.joined import licence_lines

# `datasets` saves .arrow files to disk, together with files that describe the set.
ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".csv", ".tsv", ".parquet", ".arrow")
SEPARATORS = ",;\t|"  # of columns
DESCRIPTIONS = ("dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json")

# Names of fields, which public sets have in English whatever the language of their texts.
OPTIONS = re.compile(
    r"""(?x) (?:(?:answer|mc\d?|multiple)[_ ]?)?
            (?:choice|option|ending|distractor|candidate|alternative|target)s? (?:[_ ]?\w)?
      | (?:op|ans|answer|incorrect|wrong|false|best)[_ ]?(?:answers?)?[_ ]?[a-e1-9]
      | [a-e] | sol[1-9] | (?:incorrect|wrong)[_ ]answers?"""
)
ANSWERS = re.compile(
    r"(?:(?:gold|correct|short|best|final|expected)[_ ]?)?(?:answer|label|output|target)s?(?:[_ ]text)?"
)
ABOUT = re.compile(
    r"licen[cs]es?|licen[cs]ing|copyright|attribution|citation|terms|source|sources|origin|author|authors"
    r"|url|uri|doi|id|uuid|idx|index|split|category|subject|topic|domain|type|level|date|language|lang|version"
)
MAGIC = b"ARROW1"  # of Arrow's file format
LONGEST_FIELD = 1 << 26  # characters of a field of a CSV file; Python's default is 131,072
LICENCE_LINE = 60  # maximum words of a licence line
LONG_ANSWER = 13  # minimum words of a gold answer that counts as a text
TOKENS = 3  # minimum single words in a list that is joined to one text


class EvaluationSet(datagen.stage.Options):
    """An evaluation set."""

    path: str = Field(
        description="A .jsonl(.gz), .json, .csv, .tsv, .parquet or .arrow file, or a folder; relative to the "
        "recipe"
    )
    fields: list[str] = Field(
        [], description="Fields with the texts; default: all except options, short answers and metadata"
    )


def read_texts(
    evaluation: EvaluationSet, folder: Path, setting: str = "decontaminate.against"
) -> Iterator[tuple[str, str]]:
    """
    Yield the texts of an evaluation set, each with the name of its item.

    `setting` is the setting of the recipe that names the set, for messages.

    Raises
    ------
    UserError
        If the set is missing, cannot be read, or lacks a named field.
    """
    fields = evaluation.fields
    for name, item in read_items(folder / evaluation.path, f"{setting}: {evaluation.path}"):
        if missing := [field for field in fields if field not in item]:
            raise UserError(f"{setting}: {name} has no field {missing[0]!r}; it has {', '.join(item)}")
        values = {field: item[field] for field in fields} if fields else item
        options = {text for key, text in _strings(item) if OPTIONS.fullmatch(key)}
        for key, text in _strings(values):
            if fields or _is_item(key, text, options):
                yield name, text


def read_items(path: Path, setting: str) -> Iterator[tuple[str, JsonObject]]:
    """
    Read the items of a file or folder, each with its name; `setting` is the recipe's key, for messages.

    Raises
    ------
    UserError
        If there is no file, or one cannot be read.
    """
    for file in _files(path, setting):
        for number, item in enumerate(_records(file, setting), 1):
            yield f"{file.name}, item {item.get('id', number)}", item


def _is_item(key: str, text: str, options: set[str]) -> bool:
    """Check whether a text is part of the task, not an option, a short answer, a licence or metadata."""
    if text.rstrip().endswith(("?", "？", "؟")):
        return True
    if OPTIONS.fullmatch(key) or ABOUT.fullmatch(key) or text in options:
        return False
    words = len(text.split())
    if ANSWERS.fullmatch(key) and words < LONG_ANSWER:
        return False
    return words > LICENCE_LINE or not licence_lines().search(text)


def _files(path: Path, setting: str) -> list[Path]:
    if not os.path.lexists(path):
        raise UserError(f"{setting} does not exist; give a {' or '.join(ENDINGS)} file ({path})")
    inside = [file for file in sorted(path.rglob("*")) if not file.is_dir()] if path.is_dir() else [path]
    for file in inside:
        if (file == path or file.name.endswith(ENDINGS)) and (kind := not_a_file(file)):
            raise UserError(
                f"{setting} cannot be read: {file}: it is {kind}, not a file. Replace or remove it"
            )
    files = [file for file in inside if file.name.endswith(ENDINGS)]
    files = [file for file in files if file == path or file.name not in DESCRIPTIONS]
    if not files:
        problem = "holds no" if path.is_dir() else "is not a"
        raise UserError(f"{setting} {problem} {' or '.join(ENDINGS)} file ({path})")
    return files


def _records(path: Path, setting: str) -> Iterator[JsonObject]:
    try:
        if path.suffix == ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from rows(batch)
        elif path.suffix == ".arrow":
            for batch in _batches(path):
                yield from rows(batch)
        elif path.suffix in (".csv", ".tsv"):
            csv.field_size_limit(LONGEST_FIELD)
            with path.open(encoding="utf-8-sig", newline="") as lines:
                separator = max(SEPARATORS, key=lines.readline().count)  # the first of the most frequent ones
                lines.seek(0)
                for row in csv.DictReader(lines, delimiter=separator):
                    yield {str(name): value for name, value in row.items()}
        elif path.suffix == ".json":
            for item in _in_json(parse(path.read_text(encoding="utf-8-sig"))):
                yield item if isinstance(item, dict) else {"text": item}
        else:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        item = parse(line)
                        yield item if isinstance(item, dict) else {"text": item}
    except UnicodeDecodeError as error:
        raise UserError(f"{setting}: {path} cannot be read: {error}. Save it as UTF-8") from error
    except (OSError, EOFError, ValueError, csv.Error, pa.ArrowException) as error:
        raise UserError(f"{setting}: {path} cannot be read: {error}") from error


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Read the batches of an Arrow file in either format, a stream or a file."""
    source = pa.memory_map(str(path))
    if source.read(len(MAGIC)) != MAGIC:
        source.seek(0)
        yield from pa.ipc.open_stream(source)
        return
    table = pa.ipc.open_file(source)
    yield from (table.get_batch(at) for at in range(table.num_record_batches))


def _in_json(value: object) -> list[object]:
    """List the items of a JSON file: a list, the only list of an object, its columns, or the object."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value:
        lists = [part for part in value.values() if isinstance(part, list) and _holds_objects(part)]
        if len(lists) == 1:
            return lists[0]
        parts = list(value.values())
        if all(isinstance(part, dict) for part in parts):
            same = {tuple(part) for part in parts}
            return parts if len(same) == 1 or len(parts) > len(same) else [value]
        if all(isinstance(part, list) for part in parts) and len({len(part) for part in parts}) == 1:
            return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    return [value]


def _holds_objects(parts: list[object]) -> bool:
    return any(isinstance(part, dict) for part in parts)


def _strings(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of an item, each with the name of its field, or of the options that it belongs to."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, part in value.items():
            inner = str(name).strip().lower()
            yield from _strings(part, key if OPTIONS.fullmatch(key) or ANSWERS.fullmatch(key) else inner)
    elif isinstance(value, list | tuple):
        if len(value) >= TOKENS and all(isinstance(part, str) and len(part.split()) == 1 for part in value):
            yield key, " ".join(value)
        else:
            for part in value:
                yield from _strings(part, key)
