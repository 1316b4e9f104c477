"""
Drop rows that hold words of the tests the model will be judged by.

A row leaks when it shares a run of `words` words with a test item (13, as in GPT-3, arXiv 2005.14165,
appendix C; case and punctuation do not count). An item with fewer words than that leaks as a whole,
down to `shortest`; an item shorter still only when a row's question is that item. Fields are searched one by
one, so that no run crosses their border.

A run that stands in rows of many documents is boilerplate and leaks nothing. Documents are counted and
not rows, since all rows of a passage share its words. Memory holds the items' runs.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.text.ngrams import Hashes, Numbers, Words, ngrams, words

FIELDS = ("question", "context", "answer", "rejected", "text")
BATCH = 10_000  # texts of test items that are cut at once
ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")


class EvaluationSet(datagen.stage.Options):
    """A test set."""

    path: str = Field(
        description="A .jsonl, .jsonl.gz or .parquet file, or a folder of such; relative to the recipe"
    )
    fields: list[str] = Field([], description="Fields that hold text; left out: all that do")


class Options(datagen.stage.Options):
    """What is searched for, and what counts as found."""

    against: list[EvaluationSet] = Field([], description="Test sets, each a path or path and fields")
    words: int = Field(13, ge=2, description="Words in a row that must not be shared")
    shortest: int = Field(8, ge=2, description="Words from which an item is searched for inside of texts")
    common: int = Field(10, ge=1, description="Documents that a run may stand in before it is boilerplate")

    @field_validator("against", mode="before")
    @classmethod
    def _paths(cls, given: Any) -> Any:
        if isinstance(given, list):
            return [{"path": one} if isinstance(one, str) else one for one in given]
        return given


@dataclass
class Runs:
    """The items' runs of one length: sorted hashes, and the item of each."""

    hashes: Hashes
    items: Numbers
    documents: dict[int, set[str]] = field(default_factory=dict)  # run -> documents that it was found in

    def find(self, grams: Hashes) -> tuple[Numbers, Numbers]:
        """Find which of some n-grams are runs of an item: their positions, and the runs."""
        at = np.searchsorted(self.hashes, grams).clip(max=len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[at] == grams)
        return found, at[found]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Read the test items, count in how many documents each of their runs stands, then judge the rows."""
    index, names = read_items(options, context.recipe.folder)
    if index:
        for table in partitions.columns(["id", "lineage", *FIELDS]):
            count_documents(table, index, options)
    for table in partitions:
        leaks = find_leaks(table, index, names, options) if index else {}
        said = [leaks.get(row) for row in range(len(table))]
        yield Outcome.split(table, ["leaks evaluation data" if leak else None for leak in said], said)


def read_items(options: Options, folder: Path) -> tuple[dict[int, Runs], list[str]]:
    """
    Hash the runs of all test items.

    Returns
    -------
    index, names
        Length in words -> runs; and what each item is called.

    Raises
    ------
    UserError
        When a test set is not there, cannot be read or holds no text.
    """
    names: list[str] = []
    found: dict[int, list[tuple[Hashes, Numbers]]] = {}
    for given in options.against:
        texts = _texts(given, folder, names)
        empty = True
        while batch := list(islice(texts, BATCH)):
            empty = False
            _hash_runs(words(pa.array([text for _, text in batch]), symbols=False), batch, options, found)
        if empty:
            raise UserError(f"decontaminate.against: {given.path} holds no text")
    index = {}
    for length, parts in sorted(found.items()):
        hashes, items = (np.concatenate(part) for part in zip(*parts, strict=True))
        once, first = np.unique(hashes, return_index=True)
        index[length] = Runs(once, items[first])
    return index, names


def _hash_runs(
    cut: Words,
    batch: list[tuple[int, str]],
    options: Options,
    found: dict[int, list[tuple[Hashes, Numbers]]],
) -> None:
    items = np.array([item for item, _ in batch])
    sizes = np.minimum(cut.lengths, options.words)
    for length in np.unique(sizes[sizes > 0]).tolist():
        mine = np.flatnonzero(sizes == length)
        some = cut.take(mine)
        hashes, starts = ngrams(some.hashes(), some.lengths, length)
        found.setdefault(length, []).append((hashes, items[mine][some.owners()[starts]]))


def count_documents(table: pa.Table, index: dict[int, Runs], options: Options) -> None:
    """Note for each run that a row holds which document the row comes from."""
    lineage = table["lineage"].combine_chunks()
    documents = pc.coalesce(pc.struct_field(lineage, "document_id"), table["id"].combine_chunks()).to_pylist()
    for hit in _search(table, index, options):
        seen = index[hit.length].documents
        for row, found in np.unique(np.stack([hit.rows, hit.runs]), axis=1).T.tolist():
            if len(known := seen.setdefault(found, set())) <= options.common:
                known.add(documents[row])


def find_leaks(table: pa.Table, index: dict[int, Runs], names: list[str], options: Options) -> dict[int, str]:
    """Name for each row that leaks the item and the words that they share."""
    leaks: dict[int, str] = {}
    for hit in _search(table, index, options):
        runs = index[hit.length]
        for row, start, found in zip(hit.rows.tolist(), hit.starts.tolist(), hit.runs.tolist(), strict=True):
            if row not in leaks and len(runs.documents[found]) <= options.common:
                shared = hit.cut.words.slice(start, hit.length).to_pylist()
                leaks[row] = f"{hit.field} shares with {names[runs.items[found]]}: {' '.join(shared)}"
    return leaks


@dataclass(frozen=True)
class Hit:
    """Where a field's texts hold runs of one length: rows, first words, and the runs."""

    field: str
    cut: Words
    length: int
    rows: Numbers
    starts: Numbers
    runs: Numbers


