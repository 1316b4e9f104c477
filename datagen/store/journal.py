"""
Journals: completions appended as they arrive, one JSON object per line.

A journal has one writer, which creates the file, so any number of workers may write to one folder without
coordination.
"""

import base64
import fcntl
import json
import os
import threading
import time
from array import array
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from datagen.request import Completion
from datagen.rows import Fields
from datagen.store.parquet import cannot_write
from datagen.store.segments import ADDED, SCHEMA

MAX_TOKENS = 2**31  # a larger token count is invalid
FLUSH_SECONDS = 0.5
ROWS = 256  # rows held as Python objects while a journal is parsed

BEFORE_KEY = b'{"key":"'  # the key is the first field


class Journal:
    """
    Appends completions to a new file; a folder may hold many journals.

    An appended completion has been passed to the operating system, so a killed process loses none. A thread
    flushes to disk twice a second, which limits the loss in a power cut without delaying the appending
    thread.

    Parameters
    ----------
    folder
        The run's ``completions/``.
    name
        Name of the writer; a restarted writer with the same name creates a new file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._end = self._flushed = 0  # bytes
        self._failure: OSError | None = None
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_regularly, name="journal", daemon=True)
        self._flusher.start()

    def append(self, completion: Completion) -> None:
        """
        Write a completion. After the call it survives the death of the process.

        Raises
        ------
        UserError
            If the disk is full or faulty. Earlier completions are kept.
        """
        if self._failure:
            raise cannot_write(self.path, self._failure)
        line = memoryview(_line(completion))
        end = self._end + len(line)
        try:
            while line:
                line = line[os.write(self._file, line) :]  # os.write may write only a part
        except OSError as error:
            os.ftruncate(self._file, self._end)  # remove the partial line
            raise cannot_write(self.path, error) from error
        self._end = end

    def close(self) -> None:
        """Flush and close."""
        self._closing.set()
        self._flusher.join()
        try:
            self._flush()
        finally:
            os.close(self._file)
        if self._failure:
            raise cannot_write(self.path, self._failure)

    def _flush_regularly(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        end = self._end
        if end > self._flushed and not self._failure:
            try:
                os.fsync(self._file)
            except OSError as error:  # a network file system may report a full disk only here
                self._failure = error
            self._flushed = end


def has_writer(path: Path) -> bool:
    """Check whether a journal has a live writer, which holds a lock on it."""
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            pass
    return False


def parse_journal(data: bytes, wanted: Set[bytes] | None = None) -> tuple[pa.Table, int]:
    """
    Parse a journal, or only the lines with the wanted keys.

    An incomplete last line, left by a crash, is skipped: its request has no completion.

    Returns
    -------
    The completions, and the number of unreadable lines.
    """
    tables, unread = [SCHEMA.empty_table()], 0
    rows: list[Fields] = []
    for line in data.split(b"\n")[:-1]:
        if len(rows) == ROWS:  # Python objects take many times the memory of Arrow
            tables.append(pa.Table.from_pylist(rows, SCHEMA))
            rows = []
        if wanted is None or line[len(BEFORE_KEY) : line.find(b'"', len(BEFORE_KEY))] in wanted:
            try:
                rows.append(vars(Line.model_validate_json(line)))
            except ValidationError:
                unread += 1
    return pa.concat_tables([*tables, pa.Table.from_pylist(rows, SCHEMA)]), unread


def _tokens(count: object) -> int:
    """Parse a token count, which older versions stored unvalidated; 0 if it is not a count."""
    if not isinstance(count, str | int | float):
        return 0
    try:
        number = float(count)
    except (ValueError, OverflowError):
        return 0
    return int(number) if 0 <= number < MAX_TOKENS else 0


def _logprobs(coded: object) -> object:
    if not isinstance(coded, str):
        raise ValueError("log probabilities must be base64")
    return np.frombuffer(base64.b64decode(coded, validate=True), np.float32)


Tokens = Annotated[int, BeforeValidator(_tokens)]


class Line(BaseModel):
    """
    A line of a journal, validated to fit the table regardless of its origin.

    A line without key or text is invalid.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, strict=True)

    key: str = Field(min_length=1)
    text: str
    finish: Literal["stop", "length", "error"]
    model: str
    revision: str
    prompt_tokens: Tokens = 0
    cached_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    logprobs: Annotated[np.ndarray, BeforeValidator(_logprobs)]
    choices: list[float]
    error: str = ""
    reasoning: str = ""
    circumstances: str = ""


def _line(completion: Completion) -> bytes:
    # Log probabilities dominate a line; as decimals they would take four times the space and most of the
    # time.
    fields = vars(completion) | {"logprobs": base64.b64encode(array("f", completion.logprobs)).decode()}
    for name in ADDED:
        if not fields[name]:
            del fields[name]
    try:
        return to_json(fields) + b"\n"
    except PydanticSerializationError:  # unpaired surrogates, which tables cannot store
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace") + b"\n"
