"""
Read the user's general data, to be mixed with the domain's data against catastrophic forgetting.

JSON lines and Parquet, each row in a format that trainers know: ``text``; ``messages`` or ``conversations``;
``prompt`` and ``completion``; ``instruction``, ``input`` and ``output``. Rows are examples of the task
``general``, by which `mix` selects them. Put the stage directly before `mix`, so that they are neither scored
nor filtered.
"""

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.outside_json import parse
from datagen.request import Reject
from datagen.schema import chat, content_id, fraction
from datagen.stage import Builder, Context, Outcome, SourceStage

TASK = "general"
ROWS = 5_000  # rows per partition
ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".parquet")
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
Record: TypeAlias = Any


class Options(datagen.stage.Options):
    """The files, and the share of their rows to read."""

    path: list[str] = Field(min_length=1, description="Files or folders; relative to the recipe")
    share: float = Field(1, gt=0, le=1, description="Share of the rows to read, sampled by hash")


def plan(options: Options, context: Context) -> list[Path]:
    """List the files, one per task."""
    files: list[Path] = []
    for name in options.path:
        path = (context.folder / name).resolve()
        candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
        readable = [file for file in candidates if file.is_file() and file.name.endswith(ENDINGS)]
        if not readable:
            raise UserError(f"{context.stage}.path: {name} has no file that ends in {', '.join(ENDINGS)}")
        files += readable
    return files


def read(file: Path, options: Options, context: Context) -> Iterator[Outcome]:
    """Read a file in batches of some thousand rows."""
    seed, records = str(context.seed), enumerate(_records(file))
    while batch := list(islice(records, ROWS)):
        builder = Builder("examples", context)
        for number, record in batch:
            origin = {
                "document_id": content_id(str(file.name), str(number)),
                "source": str(file),
                "title": "",
            }
            if fraction("replay", seed, origin["document_id"]) >= options.share:
                continue
            try:
                row = example(record)
            except Reject as why:
                builder.drop(why, {"kind": "", "task": TASK, "id": origin["document_id"]}, origin)
            else:
                builder.keep(
                    row | {"task": TASK, "id": content_id(origin["document_id"], repr(record))}, origin
                )
        yield builder.outcome()


def _records(file: Path) -> Iterator[Record]:
    """Yield a file's rows; an invalid line, or an error that ends the file, as a `Reject`."""
    try:
        if file.suffix == ".parquet":
            for batch in pq.ParquetFile(file).iter_batches(1_000):
                yield from batch.to_pylist()
            return
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            for line in lines:
                if line.strip():
                    try:
                        yield parse(line)
                    except ValueError as error:  # includes invalid UTF-8
                        yield Reject("not JSON", str(error))
    except (OSError, EOFError, ValueError) as error:  # includes pyarrow's errors
        yield Reject("unreadable file", f"{file.name}: {error}")


def example(record: Record) -> dict[str, Any]:
    """
    Convert a record to the fields of an example.

    Raises
    ------
    Reject
        If it has none of the known formats.
    """
    if isinstance(record, Reject):
        raise record
    if not isinstance(record, dict):
        raise Reject("unknown shape", type(record).__name__)
    if isinstance(record.get("text"), str):
        return {"kind": "reading", "text": record["text"]}
    if turns := record.get("messages") or record.get("conversations"):
        return _chat(_turns(turns))
    if "prompt" in record and "completion" in record:
        before, after = record["prompt"], record["completion"]
        if isinstance(before, str) and isinstance(after, str):
            return _chat([*chat(before), {"role": "assistant", "content": after}])
        return _chat([*_turns(before), *_turns(after)])
    if isinstance(record.get("instruction"), str) and isinstance(record.get("output"), str):
        question = "\n\n".join(filter(None, (record["instruction"], record.get("input"))))
        system = record.get("system")
        return _chat([*chat(question, system=system), {"role": "assistant", "content": record["output"]}])
    raise Reject("unknown shape", ", ".join(sorted(map(str, record))))


def _turns(turns: Any) -> list[dict[str, str]]:
    try:
        pairs = [(turn.get("role") or turn["from"], turn.get("content", turn.get("value"))) for turn in turns]
    except (AttributeError, KeyError, TypeError) as error:
        raise Reject("unknown shape", f"its turns: {error}") from error
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise Reject("unknown shape", "a turn whose role or content is not text")
    return [{"role": ROLES.get(role, role), "content": content} for role, content in pairs]


def _chat(turns: list[dict[str, str]]) -> dict[str, Any]:
    """Split a chat before its last answer; drop the turns after it."""
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    if len(turns) < 2:
        raise Reject("no answer", f"{len(turns)} turns")
    *prompt, answer = turns
    return {
        "kind": "instruction",
        "question": prompt[-1]["content"],
        "answer": answer["content"],
        "prompt": prompt,
    }


stage = SourceStage(
    name="replay",
    summary="read your own general data for the mixture",
    plan=plan,
    read=read,
    gives="examples",
    options=Options,
)