def _search(table: pa.Table, index: dict[int, Runs], options: Options) -> Iterator[Hit]:
    for name in FIELDS:
        cut = words(table[name], symbols=False)
        hashes, owners = cut.hashes(), cut.owners()
        for length, runs in index.items():
            whole = length < min(options.shortest, options.words)
            if whole and name != "question":
                continue
            grams, starts = ngrams(hashes, cut.lengths, length)
            if whole:
                alone: npt.NDArray[np.bool_] = cut.lengths[owners[starts]] == length
                grams, starts = grams[alone], starts[alone]
            places, found = runs.find(grams)
            yield Hit(name, cut, length, owners[starts[places]], starts[places], found)


def _texts(given: EvaluationSet, folder: Path, names: list[str]) -> Iterator[tuple[int, str]]:
    """Go through the texts of a test set, each with the number of its item; names the items."""
    for path in _files(folder / given.path, given.path):
        for number, item in enumerate(_records(path), 1):
            if missing := [name for name in given.fields if name not in item]:
                raise UserError(
                    f"decontaminate.against: item {number} of {path} has no field {missing[0]!r}; "
                    f"it has {', '.join(item)}"
                )
            names.append(f"{path.name}, item {item.get('id', number)}")
            chosen = [item[name] for name in given.fields] if given.fields else list(item.values())
            for text in _strings(chosen):
                yield len(names) - 1, text


def _files(path: Path, said: str) -> list[Path]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.is_file() and file.name.endswith(ENDINGS)]
    if not files:
        wrong = "holds no" if path.is_dir() else "is no" if path.exists() else "is not there; it should be a"
        raise UserError(f"decontaminate.against: {said} {wrong} {' or '.join(ENDINGS)} file ({path})")
    return files


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        else:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        item = json.loads(line)
                        yield item if isinstance(item, dict) else {"text": item}
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise UserError(f"decontaminate.against: {path} cannot be read: {error}") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        parts: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for part in parts:
            yield from _strings(part)


stage = WholeStage(
    name="decontaminate",
    summary="drop rows that hold words of the given evaluation sets",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
