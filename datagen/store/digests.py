"""
Digests of a stage's files, to verify that a finished table is unchanged.

Parquet's page checksums detect a flipped bit in most of a file on every read. The digests in ``stage.json``
cover the rest of it, and detect missing, swapped, truncated and added files. They are compared once, when a
run is resumed, on all workers.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from datagen.json_types import JsonObject
from datagen.store.parquet import PARTS, RECORD, UNFINISHED, read_json, write_json

Each = Callable[[Callable[[Path], str], Sequence[Path]], list[str]]  # calls a function for each path
RecordT = TypeVar("RecordT", bound=Mapping[str, object])
log = logging.getLogger(__name__)

SEAL = "sha256"  # key of a record's digest of its other fields


def digest(path: Path) -> str:
    """Hash a file; "" if it cannot be read or is another thing, such as a pipe, which would block."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def digests(folder: Path, each: Each) -> dict[str, str]:
    """Hash every file of a stage's folder, by its path relative to the folder."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(UNFINISHED) and path != folder / RECORD
    ]
    hashes = each(digest, paths)
    return {path.relative_to(folder).as_posix(): hash_ for path, hash_ in zip(paths, hashes, strict=True)}


def differences(folder: Path, expected: Mapping[str, str], each: Each) -> list[str]:
    """List how the files of a stage's folder differ from the recorded ones; empty if they do not."""
    paths = [folder / name for name in expected]
    hashes = each(digest, paths)
    messages = []
    for path, recorded, current in zip(paths, expected.values(), hashes, strict=True):
        if not path.exists():
            messages.append(f"{path.relative_to(folder)} is missing")
        elif current != recorded:
            messages.append(f"{path.relative_to(folder)} was altered")
    for part in sorted(folder.rglob(PARTS)):
        name = part.relative_to(folder).as_posix()
        if name not in expected:
            messages.append(f"{name} was added")
    return messages


def sealed(record: RecordT) -> RecordT:
    """Add to a record the digest of its fields."""
    content = {name: value for name, value in record.items() if name != SEAL}
    return cast("RecordT", content | {SEAL: _digest_of(content)})


def is_sealed(record: Mapping[str, object]) -> bool:
    """Check that a record is unchanged since it was sealed."""
    return record == sealed(record)


def write_sealed(record: Mapping[str, object], path: Path) -> None:
    """Write a record as JSON with the digest of its fields."""
    write_json(sealed(record), path)


def read_sealed(path: Path) -> JsonObject | None:
    """Read what `write_sealed` wrote; None if there is none or, with a warning, if it has changed."""
    try:
        record = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning(f"{path} cannot be read and is ignored: {error}")
        return None
    if is_sealed(record):
        return {name: value for name, value in record.items() if name != SEAL}
    log.warning(f"{path} is ignored: it was altered by hand, or an earlier version of datagen wrote it")
    return None


def _digest_of(record: Mapping[str, object]) -> str:
    # Normalise to what JSON restores: tuples become lists, numeric keys strings.
    plain = json.loads(json.dumps(record))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
