"""
Read the corpus: files, folders, globs and Python mappings become documents.

`plan` groups files by number and size. `read` reads a group in a child process and yields one partition of
text at a time, so that one huge file needs no more memory than many small ones. No file stops the run:
anything unreadable becomes a dropped row with its location. A mistake in the recipe does stop the run: a path
that matches nothing, or a field that no record has.

A document is identified by its `source`: the file as named in the recipe, plus the record's id
(``laws.jsonl#s101``) or, if it has none, a hash of its text. So ids are the same on every machine, and do not
change when a line is added above.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Annotated, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field

import datagen.stage
from datagen.errors import UserError
from datagen.request import Reject
from datagen.rows import Fields
from datagen.schema import DOCUMENTS
from datagen.stage import Context, Outcome, SourceStage
from datagen.stages.shared.language.detect import detect_languages
from datagen.stages.sources.ingest.content import digest_of
from datagen.stages.sources.ingest.convert import SCHEMA, dropped, rows
from datagen.stages.sources.ingest.find import find
from datagen.stages.sources.ingest.formats import KNOWN, ending_of
from datagen.stages.sources.ingest.inclusions import linked
from datagen.stages.sources.ingest.record import File, Limits
from datagen.stages.sources.ingest.redact import KINDS
from datagen.stages.sources.ingest.watch import read_files
from datagen.store.parquet import parts, read_part

ROW_BYTES = 400  # size of a row without its text, so that a partition of tiny texts is bounded too
FILE_BYTES = 4_000  # cost of opening a file, as the number of bytes that can be read in the same time
RATIO = 4  # approximate ratio of decompressed to compressed text
BATCH_ROWS = 256  # rows of a mapping per batch
QUOTED = 3  # dropped rows quoted in a message

Kind = Literal["secret", "email", "iban", "card", "national_id", "phone", "ip"]
Redacted = Annotated[
    tuple[Kind, ...],
    BeforeValidator(lambda value: () if value is False else KINDS if value is True else value),
]


class Options(datagen.stage.Options):
    """Limits for one document; a document that exceeds one is dropped."""

    seconds: float = Field(
        60, gt=0, description="Processor time to read it; five times as much for waiting, such as for a disk"
    )
    memory_mb: int = Field(800, ge=100, le=1_000_000, description="Memory of the process that reads it")
    document_mb: int = Field(64, ge=1, le=1000, description="Its decompressed size, and the size of its text")

    redact: Redacted = Field(
        get_args(Kind),
        description="Kinds of personal data and secrets to replace, for example by [EMAIL_1]; off: none",
    )

    @property
    def limits(self) -> Limits:
        """The limits in the form that readers take."""
        return Limits(self.seconds, self.memory_mb, self.document_mb)


@dataclass(frozen=True)
class Task:
    """
    Files to read one after the other, or to drop.

    Parameters
    ----------
    files
        The files.
    reasons
        The reason to drop each file; empty if the files are to be read.
    """

    files: tuple[File, ...]
    reasons: tuple[Reject, ...] = ()

    @property
    def mapping(self) -> bool:
        """Whether it is a mapping in a module."""
        return bool(self.files and self.files[0].entry.python)


def plan(options: Options, context: Context) -> list[Task]:
    """
    Find the corpus's files and group them: about one partition per group, or one larger file.

    Raises
    ------
    UserError
        If an entry of the corpus matches nothing, or two files have the same name.
    """
    corpus = find(context.corpus, context.folder, context.run_folder.parent, options.limits)
    of_entries = groupby(corpus.files, key=lambda file: id(file.entry))
    found = [file for _, of_entry in of_entries for file in linked(list(of_entry))]
    tasks = _group(found, context.partition_bytes)
    if corpus.left_out:
        files, reasons = zip(*corpus.left_out, strict=True)
        tasks.append(Task(files, reasons))
    return tasks


def digest(options: Options, context: Context) -> str:
    """Hash the names and contents of all files to read, and the reasons for dropping the others."""
    corpus = find(context.corpus, context.folder, context.run_folder.parent, options.limits)
    return digest_of(corpus, context.corpus)


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
    for batch in _batched(account.unread()):
        account.add(batch)
        partition.append(batch)
    yield _outcome(partition, account.figures())


def check(figures: Mapping[str, int], options: Options, context: Context) -> None:
    """
    Check that the corpus gave any documents.

    Raises
    ------
    UserError
        If it gave no document, or if an entry has records but none with text in the field that the recipe
        names.
    """
    context.notice(_redacted(figures))
    counts = [Counter[str]() for _ in context.corpus]
    for name, count in figures.items():
        if name.startswith("corpus/"):
            _, number, kind = name.split("/")
            counts[int(number)][kind] += count
    nothing = not any(count["documents"] for count in counts)
    for entry, counted in zip(context.corpus, counts, strict=True):
        if nothing or (counted["no text field"] and not counted["documents"]):
            where = f"path: {entry.path!r}" if entry.path else f"python: {entry.python!r}"
            reason = "no text field" if counted["no text field"] else ""
            raise UserError(
                f"corpus: {where}: nothing in it can be read as a document. "
                f"{'; '.join(_details(context, reason))}. Known endings are {KNOWN}"
            )


def _redacted(figures: Mapping[str, int]) -> Iterator[str]:
    """Describe what was redacted, because users of the texts must know it."""
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
    """Quote a few dropped rows, only those with this reason if it is not empty."""
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
        size = FILE_BYTES + file.whole_size * (RATIO if file.compression else 1)
        if size > room or not groups or file.entry.python:
            groups.append([])
            room = limit
        groups[-1].append(file)
        room = 0.0 if file.entry.python else room - size
    return [Task(tuple(group)) for group in groups]


def _batches(task: Task, options: Options) -> Iterator[pa.RecordBatch]:
    """Yield a task's rows; a mapping of a Python module is read here, files in a child process."""
    if task.reasons:
        refused = zip(task.files, task.reasons, strict=True)
        yield from _batched(dropped(file, why) | {"file": at} for at, (file, why) in enumerate(refused))
    elif task.mapping:
        yield from _batched(row | {"file": 0} for row in rows(task.files[0], options.redact))
    else:
        yield from read_files(task.files, options.limits, options.redact)


