"""
Digests of a stage's files: whether a finished table still is what was written.

Parquet's page checksums show a flipped bit in most of a file whenever it is read. The digests in
``stage.json`` show it in the rest too, and a file that is missing, swapped, cut short or added. They are
compared once, when a run is continued, on all workers.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.store.parquet import PARTS, RECORD, UNFINISHED

Each = Callable[[Callable[[Path], str], Sequence[Path]], list[str]]  # calls a function for each path
SEAL = "sha256"  # of a record: the digest of the rest of it


def digest(path: Path) -> str:
    """Hash a file; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def digests(folder: Path, each: Each) -> dict[str, str]:
    """Hash every file of a stage's folder, by its path in there."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(UNFINISHED) and path != folder / RECORD
    ]
    found = each(digest, paths)
    return {path.relative_to(folder).as_posix(): said for path, said in zip(paths, found, strict=True)}


def differences(folder: Path, expected: Mapping[str, str], each: Each) -> list[str]:
    """Tell how the files of a stage's folder differ from what was written; nothing where they do not."""
    paths = [folder / name for name in expected]
    found = each(digest, paths)
    told = []
    for path, was, now in zip(paths, expected.values(), found, strict=True):
        if not path.exists():
            told.append(f"{path.relative_to(folder)} is missing")
        elif now != was:
            told.append(f"{path.relative_to(folder)} was altered")
    for part in sorted(folder.rglob(PARTS)):
        name = part.relative_to(folder).as_posix()
        if name not in expected:
            told.append(f"{name} was added")
    return told


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a record the digest of what it says."""
    said = {name: value for name, value in record.items() if name != SEAL}
    return said | {SEAL: _digest_of(said)}


def is_sealed(record: Mapping[str, Any]) -> bool:
    """Whether a record says what it said when it was sealed."""
    return record == sealed(record)


def _digest_of(record: Mapping[str, Any]) -> str:
    # As it will be read: a tuple comes back as a list, a number as a key as text.
    plain = json.loads(json.dumps(record))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
