"""
Sketch rows for the search of near duplicates: their keys, scores, bands, and words as hashes.

The rows of a partition become one file; `datagen.stages.shared.similarity.sketch` reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import Words
from datagen.stages.shared.language.columns import words as split
from datagen.stages.shared.ranking import SCORES, scores
from datagen.stages.shared.similarity.alike import SHINGLE, Lists, Texts
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.meaning import as_written
from datagen.stages.shared.similarity.minhash import band_keys, signatures
from datagen.stages.shared.similarity.ngrams import FACTOR, OTHER, Hashes, Numbers, digest, mix, ngrams
from datagen.stages.shared.similarity.plain import plain
from datagen.stages.shared.similarity.sketch import FIELDS, Mask, Reader, vocabulary_of, whole, write

Stored: TypeAlias = pa.Array | pa.ChunkedArray | npt.NDArray[np.generic]  # a column of a sketch

# The fields that are compared, by kind; for other kinds all fields.
COMPARED = {
    "passage": ("text",),
    "reading": ("text",),
    "instruction": ("question", "context", "answer"),
    "refusal": ("question",),
    "preference": ("question", "context", "answer", "rejected"),
}

# Kinds in which a question has one answer. Their rows are sketched without the answer, so that rows that
# only differ in it are found too.
ONE_ANSWER = ("instruction",)

# Tasks with self-contained questions: question and answer are one pair, regardless of the passage shown.
STAND_ALONE = ("marked_question",)

# Prefix of the tasks whose rows each hold the answer of one sample.
SAMPLES = "multisample"

SHORT_SHINGLES = (1, 2)  # words; a short text has too few shingles of five
READ = ("id", "kind", "task", *FIELDS, *SCORES, "source", "lineage")


@dataclass(frozen=True)
class Field:
    """
    A field of all rows; empty for rows in which it is not compared.

    Parameters
    ----------
    words
        Its words, with capitals.
    written
        Hash of its verbatim parts.
    """

    words: Words
    written: Hashes

    @property
    def lengths(self) -> Numbers:
        """The number of words of each row."""
        return self.words.lengths


Cut = dict[str, Field]


def sketch(task: tuple[Reader, Path], criteria: Criteria) -> None:
    """Sketch the rows of a partition into a file."""
    reader, path = task
    table = _as_examples(reader(READ))
    cut = {name: _cut(table, name) for name in FIELDS}
    scope = _scopes(table)
    asks = _is_one_of(table["kind"], ONE_ANSWER) & (cut["question"].lengths > 0)
    asked = _fold_fields(cut, ("question", "context"), scope, FACTOR)
    keys = [_fold_fields(cut, FIELDS, scope, factor) for factor in (FACTOR, OTHER)]
    alone = _is_one_of(table["task"], STAND_ALONE)
    pair, unshown = [name for name in FIELDS if name != "context"], _scopes(table, shown=False)
    columns: dict[str, Stored] = {
        "id": table["id"],
        "source": _sources(table),
        "tie": _hash_each(table["id"]),
        "scope": scope,
        "length": pc.utf8_length(pc.fill_null(pc.coalesce(table["text"], table["answer"]), "")),
        **{name: pc.fill_null(score, -np.inf) for name, score in scores(table).items()},
        "key": np.where(alone, _fold_fields(cut, pair, unshown, FACTOR), keys[0]),
        "check": np.where(alone, _fold_fields(cut, pair, unshown, OTHER), keys[1]),
        "asked": np.where(asks, asked, np.uint64(0)),
        "short": _is_short(cut, asks, criteria.long_from).astype(np.uint8),
    }
    columns |= _bands(cut, asks, scope, keys[0], criteria)
    for name, field in cut.items():
        columns |= {f"{part} {name}": values for part, values in _columns(field).items()}
    write(_vocabulary(cut), vocabulary_of(path))
    write(pa.table(columns), path)


def _vocabulary(cut: Cut) -> pa.Table:
    """List all words by their hashes."""
    distinct = pc.unique(pa.concat_arrays([field.words.coded[0].words for field in cut.values()]))
    hashes = _hash_each(distinct)
    order = np.argsort(hashes)
    return pa.table({"hash": hashes[order], "word": distinct.take(pa.array(order))})


def _columns(field: Field) -> dict[str, Stored]:
    """Return the hashes of a field (`Texts`) as columns."""
    texts = Texts.of(field.words, field.written)
    lists = {"words": texts.words, "names": texts.names, "openers": texts.openers}
    return {
        **{part: _array(hashes) for part, hashes in lists.items()},
        "telling": texts.telling,
        "strict": texts.strict,
    }


def _array(lists: Lists) -> pa.ListArray:
    ends = pa.array(np.concatenate([[0], lists.ends]), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(lists.values))


def _as_examples(table: pa.Table) -> pa.Table:
    """Add the missing columns of examples to a table, which may hold passages."""
    if "kind" not in table.column_names:
        table = table.append_column("kind", pa.array(["passage"] * len(table), pa.string()))
    for name in {*FIELDS, "task"} - {*table.column_names}:
        table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table


def _cut(table: pa.Table, name: str) -> Field:
    others = [kind for kind, fields in COMPARED.items() if name not in fields]
    compared = pc.if_else(_among(table["kind"], others), pa.scalar(None, pa.string()), table[name])
    texts = plain(compared)
    return Field(split(texts, cased=True), as_written(texts))


def _scopes(table: pa.Table, *, shown: bool = True) -> Hashes:
    """
    Hash the properties that rows must share to be compared.

    These are the kind, with `shown` the existence of a context, and the task of refusals and of the rows of
    `SAMPLES`, which hold different answers to one question.
    """
    has_context = pc.is_valid(table["context"]).to_numpy()
    has_context &= ~_is_one_of(table["kind"], ("refusal", "reading"))
    has_context &= shown
    by_task = pc.or_kleene(pc.equal(table["kind"], "refusal"), pc.starts_with(table["task"], SAMPLES))
    tasks = pc.if_else(pc.fill_null(by_task, False), table["task"], "")
    return mix(_hash_each(table["kind"]) + _hash_each(tasks) * FACTOR + has_context.astype(np.uint64))


def _fold_fields(cut: Cut, names: Sequence[str], scope: Hashes, factor: np.uint64) -> Hashes:
    folded = scope
    for name in names:
        field = cut[name]
        folded = mix(folded * factor + digest(field.words.hashes, field.lengths, factor) + field.written)
    return folded


def _is_short(cut: Cut, asks: Mask, long_from: int) -> Mask:
    """Find the rows whose sketch consists of a short question only."""
    lengths = {name: field.lengths for name, field in cut.items()}
    lengths["answer"] = np.where(asks, 0, lengths["answer"])
    question = lengths.pop("question")
    return (question > 0) & (question < long_from) & (sum(lengths.values()) == 0)


def _bands(cut: Cut, asks: Mask, scope: Hashes, key: Hashes, criteria: Criteria) -> dict[str, Hashes]:
    """
    Hash the bands of each row, once for rows with the same key.

    A long text that can be a duplicate of a short one is sketched both ways: its row also has keys in the
    columns ``near``, which are 0 for other rows.
    """
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    shape = criteria.shape
    distinct = {name: Lists(field.words.hashes, field.lengths).take(first) for name, field in cut.items()}
    asks, scope = asks[first], scope[first]
    bands = band_keys(_signatures(distinct, asks, criteria, criteria.long_from), scope, *shape)
    columns = {f"band {n}": keys[which] for n, keys in enumerate(bands)}
    until = criteria.near_until
    near = np.zeros(len(first), bool)
    for name, words in distinct.items():
        counts = ~asks if name == "answer" else np.ones(len(asks), bool)
        near |= (words.lengths >= criteria.long_from) & (words.lengths < until) & counts
    if near.any():
        rows = np.flatnonzero(near)
        as_short = {name: words.take(rows) for name, words in distinct.items()}
        near_bands = band_keys(_signatures(as_short, asks[rows], criteria, until), scope[rows], *shape)
        for n, keys in enumerate(near_bands):
            column = np.zeros(len(first), np.uint64)
            column[rows] = keys
            columns[f"near {n}"] = column[which]
    return columns


def _signatures(
    fields: Mapping[str, Lists], asks: Mask, criteria: Criteria, long_from: int
) -> npt.NDArray[np.uint32]:
    """Compute the signature of each row from the shingles of all its fields, the hashes of their words."""
    owners, shingles = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for salt, (name, words) in enumerate(fields.items()):
        owner = words.owners()
        long = words.lengths >= long_from
        excluded = asks if name == "answer" else np.zeros(len(asks), bool)
        for n in (*SHORT_SHINGLES, SHINGLE):
            if (long == (n == SHINGLE)).any():
                grams, starts = ngrams(words.values, words.lengths, n, salt)
                of = owner[starts]
                selected = (long[of] == (n == SHINGLE)) & ~excluded[of]
                owners.append(of[selected])
                shingles.append(grams[selected])
    owner, hashes = np.concatenate(owners), np.concatenate(shingles)
    if (owner[1:] < owner[:-1]).any():
        hashes = hashes[np.argsort(owner, kind="stable")]
    return signatures(hashes, np.bincount(owner, minlength=len(asks)), criteria.permutations)


def _sources(table: pa.Table) -> pa.DictionaryArray:
    """
    Return the group of documents that each row is from: the records of a file, or the files of a folder.

    Empty if unknown.
    """
    if "source" in table.column_names:
        record = whole(pc.fill_null(table["source"], ""))
    else:
        record = whole(pc.fill_null(pc.struct_field(table["lineage"], "source"), ""))
    file = pc.replace_substring_regex(record, r"#.*$", "")
    folder = pc.replace_substring_regex(record, r"[^/]+$", "")
    folder = pc.if_else(pc.equal(folder, ""), "./", folder)
    source = pc.if_else(pc.equal(file, record), folder, file)
    return pc.if_else(pc.equal(record, ""), "", source).dictionary_encode()


def _hash_each(texts: pa.Array | pa.ChunkedArray) -> Hashes:
    column = whole(pc.fill_null(texts, ""))
    return Words(column, np.ones(len(column), np.int64)).hashes


def _among(column: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(names, pa.string()))


def _is_one_of(column: pa.ChunkedArray, names: Sequence[str]) -> Mask:
    result: Mask = _among(column, names).to_numpy()
    return result