def _batched(rows: Iterable[Fields]) -> Iterator[pa.RecordBatch]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(batch, SCHEMA)


def _with_languages(batch: pa.RecordBatch, files: Sequence[File]) -> pa.RecordBatch:
    """
    Add the language of each document.

    Not in the child process: the detector's model takes 75 MB and a second to load, so each worker loads it
    once.
    """
    texts, numbers = (batch[name].to_pylist() for name in ("text", "file"))
    codes = [
        None if text is None else files[at].entry.language for text, at in zip(texts, numbers, strict=True)
    ]
    unstated = [row for row, text in enumerate(texts) if text is not None and not codes[row]]
    for row, code in zip(unstated, detect_languages([texts[row] for row in unstated]), strict=True):
        codes[row] = code
    place = SCHEMA.get_field_index("language")
    return batch.set_column(place, SCHEMA.field(place), pa.array(codes, pa.string()))


def _sizes(batch: pa.RecordBatch) -> list[int]:
    """Return the size of each row in bytes."""
    lengths = [pc.fill_null(pc.binary_length(batch[name]), 0) for name in ("text", "metadata")]
    result: list[int] = pc.add(pc.add(*lengths), ROW_BYTES).to_pylist()
    return result


def _outcome(batches: Sequence[pa.RecordBatch], figures: Mapping[str, int] | None = None) -> Outcome:
    table = pa.Table.from_batches(batches, SCHEMA)
    split = Outcome.split(table.select(DOCUMENTS.names), table["reason"], table["detail"])
    return replace(split, figures=figures or {})


class _Account:
    """Counts the results of a task: files by ending, and records by entry of the corpus."""

    def __init__(self, task: Task, context: Context) -> None:
        self._files = task.files
        self._entries = [context.corpus.index(file.entry) for file in task.files]
        self._results: dict[int, str] = {}  # file -> "read", or the reason why nothing of it was read
        self._figures: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        for file, reason in zip(batch["file"].to_pylist(), batch["reason"].to_pylist(), strict=True):
            if reason is None:
                self._results[file] = "read"
                self._figures[f"corpus/{self._entries[file]}/documents"] += 1
            else:
                self._results.setdefault(file, reason)
                if reason == "no text field":
                    self._figures[f"corpus/{self._entries[file]}/no text field"] += 1
        for reason, counts in zip(batch["reason"].to_pylist(), batch["redacted"].to_pylist(), strict=True):
            if counts and reason is None:
                self._figures["redacted/documents"] += 1
                self._figures.update({f"redacted/{kind}": count for kind, count in counts})

    def unread(self) -> Iterator[Fields]:
        """Yield a dropped row for each file that gave no row, so that no file is lost."""
        for number, file in enumerate(self._files):
            if number not in self._results:
                why = Reject("not read", "its reader returned neither a document nor a reason")
                yield dropped(file, why) | {"file": number}

    def figures(self) -> Mapping[str, int]:
        """Return the counts, such as ``files/.pdf/read``, ``files/python/read`` and ``redacted/email``."""
        for number, result in self._results.items():
            file = self._files[number]
            ending = "python" if file.entry.python else ending_of(file.basename)
            self._figures[f"files/{ending}/{result}"] += 1
        return self._figures


stage = SourceStage("ingest", "read the corpus", plan, read, options=Options, check=check, digest=digest)
