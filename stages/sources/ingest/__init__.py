"""
Reads the corpus: files, folders, globs and Python mappings become documents.

`plan` groups files by size, `read` streams a group and hands over a partition of text at a time, so that
one huge file needs no more memory than many small ones. A file or a line that cannot be read does not stop
the run: it becomes a dropped row that says where it stands. What the recipe got wrong does stop it: a path
that matches nothing, a field that no record has.

A document is named by its `source`: the file as the recipe names it, with the record's id
(``laws.jsonl#s101``) or, where it has none, a hash of its text. So ids are the same on every machine, and
stay when a line is added above.
"""

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.errors import UserError
from datagen.recipe.model import Recipe, Source
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stage import Builder, Context, Options, Outcome, SourceStage
from datagen.stages.shared.language.detect import detect_language
from datagen.stages.sources.ingest.readers import READERS, UNREADABLE, File, Record, find_mapping

ENDINGS = ", ".join(ending for ending in READERS if ending.startswith("."))
GZIP_RATIO = 4  # text in a gzipped file to its size, about
ROW_BYTES = 400  # what a row takes besides its text, so that a partition of tiny texts is bounded too
MAX_DETAIL = 300


@dataclass(frozen=True)
class Task:
    """Files that are read one after the other."""

    files: tuple[File, ...]


def plan(options: Options, context: Context) -> list[Task]:
    """
    Find the corpus's files and group them: about a partition in a group, or one larger file.

    Raises
    ------
    UserError
        When an entry of the corpus names nothing that can be read, or two files have one name.
    """
    files: dict[str, File] = {}
    for given in context.recipe.corpus:
        for file in _find(given, context.recipe):
            known = files.setdefault(file.name, file)
            if known.path != file.path:
                raise UserError(
                    f"corpus: {known.path} and {file.path} would both be called {file.name}. "
                    "Write their paths relative to the recipe, which tells them apart"
                )
    return _group(list(files.values()), _partition_bytes(context))


def read(task: Task, options: Options, context: Context) -> Iterator[Outcome]:
    """
    Read a group of files, a partition of text at a time.

    Raises
    ------
    UserError
        When no record of a file has a text in the field that the recipe names.
    """
    builder, size = Builder("documents", context), 0
    for file in task.files:
        for row, why in _rows(file):
            added = ROW_BYTES + len((row.get("text") or "").encode()) + len(row.get("metadata") or "")
            if size and size + added > _partition_bytes(context):
                yield builder.outcome()
                builder, size = Builder("documents", context), 0
            size += added
            if why:
                builder.drop(Reject(why.reason, why.detail[:MAX_DETAIL]), row, {})
            else:
                builder.keep(row, {})
    yield builder.outcome()


def _find(given: Source, recipe: Recipe) -> list[File]:
    """List the files that an entry of the corpus names, in order."""
    if given.python:
        find_mapping(given.python)
        return [File(Path(), f"python:{given.python}", given)]
    root = recipe.folder / Path(given.path).expanduser()
    if root.is_dir():
        base, pattern = root, "**/*"
    elif root.exists() or not glob.has_magic(given.path):
        base, pattern = root.parent, glob.escape(root.name)
    else:
        fixed = next(index for index, part in enumerate(root.parts) if glob.has_magic(part))
        base, pattern = Path(*root.parts[:fixed]), str(Path(*root.parts[fixed:]))
    # glob, unlike Path.glob, leaves out hidden files.
    found = sorted(glob.glob(pattern, root_dir=base, recursive=True))  # noqa: PTH207
    files = [File(base / name, _name(base / name, base, given, recipe), given) for name in found]
    files = [file for file in files if not file.path.is_dir()]
    if not files:
        raise UserError(
            f"corpus: path: {given.path!r} matches no file (looked in {base.absolute()}). "
            "Paths start at the recipe's folder; hidden files are left out"
        )
    if not any(file.ending in READERS for file in files):
        raise UserError(
            f"corpus: path: {given.path!r} matches {len(files)} files, none of a known format, such as "
            f"{files[0].path.name}. Known are {ENDINGS}, each also with .gz"
        )
    return files


def _name(path: Path, base: Path, given: Source, recipe: Recipe) -> str:
    """Name a file as the recipe does; one by an absolute path, by its folder's own name and what is below."""
    if Path(given.path).expanduser().is_absolute():
        return (Path(base.name) / path.relative_to(base)).as_posix()
    return path.relative_to(recipe.folder).as_posix()


def _group(files: Sequence[File], limit: float) -> list[Task]:
    groups: list[list[File]] = []
    room = 0.0
    for file in files:
        size = _size(file)
        if size > room:
            groups.append([])
            room = limit
        groups[-1].append(file)
        room -= size
    return [Task(tuple(group)) for group in groups]


def _size(file: File) -> int:
    try:
        return file.path.stat().st_size * (GZIP_RATIO if file.zipped else 1)
    except OSError:
        return 0  # `read` says what is wrong with it


def _partition_bytes(context: Context) -> float:
    return context.recipe.cluster.partition_mb * 1e6


def _rows(file: File) -> Iterator[tuple[dict[str, Any], Reject | None]]:
    """Read a file's records as rows, each with why it is dropped; a file leaves at least one."""
    blank = {"source": file.name}
    if file.ending not in READERS:
        yield blank, Reject("unknown format", f"{file.path.name}; known are {ENDINGS}")
        return
    form, reader = READERS[file.ending]
    seen: set[int] = set()  # hashes of names, about 100 bytes a record
    count = 0
    try:
        for record in reader(file):
            count += 1
            if isinstance(record, Reject):
                yield blank, record
            else:
                row = _row(record, file, form)
                yield row, _why_not(row, record, seen)
    except UNREADABLE as error:
        yield blank, Reject("unreadable file", f"after {count} records: {type(error).__name__}: {error}")
    except Reject as why:
        yield blank, why
    else:
        if not count:
            yield blank, Reject("empty document", "the file holds no record")


def _row(record: Record, file: File, form: str) -> dict[str, Any]:
    metadata = dict(record.metadata)
    source = file.name
    if record.name is not None:
        source += f"#{record.name or content_id(record.text)[:16]}"
    if record.name == "":
        metadata.setdefault("line", record.line)
    written = json.dumps(metadata, ensure_ascii=False, default=str)
    row = {"source": source, "title": record.title, "text": record.text, "format": form, "metadata": written}
    # Lone surrogates, which JSON can hold and UTF-8 cannot.
    row = {name: value.encode("utf-8", "replace").decode() for name, value in row.items()}
    row["language"] = file.given.language or detect_language(row["text"])
    return row | {"id": content_id(row["source"], row["text"])}


def _why_not(row: dict[str, Any], record: Record, seen: set[int]) -> Reject | None:
    name = int(content_id(row["source"])[:16], 16)
    if name in seen:
        reason = "duplicate source id" if record.name else "repeated"
        return Reject(reason, f"{row['source']} stands twice in its file, again in line {record.line}")
    seen.add(name)
    return None if row["text"].strip() else Reject("empty document")


stage = SourceStage("ingest", "read the corpus", plan, read)
