"""
Documents and rows of two runs that have the same content under another name.

The id of a document depends on its source, and ids of rows on those of their documents. A renamed file or a
moved folder therefore changes ids, although nothing else has changed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datagen.report.rows import final_parts
from datagen.run.folder import Run
from datagen.schema import IDENTITY, content_id
from datagen.store.parquet import parts, read_part


def renamed_documents(old: Run, removed: Collection[str], new: Run, added: Collection[str]) -> dict[str, str]:
    """
    Find documents with the same text.

    Parameters
    ----------
    old, removed
        The earlier run, and sources that the later run lacks.
    new, added
        The later run, and sources that the earlier run lacks.

    Returns
    -------
    New source -> old source.
    """
    if not removed or not added:
        return {}
    return _pairs(
        _contents(_document_parts(old), "source", removed, ["text"]),
        _contents(_document_parts(new), "source", added, ["text"]),
    )


def moved_rows(old: Run, removed: Collection[str], new: Run, added: Collection[str]) -> dict[str, str]:
    """Find rows with the same content; like `renamed_documents`, by id: new id -> old id."""
    if not removed or not added:
        return {}
    return _pairs(
        _contents(final_parts(old), "id", removed, IDENTITY),
        _contents(final_parts(new), "id", added, IDENTITY),
    )


def _document_parts(run: Run) -> list[Path]:
    records = [record for record in run.stage_records() if record.get("gives") == "documents"]
    return [path for record in records for path in parts(run.stage_folder(record["stage"]))]


def _contents(
    paths: Iterable[Path], key: str, keys: Collection[str], columns: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the hash of the columns' values, and the key, of each row with one of the keys."""
    wanted = pa.array(list(keys), pa.string())
    for path in paths:
        table = read_part(path, [key, *columns])
        for row in table.filter(pc.is_in(table[key], value_set=wanted)).to_pylist():
            yield content_id(*(row.get(name) for name in columns)), row[key]


def _pairs(old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pair keys of equal content, each key once."""
    by_content: dict[str, list[str]] = {}
    for content, key in old:
        by_content.setdefault(content, []).append(key)
    return {key: by_content[content].pop() for content, key in new if by_content.get(content)}
