"""
What a search for near duplicates keeps of each row: its keys, its scores, its bands, and its words as hashes.

The rows of a partition become one Arrow file. It is mapped into memory and not read, so that a later
step touches only the columns and the rows that it needs. These files are also what a release keeps as its
index (`datagen.stages.filter.dedup.releases`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import Words, words
from datagen.stages.shared.ranking import SCORES, scores
from datagen.stages.shared.similarity.alike import SHINGLE, Lists, Texts
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.meaning import as_written
from datagen.stages.shared.similarity.minhash import band_keys, signatures
from datagen.stages.shared.similarity.ngrams import FACTOR, OTHER, Hashes, Numbers, digest, mix, ngrams
from datagen.stages.shared.similarity.plain import plain

# What of a row is compared, by kind; of other kinds everything.
COMPARED = {
    "passage": ("text",),
    "reading": ("text",),
    "instruction": ("question", "context", "answer"),
    "refusal": ("question",),
    "preference": ("question", "context", "answer", "rejected"),
}
FIELDS = ("question", "context", "rejected", "text", "answer")

# Kinds in which a question has one answer. Its rows are sketched without the answer, so that rows which
# differ in nothing else are found too.
ONE_ANSWER = ("instruction",)

# How the tasks of rows begin that say each what one sample said.
SAMPLES = "multisample"

SHORT_SHINGLES = (1, 2)  # words; a short text has too few of five
READ = ("id", "kind", "task", *FIELDS, *SCORES, "source", "lineage")


@dataclass(frozen=True)
class Field:
    """
    A field of all rows; empty where it is not compared.

    Parameters
    ----------
    words
        Its words, with capitals.
    written
        Hash of what is compared as it is written.
    """

    words: Words
    written: Hashes

    @property
    def lengths(self) -> Numbers:
        """Words of each row."""
        return self.words.lengths


Cut = dict[str, Field]
Mask = npt.NDArray[np.bool_]
Reader = Callable[[Sequence[str] | None], pa.Table]


def sketch(task: tuple[Reader, Path], criteria: Criteria) -> None:
    """Sketch the rows of a partition into a file."""
    reader, path = task
    table = _as_examples(reader(READ))
    cut = {name: _cut(table, name) for name in FIELDS}
    scope = _scopes(table)
    asks = _is_one_of(table["kind"], ONE_ANSWER) & (cut["question"].lengths > 0)
    asked = _fold_fields(cut, ("question", "context"), scope, FACTOR)
    columns: dict[str, Any] = {
        "id": table["id"],
        "source": _sources(table),
        "tie": _hash_each(table["id"]),
        "scope": scope,
        "length": pc.utf8_length(pc.fill_null(pc.coalesce(table["text"], table["answer"]), "")),
        **{name: pc.fill_null(score, -np.inf) for name, score in scores(table).items()},
        "key": _fold_fields(cut, FIELDS, scope, FACTOR),
        "check": _fold_fields(cut, FIELDS, scope, OTHER),
        "asked": np.where(asks, asked, np.uint64(0)),
        "short": _is_short(cut, asks, criteria.long_from).astype(np.uint8),
    }
    columns |= _bands(cut, asks, scope, columns["key"], criteria)
    for name, field in cut.items():
        columns |= {f"{part} {name}": values for part, values in _columns(field).items()}
    write(pa.table(columns), path)


def _columns(field: Field) -> dict[str, Any]:
    """Write down what `Texts` holds of a field."""
    texts = Texts.of(field.words, field.written)
    lists = {"words": texts.words, "names": texts.names, "openers": texts.openers}
    return {
        **{part: _array(some) for part, some in lists.items()},
        "telling": texts.telling,
        "strict": texts.strict,
    }


def _array(lists: Lists) -> pa.ListArray:
    ends = pa.array(np.concatenate([[0], lists.ends]), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(lists.values))


def _as_examples(table: pa.Table) -> pa.Table:
    """Give a table, of passages too, the columns of an example that are looked at."""
    if "kind" not in table.column_names:
        table = table.append_column("kind", pa.array(["passage"] * len(table), pa.string()))
    for name in {*FIELDS, "task"} - {*table.column_names}:
        table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table


def _cut(table: pa.Table, name: str) -> Field:
    others = [kind for kind, fields in COMPARED.items() if name not in fields]
    compared = pc.if_else(_among(table["kind"], others), pa.scalar(None, pa.string()), table[name])
    texts = plain(compared)
    return Field(words(texts, cased=True), as_written(texts))


def _scopes(table: pa.Table) -> Hashes:
    """
    Hash what rows must share to be compared: kind, whether there is a context, of refusals the task.

    So must the rows of `SAMPLES`: each stands for one of several answers to a question.
    """
    given = pc.is_valid(table["context"]).to_numpy() & ~_is_one_of(table["kind"], ("refusal", "reading"))
    told_apart = pc.or_kleene(pc.equal(table["kind"], "refusal"), pc.starts_with(table["task"], SAMPLES))
    tasks = pc.if_else(pc.fill_null(told_apart, False), table["task"], "")
    return mix(_hash_each(table["kind"]) + _hash_each(tasks) * FACTOR + given.astype(np.uint64))


def _fold_fields(cut: Cut, names: Sequence[str], scope: Hashes, factor: np.uint64) -> Hashes:
    folded = scope
    for name in names:
        field = cut[name]
        folded = mix(folded * factor + digest(field.words.hashes, field.lengths, factor) + field.written)
    return folded


def _is_short(cut: Cut, asks: Mask, long_from: int) -> Mask:
    """Find the rows that are sketched by a short question and nothing else."""
    lengths = {name: field.lengths for name, field in cut.items()}
    lengths["answer"] = np.where(asks, 0, lengths["answer"])
    question = lengths.pop("question")
    return (question > 0) & (question < long_from) & (sum(lengths.values()) == 0)


def _bands(cut: Cut, asks: Mask, scope: Hashes, key: Hashes, criteria: Criteria) -> dict[str, Hashes]:
    """
    Hash the bands of each row; of rows with the same key once.

    A text that is long, but so short that it may be compared with one that is not, is sketched in both
    ways: then the row has keys in the columns ``near``, too. They are 0 for the other rows.
    """
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    shape = criteria.shape
    once = {name: Field(field.words.take(first), field.written[first]) for name, field in cut.items()}
    asks, scope = asks[first], scope[first]
    bands = band_keys(_signatures(once, asks, criteria, criteria.long_from), scope, *shape)
    columns = {f"band {n}": keys[which] for n, keys in enumerate(bands)}
    until = criteria.near_until
    near = np.zeros(len(first), bool)
    for name, field in once.items():
        counts = ~asks if name == "answer" else np.ones(len(asks), bool)
        near |= (field.lengths >= criteria.long_from) & (field.lengths < until) & counts
    if near.any():
        rows = np.flatnonzero(near)
        some = {name: Field(field.words.take(rows), field.written[rows]) for name, field in once.items()}
        again = band_keys(_signatures(some, asks[rows], criteria, until), scope[rows], *shape)
        for n, keys in enumerate(again):
            column = np.zeros(len(first), np.uint64)
            column[rows] = keys
            columns[f"near {n}"] = column[which]
    return columns


def _signatures(cut: Cut, asks: Mask, criteria: Criteria, long_from: int) -> npt.NDArray[np.uint32]:
    """Sketch each row by the shingles of all its fields; a text is long from so many words."""
    owners, shingles = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for salt, (name, field) in enumerate(cut.items()):
        owner = field.words.owners()
        long = field.lengths >= long_from
        left_out = asks if name == "answer" else np.zeros(len(asks), bool)
        for n in (*SHORT_SHINGLES, SHINGLE):
            if (long == (n == SHINGLE)).any():
                grams, starts = ngrams(field.words.hashes, field.lengths, n, salt)
                of = owner[starts]
                mine = (long[of] == (n == SHINGLE)) & ~left_out[of]
                owners.append(of[mine])
                shingles.append(grams[mine])
    owner, together = np.concatenate(owners), np.concatenate(shingles)
    if (owner[1:] < owner[:-1]).any():
        together = together[np.argsort(owner, kind="stable")]
    return signatures(together, np.bincount(owner, minlength=len(asks)), criteria.permutations)


def _sources(table: pa.Table) -> pa.DictionaryArray:
    """
    Name what each row's document was read with.

    The records of a file are one source, and so are the files of a folder. Empty where it is not known.
    """
    said = table["source"] if "source" in table.column_names else pc.struct_field(table["lineage"], "source")
    said = _whole(pc.fill_null(said, ""))
    file = pc.replace_substring_regex(said, r"#.*$", "")
    folder = pc.replace_substring_regex(said, r"[^/]+$", "")
    folder = pc.if_else(pc.equal(folder, ""), "./", folder)
    source = pc.if_else(pc.equal(file, said), folder, file)
    return pc.if_else(pc.equal(said, ""), "", source).dictionary_encode()


def _hash_each(texts: pa.ChunkedArray) -> Hashes:
    column = _whole(pc.fill_null(texts, ""))
    return Words(column, np.ones(len(column), np.int64)).hashes


def _among(column: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(names, pa.string()))


def _is_one_of(column: pa.ChunkedArray, names: Sequence[str]) -> Mask:
    result: Mask = _among(column, names).to_numpy()
    return result


def write(table: pa.Table, path: Path) -> None:
    """Write an Arrow file, which readers see whole."""
    beside = path.with_name(f"{path.name}-{os.getpid()}")
    with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table.combine_chunks())
    beside.replace(path)


class Sketches:
    """
    The sketches of all partitions, as one table whose rows are numbered through.

    Parameters
    ----------
    paths
        Their files, in order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in paths]
        self.starts = np.cumsum([0, *map(len, self._tables)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def parts(self, *names: str) -> Iterator[tuple[int, list[npt.NDArray[Any]]]]:
        """Go through the partitions that have some columns: first row, and these."""
        for start, table in zip(self.starts, self._tables, strict=False):
            if {*names} <= {*table.column_names}:
                yield int(start), [_values(table[name]) for name in names]

    def column(self, name: str) -> Iterator[tuple[int, pa.Array]]:
        """Go through the partitions: first row, and a column as it is stored."""
        for start, table in zip(self.starts, self._tables, strict=False):
            yield int(start), _whole(table[name])

    def take(self, name: str, rows: Numbers) -> npt.NDArray[Any]:
        """Read a column of some rows, in any order."""
        order = np.argsort(rows)
        found = [_values(chunk) for chunk in self._chunks(name, rows[order])]
        if not found:
            return _values(self._tables[0][name].slice(0, 0))
        values = np.concatenate(found)
        back = np.empty_like(values)
        back[order] = values
        result: npt.NDArray[Any] = back
        return result

    def texts(self, field: str, rows: Numbers) -> Texts:
        """Read a field of some rows, in ascending order, as hashes of its words."""
        words, names, openers = (
            self._lists(f"{part} {field}", rows) for part in ("words", "names", "openers")
        )
        telling, strict = (self.take(f"{part} {field}", rows) for part in ("telling", "strict"))
        return Texts(words, names, openers, telling, strict)

    def words(self, field: str, rows: Numbers) -> Lists:
        """Read the words of a field of some rows, in ascending order."""
        return self._lists(f"words {field}", rows)

    def _lists(self, name: str, rows: Numbers) -> Lists:
        lists = list(self._chunks(name, rows))
        return Lists(
            np.concatenate([np.empty(0, np.uint64), *(_values(part.flatten()) for part in lists)]),
            np.concatenate(
                [np.empty(0, np.int64), *(_values(part.value_lengths()).astype(np.int64) for part in lists)]
            ),
        )

    def _chunks(self, name: str, rows: Numbers) -> Iterator[pa.Array]:
        cuts = np.searchsorted(rows, self.starts)
        for number, table in enumerate(self._tables):
            if cuts[number] < cuts[number + 1]:
                mine = rows[cuts[number] : cuts[number + 1]] - self.starts[number]
                yield _whole(table[name]).take(pa.array(mine))


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _values(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    result: npt.NDArray[Any] = _whole(column).to_numpy(zero_copy_only=False)
    return result
