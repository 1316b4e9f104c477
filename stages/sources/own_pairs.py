"""
Read the user's existing fine-tuning data: pairs, chats, preferences and texts become examples.

Files are found and read like those of a corpus (`datagen.stages.sources.ingest`): JSON lines, JSON, CSV,
Parquet and Arrow, compressed or not, in folders or by globs. `datagen.stages.shared.chat_records` lists the
layouts of a record. An unreadable record is dropped with a reason.

A row is traceable to its record: `source` is the file with the record's id (``pairs.jsonl#17``), or with a
hash of its content if it has none; `metadata` holds the licence and the line. Its document is the record, so
the splits of `mix` keep variants of one record together. Later stages treat the rows like generated ones.
"""

import importlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import get_args

from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.sections import Encoding, Source
from datagen.request import Reject
from datagen.rows import Fields, Row
from datagen.schema import content_id, fraction
from datagen.stage import Builder, Context, Outcome, SourceStage
from datagen.stages.shared.answer_marks import rated_enough, unread_ratings
from datagen.stages.shared.chat_records import Example, example
from datagen.stages.shared.language.detect import detect_language
from datagen.stages.sources.ingest import Kind, Redacted, Task
from datagen.stages.sources.ingest.content import digest_of
from datagen.stages.sources.ingest.find import Found, find
from datagen.stages.sources.ingest.formats import READERS, format_of
from datagen.stages.sources.ingest.metadata import written
from datagen.stages.sources.ingest.record import File, Limits
from datagen.stages.sources.ingest.redact import Redaction

ROWS = 5_000  # rows per partition
RECORDS = ("jsonl", "json", "csv", "parquet", "arrow")  # formats whose readers have `records`
LONGEST = 200  # maximum characters of a record's id
SHOWN = 3  # files listed in a message
DETAIL = 300  # maximum characters of the detail of a dropped row
LICENCES = ("licence", "license")  # fields of a record
UNREAD = "rated/"  # prefix of the figures that count records with a rating of unknown scale


class Options(datagen.stage.Options):
    """The files, and the properties of their rows."""

    path: list[str] = Field(min_length=1, description="Files, folders or globs; relative to the recipe")
    share: float = Field(1, gt=0, le=1, description="Share of the records to read, sampled by hash")
    task: str = Field("own_pairs", min_length=1, description="Task of the rows, for selection in `mix`")
    licence: str = Field("", description="Licence of records that state none, such as CC-BY-4.0")
    language: str = Field(
        "", pattern=r"^([a-z]{2,3})?$", description="An ISO 639 code; default: detected for each record"
    )
    encoding: Encoding = Field(
        "", description="Encoding of files that are not UTF-8, such as windows-1252; default: detected"
    )
    least: dict[str, float] = Field(
        default_factory=dict,
        description="Minimum of ratings in the records, such as {rating: 4}; records with lower ones, or "
        "none, are dropped",
    )
    redact: Redacted = Field(
        get_args(Kind), description="Personal data and secrets to replace, as in ingest: a list; off: none"
    )


def plan(options: Options, context: Context) -> list[Task]:
    """
    List the files, one per task.

    Raises
    ------
    UserError
        If a path matches no file, or no file contains records.
    """
    matches = _found(options, context)
    if not any(_holds_records(file) for file in matches.files):
        unread = "".join(f"; {file.name} is not read: {why.detail}" for file, why in matches.left_out[:SHOWN])
        raise UserError(
            f"{context.stage}.path: {', '.join(options.path)} has no file with records{unread}; "
            f"the formats are {', '.join(RECORDS)}"
        )
    tasks = [Task((file,)) for file in matches.files]
    if matches.left_out:
        files, reasons = zip(*matches.left_out, strict=True)
        tasks.append(Task(files, reasons))
    return tasks


def digest(options: Options, context: Context) -> str:
    """Hash the names and contents of the files."""
    return digest_of(_found(options, context), _sources(options))


def check(figures: Mapping[str, int], options: Options, context: Context) -> None:
    """Say which ratings were not compared with anything."""
    rated = {name: count for name, count in figures.items() if name.startswith(UNREAD)}
    context.notice(
        f"records with a {name.removeprefix(UNREAD)} were read whatever it is: {count:,}; "
        f"to read only those of 3 or more: least: {{{name.removeprefix(UNREAD)}: 3}}"
        for name, count in rated.items()
    )


def _sources(options: Options) -> list[Source]:
    return [Source(path=path, encoding=options.encoding) for path in options.path]


def _found(options: Options, context: Context) -> Found:
    home = context.run_folder.parent
    return find(_sources(options), context.folder, home, Limits(), where=f"{context.stage}.path")


def _holds_records(file: File) -> bool:
    try:
        form = format_of(file)
    except (OSError, Reject):
        return True  # read() drops it with the error
    return form is not None and form.name in RECORDS


