"""
Reads the corpus: files, folders, globs and Python mappings become documents.

`plan` groups files by number and size, `read` has a group read by a child process and hands over a partition
of text at a time, so that one huge file needs no more memory than many small ones. Whatever a file is, it
does not stop the run: what cannot be read becomes a dropped row that says where it stands. What the recipe
got wrong does stop it: a path that matches nothing, a corpus none of whose records has the field that it
names.

A document is named by its `source`: the file as the recipe names it, with the record's id
(``laws.jsonl#s101``) or, where it has none, a hash of its text. So ids are the same on every machine, and
stay when a line is added above.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field

import datagen.stage
from datagen.errors import UserError
from datagen.request import Reject
from datagen.schema import DOCUMENTS
from datagen.stage import Context, Outcome, SourceStage
from datagen.stages.shared.language.detect import detect_language
from datagen.stages.sources.ingest.content import digest_of
from datagen.stages.sources.ingest.convert import SCHEMA, Row, dropped, rows
from datagen.stages.sources.ingest.find import find
from datagen.stages.sources.ingest.formats import KNOWN, ending_of
from datagen.stages.sources.ingest.record import File, Limits
from datagen.stages.sources.ingest.redact import KINDS
from datagen.stages.sources.ingest.watch import read_files
from datagen.store.parquet import parts, read_part

ROW_BYTES = 400  # what a row takes besides its text, so that a partition of tiny texts is bounded too
FILE_BYTES = 4_000  # as long as it takes to read so many bytes, it takes to open a file
RATIO = 4  # of text in a compressed file to its size, about
BATCH_ROWS = 256  # of a mapping
QUOTED = 3  # dropped rows in a message

Kind = Literal["secret", "email", "iban", "card", "national_id", "phone", "ip"]
Redacted = Annotated[
    tuple[Kind, ...],
    BeforeValidator(lambda given: () if given is False else KINDS if given is True else given),
]


class Options(datagen.stage.Options):
    """What one document may take; one that takes more is dropped."""

    seconds: float = Field(60, gt=0, description="Processor time to read it; by the clock, five times it")
    memory_mb: int = Field(800, ge=100, le=1_000_000, description="Memory of the process that reads it")
    document_mb: int = Field(64, ge=1, le=1000, description="Its size, decompressed, and that of its text")

    redact: Redacted = Field(
        get_args(Kind),
        description="Personal data and secrets that are replaced, such as [EMAIL_1]: a list; off: none",
    )

    @property
    def limits(self) -> Limits:
        """The same, for those who read."""
        return Limits(self.seconds, self.memory_mb, self.document_mb)


@dataclass(frozen=True)
class Task:
    """
    Files that are read one after the other.

    Parameters
    ----------
    files
        The files.
    reasons
        Why each of them is not to be read; empty where they are.
    """

    files: tuple[File, ...]
    reasons: tuple[Reject, ...] = ()

    @property
    def mapping(self) -> bool:
        """Whether it is a mapping in a module."""
        return bool(self.files and self.files[0].given.python)


def plan(options: Options, context: Context) -> list[Task]:
    """
    Find the corpus's files and group them: about a partition in a group, or one larger file.

    Raises
    ------
    UserError
        When an entry of the corpus names nothing, or two files have one name.
    """
    found = find(context.corpus, context.folder, context.run_folder.parent, options.limits)
    tasks = _group(found.files, context.partition_bytes)
    if found.left_out:
        files, reasons = zip(*found.left_out, strict=True)
        tasks.append(Task(files, reasons))
    return tasks


def digest(options: Options, context: Context) -> str:
    """Hash the names and contents of all that would be read, and why the rest would not."""
    found = find(context.corpus, context.folder, context.run_folder.parent, options.limits)
    return digest_of(found, context.corpus)


def read(task: Task, options: Options, context: Context) -> Iterator[Outcome]:
    """Read a group of files, a partition of text at a time; the last outcome counts the files."""
    limit, room = context.partition_bytes, 0.0
    partition: list[pa.RecordBatch] = []
    account = _Account(task, context)
    for batch in _batches(task, options):
        account.add(batch)
        batch = _with_languages(batch, task.files)
        at = 0
        for number, size in enumerate(_sizes(batch)):
            if size > room and (partition or number > at):
                yield _outcome([*partition, batch.slice(at, number - at)])
                partition, at, room = [], number, limit
            room = (limit if not partition and number == at else room) - size
        partition.append(batch.slice(at))
    yield _outcome(partition, account.figures())


def check(figures: Mapping[str, int], options: Options, context: Context) -> None:
    """
    See that the corpus gave something to work with.

    Raises
    ------
    UserError
        When it gave no document, or when an entry of it holds records of which none has a text where the
        recipe looks for it.
    """
    context.notice(_redacted(figures))
    entries = [Counter[str]() for _ in context.corpus]
    for name, count in figures.items():
        if name.startswith("corpus/"):
            _, number, what = name.split("/")
            entries[int(number)][what] += count
    nothing = not any(entry["documents"] for entry in entries)
    for given, entry in zip(context.corpus, entries, strict=True):
        if nothing or (entry["no text field"] and not entry["documents"]):
            named = f"path: {given.path!r}" if given.path else f"python: {given.python!r}"
            reason = "no text field" if entry["no text field"] else ""
            raise UserError(
                f"corpus: {named}: nothing in it can be read as a document. "
                f"{'; '.join(_details(context, reason))}. Known endings are {KNOWN}"
            )


def _redacted(figures: Mapping[str, int]) -> Iterator[str]:
    """Say what was redacted, which a reader of the texts must know."""
    counts = {
        name.partition("/")[2]: count for name, count in figures.items() if name.startswith("redacted/")
    }
    if documents := counts.pop("documents", 0):
        kinds = ", ".join(f"{kind.replace('_', ' ')} {counts[kind]:,}" for kind in KINDS if kind in counts)
        yield (
            f"personal data and secrets were replaced in {documents:,} documents: {kinds}. "
            "stages.ingest.redact selects the kinds; names and postal addresses are not detected"
        )


def _details(context: Context, reason: str) -> list[str]:
    """Quote a few of the rows that were dropped, for this reason where one is given."""
    quoted: dict[str, None] = {}
    for path in parts(context.output / "dropped"):
        for row in read_part(path, ["source", "reason", "detail"]).to_pylist():
            if reason in ("", row["reason"]) and len(quoted) < QUOTED:
                quoted[f"{row['source']}: {row['reason']}, {row['detail'] or ''}"] = None
    return list(quoted)


def _group(files: Sequence[File], limit: float) -> list[Task]:
    groups: list[list[File]] = []
    room = 0.0
    for file in files:
        size = FILE_BYTES + file.size * (RATIO if file.compression else 1)
        if size > room or not groups or file.given.python:
            groups.append([])
            room = limit
        groups[-1].append(file)
        room = 0.0 if file.given.python else room - size
    return [Task(tuple(group)) for group in groups]


def _batches(task: Task, options: Options) -> Iterator[pa.RecordBatch]:
    """Give a task's rows; a mapping of the user's own module is read here, all else in a child process."""
    if task.reasons:
        refused = zip(task.files, task.reasons, strict=True)
        yield from _written(dropped(file, why) | {"file": at} for at, (file, why) in enumerate(refused))
    elif task.mapping:
        yield from _written(row | {"file": 0} for row in rows(task.files[0], options.redact))
    else:
        yield from read_files(task.files, options.limits, options.redact)


def _written(made: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    made = iter(made)
    while batch := list(islice(made, BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(batch, SCHEMA)


def _with_languages(batch: pa.RecordBatch, files: Sequence[File]) -> pa.RecordBatch:
    """
    Tell the language of each document.

    Not in the child: the detector's model takes 75 MB and a second to load, once in each worker process.
    """
    texts, numbers = (batch[name].to_pylist() for name in ("text", "file"))
    codes = [
        None if text is None else files[number].given.language or detect_language(text)
        for text, number in zip(texts, numbers, strict=True)
    ]
    place = SCHEMA.get_field_index("language")
    return batch.set_column(place, SCHEMA.field(place), pa.array(codes, pa.string()))


def _sizes(batch: pa.RecordBatch) -> list[int]:
    """Measure the rows in bytes."""
    lengths = [pc.fill_null(pc.binary_length(batch[name]), 0) for name in ("text", "metadata")]
    result: list[int] = pc.add(pc.add(*lengths), ROW_BYTES).to_pylist()
    return result


def _outcome(batches: Sequence[pa.RecordBatch], figures: Mapping[str, int] | None = None) -> Outcome:
    table = pa.Table.from_batches(batches, SCHEMA)
    split = Outcome.split(table.select(DOCUMENTS.names), table["reason"], table["detail"])
    return replace(split, figures=figures or {})


class _Account:
    """What became of a task's files, by ending, and of the records of each entry of the corpus."""

    def __init__(self, task: Task, context: Context) -> None:
        self._files = task.files
        self._entries = [context.corpus.index(file.given) for file in task.files]
        self._became: dict[int, str] = {}  # file -> "read", or why nothing of it was
        self._figures: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take note of rows."""
        for file, reason in zip(batch["file"].to_pylist(), batch["reason"].to_pylist(), strict=True):
            if reason is None:
                self._became[file] = "read"
                self._figures[f"corpus/{self._entries[file]}/documents"] += 1
            else:
                self._became.setdefault(file, reason)
                if reason == "no text field":
                    self._figures[f"corpus/{self._entries[file]}/no text field"] += 1
        for reason, counts in zip(batch["reason"].to_pylist(), batch["redacted"].to_pylist(), strict=True):
            if counts and reason is None:
                self._figures["redacted/documents"] += 1
                self._figures.update({f"redacted/{kind}": count for kind, count in counts})

    def figures(self) -> Mapping[str, int]:
        """Count: ``files/.pdf/read``, ``files/.doc/unknown format``, ``redacted/email``."""
        for file, became in self._became.items():
            self._figures[f"files/{ending_of(self._files[file].basename)}/{became}"] += 1
        return self._figures


stage = SourceStage("ingest", "read the corpus", plan, read, options=Options, check=check, digest=digest)