def read(
    task: Task,
    options: Options,
    context: Context,
    gives: str = "examples",
    convert: Callable[[object], Example] = example,
) -> Iterator[Outcome]:
    """Read a task's files in partitions of `ROWS` rows; `convert` turns a record into fields."""
    seen = set[str]()

    def empty() -> _Rows:
        return _Rows(options, context, Builder(gives, context), convert, seen)

    rows = empty()
    for file, why in zip(task.files, task.reasons, strict=False):
        rows.drop(why, {"source": file.name})
    for file in () if task.reasons else task.files:
        for key, record in records(file):
            rows.add(file, key, record)
            if rows.count == ROWS:
                yield rows.outcome()
                rows = empty()
    yield rows.outcome()


def records(file: File) -> Iterator[tuple[int, object]]:
    """Yield line and record, or a `Reject` for an unreadable record or rest of the file."""
    number = 0
    try:
        form = format_of(file)
        if form is None or form.name not in RECORDS:
            yield 0, Reject("not a file of records", f"{file.name}; the formats are {', '.join(RECORDS)}")
            return
        reader = importlib.import_module(f"{READERS}.{form.reader}")
        for number, record in reader.records(file):
            yield number, record
    except Reject as why:
        yield number, why
    except (RecursionError, MemoryError) as error:
        yield number, Reject("unreadable file", f"{file.name}, after record {number}: {type(error).__name__}")
    except Exception as error:  # any error of a library on a damaged file
        message = f"{file.name}, after record {number}: {type(error).__name__}: {error}"
        yield number, Reject("unreadable file", message)


class _Rows:
    """Collects the rows of a partition; `seen` has the ids of all rows of this task."""

    def __init__(
        self,
        options: Options,
        context: Context,
        builder: Builder,
        convert: Callable[[object], Example],
        seen: set[str],
    ) -> None:
        self._options, self._context, self._seen = options, context, seen
        self._builder, self._convert = builder, convert
        self._figures = Counter[str]()
        self.count = 0

    def outcome(self) -> Outcome:
        """Return the rows, with the number of records outside the sample."""
        return replace(self._builder.outcome(), figures=self._figures)

    def add(self, file: File, line: int, record: object) -> None:
        """Keep a record, or drop it with a reason; records outside the sample are only counted."""
        if isinstance(record, Reject):
            self.drop(record, {"source": file.name, "line": line})
            return
        redaction = Redaction(self._options.redact)
        redacted = redaction.value(_in_json(record))
        origin = _origin(file, redacted, self._options.language)
        sample = fraction("own_pairs", str(self._context.seed), origin["document_id"])
        if sample >= self._options.share:
            self._figures["outside the sample"] += 1
            return
        try:
            if isinstance(redacted, Mapping):
                rated_enough(redacted, self._options.least)
            example = self._convert(redacted)
            id_ = content_id(origin["document_id"], json.dumps(example, sort_keys=True))
            if id_ in self._seen:
                raise Reject("repeated", "the same record occurs before")
        except Reject as why:
            self.drop(why, origin | {"line": line})
            return
        self._seen.add(id_)
        self._figures["with reasoning"] += "reasoning" in example
        for name in unread_ratings(redacted, self._options.least) if isinstance(redacted, Mapping) else ():
            self._figures[f"{UNREAD}{name}"] += 1
        metadata = self._metadata(redacted, line, redaction)
        row = {**example, "id": id_, "task": self._options.task, "metadata": metadata}
        self._builder.keep(row, origin | {"language": _language(row, self._options.language)})
        self.count += 1

    def drop(self, why: Reject, origin: Row) -> None:
        """Add a dropped row for a rejected record or file."""
        place = f"{origin['source']}, line {origin['line']}: " if origin.get("line") else ""
        reject = Reject(why.reason, (place + why.detail)[:DETAIL])
        id_ = content_id("dropped", origin["source"], why.reason, reject.detail)
        self._builder.drop(reject, {"kind": "", "task": self._options.task, "id": id_}, origin)
        self.count += 1

    def _metadata(self, record: object, line: int, redaction: Redaction) -> str:
        stated = (record.get(name) for name in LICENCES) if isinstance(record, Mapping) else ()
        licence = next((name for name in stated if isinstance(name, str) and name), self._options.licence)
        fields: Fields = {"line": line}
        if licence:
            fields["licence"] = licence
        if redaction.counts:
            fields["redacted"] = dict(redaction.counts)
        return written(fields)


def _in_json(record: object) -> object:
    """Convert a record to plain JSON values (`written`), without lone surrogates (invalid in UTF-8)."""
    return json.loads(written({"": record}).encode("utf-8", "replace"))[""]


def _origin(file: File, record: object, language: str) -> dict[str, str]:
    """Identify a record by its file and its id, or a hash of its content."""
    name = record.get("id") if isinstance(record, Mapping) else None
    key = str(name) if isinstance(name, str | int) else ""
    if not 0 < len(key) <= LONGEST:
        key = content_id(key or json.dumps(record))[:16]
    source = f"{file.name}#{key}"
    return {"document_id": content_id(source), "source": source, "title": file.stem, "language": language}


def _language(row: Row, stated: str) -> str:
    texts: Collection[str | None] = (row.get("text"), row.get("question"), row.get("answer"))
    return stated or detect_language("\n".join(part for part in texts if part))


stage = SourceStage(
    name="own_pairs",
    summary="read your own pairs and chats as examples",
    plan=plan,
    read=read,
    gives="examples",
    options=Options,
    digest=digest,
    check=check,
)
