"""
Drop rows that say again what a better row says.

Which fields are compared depends on the kind (`COMPARED`): refusals share their answers by design and
are told apart by their questions; an instruction is its context, question and answer. A row is a
duplicate only where **every** compared field is alike:

* *exact*: equal in normal form (`datagen.stages.text.ngrams`);
* *near*: alike by `datagen.stages.dedup.alike`, by which templates filled with two names are not.
  Candidates come from MinHash (`datagen.stages.dedup.minhash`) over the shingles of all fields together,
  which are at least as alike as the least alike field, and each is verified;
* *conflict*: one question about one context with two answers is no duplicate; the row we are surer of stays.

Rows are taken best first: by their scores, then the one that most others are like, then the longer,
then by id. A row goes only when it is like one that stays. So the order of the input changes nothing, and
a chain of rows, each like the next, does not fall to its first one. Memory holds ids, scores and
signatures of all rows, and the words of the candidates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

import datagen.stage
from datagen.records import content_id
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.dedup.alike import SHINGLE, Texts, compare
from datagen.stages.dedup.minhash import Signatures, bands_and_rows, candidates, found, signatures
from datagen.stages.select.quality import SCORES, best_first, confidence, scores
from datagen.stages.text.ngrams import Hashes, Numbers, Words, ngrams, words

# What of a row is compared, by kind; of other kinds everything.
COMPARED = {
    "reading": ("text",),
    "instruction": ("question", "answer", "context"),
    "refusal": ("question",),
    "preference": ("question", "answer", "rejected", "context"),
}
FIELDS = ("question", "answer", "rejected", "context", "text")

SHORT_SHINGLES = (1, 2)  # words; a short text has too few of five
MEASURES = {False: "ROUGE-L", True: f"Jaccard over {SHINGLE} words"}  # by whether a pair is long
BLOCK = 100_000  # pairs verified at once


class Options(datagen.stage.Options):
    """How alike rows must be, and how candidates are found."""

    threshold: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity from which long texts are duplicates"
    )
    short_threshold: float = Field(
        0.9, gt=0, le=1, description="The same for short texts: ROUGE-L over words"
    )
    long_from: int = Field(100, ge=SHINGLE, description="Words from which a text is long")
    permutations: int = Field(128, ge=8, description="Numbers in a MinHash signature, 4 bytes each")
    bands: int | None = Field(None, ge=1, description="LSH bands; left out: chosen from the threshold")
    rows: int | None = Field(None, ge=1, description="Numbers of a signature in a band; goes with bands")
    neighbours: int = Field(16, ge=1, description="Candidates that a row gets from one bucket, at most")

    @model_validator(mode="after")
    def _finds_something(self) -> "Options":
        if (self.bands is None) != (self.rows is None):
            raise ValueError("give bands and rows, or neither")
        bands, rows = self.shape
        if bands * rows > self.permutations:
            raise ValueError(
                f"{bands} bands of {rows} need {bands * rows} permutations; set permutations to that"
            )
        alike = (self.threshold + 1) / 2
        if (share := found(alike, bands, rows)) < 0.5:
            raise ValueError(
                f"{bands} bands of {rows} rows find {share:.1%} of the pairs that are {alike:.2f} alike; "
                "are they swapped? More bands of fewer rows find more"
            )
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Bands and rows."""
        if self.bands is not None and self.rows is not None:
            return self.bands, self.rows
        return bands_and_rows(self.threshold, self.permutations)


@dataclass(frozen=True)
class Survey:
    """
    All rows in brief. A *text* is what a row says: rows that are equal in normal form share one.

    Texts are numbered from the best one, so that of two texts the smaller number is the better.
    """

    rows: pa.Table  # id, scores and length of every row, in the order of the partitions
    starts: Numbers  # row that each partition starts with
    text: Numbers  # row -> its text
    best: Numbers  # text -> its best row
    sketches: Signatures  # text -> MinHash signature
    scopes: Hashes  # text -> what it may be compared with
    asked: list[str | None]  # text -> hash of context and question, where two answers are a conflict


@dataclass(frozen=True)
class Likeness:
    """Another text that a text is like: how much, and by which measure of which field."""

    other: int
    similarity: float
    measure: str


@dataclass(frozen=True)
class Fate:
    """Why a text goes, and for which one."""

    reason: str
    stays: int
    how: str


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Survey all rows, verify the likely pairs, decide, and go through the rows once more."""
    if not len(partitions):
        return
    seen = survey(partitions, options)
    first, second = candidates(seen.sketches, seen.scopes, *options.shape, options.neighbours)
    fates = decide(seen, verify(partitions, seen, first, second, options))
    for start, table in zip(seen.starts, partitions, strict=True):
        said = list(_verdicts(seen, fates, range(start, start + len(table))))
        yield Outcome.split(table, [reason for reason, _ in said], [detail for _, detail in said])


def survey(partitions: Partitions, options: Options) -> Survey:
    """Read every row once and keep its id, its scores, and of each different text a signature."""
    numbers: dict[str, int] = {}  # key of a text -> its number, as they come
    scopes: list[int] = []
    asked: list[str | None] = []
    brief, text, sketches = [], [], []
    for table in partitions.columns(["id", "kind", "task", *FIELDS, *SCORES]):
        cut = cut_fields(table)
        keys, fresh = [], []
        for row, (key, scope, question) in enumerate(_identify(table, cut)):
            if key not in numbers:
                numbers[key] = len(numbers)
                fresh.append(row)
                scopes.append(scope)
                asked.append(question)
            keys.append(numbers[key])
        said = pc.utf8_length(pc.fill_null(pc.coalesce(table["text"], table["answer"]), ""))
        brief.append(pa.table({"id": table["id"], **scores(table), "length": said}))
        text.append(np.array(keys, np.int64))
        sketches.append(_sketch({name: field.take(fresh) for name, field in cut.items()}, options))
    starts = np.cumsum([0, *map(len, text)])[:-1]
    return _ranked(pa.concat_tables(brief), starts, text, sketches, scopes, asked)


def _ranked(
    rows: pa.Table,
    starts: Numbers,
    text: list[Numbers],
    sketches: list[Signatures],
    scopes: list[int],
    asked: list[str | None],
) -> Survey:
    """Number the texts anew, from the one with the best row."""
    came = np.concatenate(text)
    order = best_first(rows, ("length", "descending"), ("id", "ascending"))
    _, first = np.unique(came[order], return_index=True)  # of each text the place of its best row
    ranking = np.argsort(first)
    number = np.empty(len(ranking), np.int64)
    number[ranking] = np.arange(len(ranking))
    return Survey(
        rows,
        starts,
        number[came],
        order[first[ranking]],
        np.concatenate(sketches)[ranking],
        np.array(scopes, np.uint64)[ranking],
        [asked[old] for old in ranking],
    )


def cut_fields(table: pa.Table) -> dict[str, Words]:
    """Cut the fields that are compared into words; a field that does not count for its row is empty."""
    cut = {}
    for name in FIELDS:
        others = [kind for kind, fields in COMPARED.items() if name not in fields]
        ignored = pc.is_in(table["kind"], value_set=pa.array(others, pa.string()))
        cut[name] = words(pc.if_else(ignored, pa.scalar(None, pa.string()), table[name]))
    return cut


def _identify(table: pa.Table, cut: dict[str, Words]) -> Iterator[tuple[str, int, str | None]]:
    """Give each row the key of its text, its scope, and the key of its question."""
    has_context = pc.is_valid(table["context"]).to_pylist()
    normal = {name: field.texts() for name, field in cut.items()}
    kinds, tasks = table["kind"].to_pylist(), table["task"].to_pylist()
    for row, (kind, task) in enumerate(zip(kinds, tasks, strict=True)):
        given = str(has_context[row] and "context" in COMPARED.get(kind, FIELDS))
        scope = (kind, task if kind == "refusal" else None, given)
        question = None
        if kind == "instruction" and normal["question"][row]:
            question = content_id(*scope, normal["context"][row], normal["question"][row])
        yield content_id(*scope, *(normal[name][row] for name in FIELDS)), _number(*scope), question


@cache
def _number(*parts: str | None) -> int:
    return int(content_id(*parts)[:16], 16)


def _sketch(cut: dict[str, Words], options: Options) -> Signatures:
    """Sketch each text by the shingles of all its fields."""
    owners, shingles = [], []
    for salt, field in enumerate(cut.values()):
        hashes, owner = field.hashes(), field.owners()
        long = field.lengths >= options.long_from
        for n in (*SHORT_SHINGLES, SHINGLE):
            grams, starts = ngrams(hashes, field.lengths, n, salt)
            mine = long[owner[starts]] == (n == SHINGLE)
            owners.append(owner[starts][mine])
            shingles.append(grams[mine])
    owner, count = np.concatenate(owners), len(field.lengths)
    together = np.concatenate(shingles)[np.argsort(owner, kind="stable")]
    return signatures(together, np.bincount(owner, minlength=count), options.permutations)


def verify(
    partitions: Partitions, seen: Survey, first: Numbers, second: Numbers, options: Options
) -> dict[int, list[Likeness]]:
    """
    Compare each pair field by field.

    Returns
    -------
    Text -> its likenesses to others.
    """
    texts, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    order = np.argsort(seen.best[texts])  # as they will be read
    said = _read_again(partitions, seen, seen.best[texts][order])
    pairs = np.argsort(order)[places].reshape(2, -1)
    alike: dict[int, list[Likeness]] = {}
    for start in range(0, len(first), BLOCK):
        for one, other, similarity, measure in _alike(said, pairs[:, start : start + BLOCK], options):
            left, right = int(texts[order[one]]), int(texts[order[other]])
            alike.setdefault(left, []).append(Likeness(right, similarity, measure))
            alike.setdefault(right, []).append(Likeness(left, similarity, measure))
    return alike


def _read_again(partitions: Partitions, seen: Survey, wanted: Numbers) -> dict[str, Texts]:
    """Read some rows, given in ascending order, and cut their fields."""
    cuts = []
    for start, table in zip(seen.starts, partitions.columns(["kind", *FIELDS]), strict=True):
        here = slice(*np.searchsorted(wanted, [start, start + len(table)]))
        cuts.append(cut_fields(table.take(wanted[here] - start)))
    return {name: Texts.of([cut[name] for cut in cuts]) for name in FIELDS}


def _alike(said: dict[str, Texts], pairs: Numbers, options: Options) -> Iterator[tuple[int, int, float, str]]:
    """Find the pairs that are alike in every field: the two, and the field in which they are least alike."""
    least, told = np.full(pairs.shape[1], 2.0), np.full(pairs.shape[1], "", object)
    for name, texts in said.items():
        similarity, long = compare(
            texts, *pairs, options.long_from, options.threshold, options.short_threshold
        )
        lower = similarity < least
        told[lower] = [f"{MEASURES[kind]} of {name}" for kind in long[lower]]
        least = np.minimum(least, similarity)
        pairs, least, told = pairs[:, similarity > 0], least[similarity > 0], told[similarity > 0]
    return zip(*pairs.tolist(), least.tolist(), told, strict=True)


def decide(seen: Survey, alike: dict[int, list[Likeness]]) -> dict[int, Fate]:
    """Go through the texts from the best one; one that is like a text that stays, goes."""
    fates: dict[int, Fate] = {}
    staying: set[int] = set()
    answered: dict[str, int] = {}
    for text in _order(seen, alike):
        question = seen.asked[text]
        if near := [pair for pair in alike.get(text, ()) if pair.other in staying]:
            most = max(near, key=lambda pair: (pair.similarity, -pair.other))
            fates[text] = Fate("near duplicate", most.other, f"{most.similarity:.3f} by {most.measure}")
        elif question and answered.setdefault(question, text) != text:
            fates[text] = Fate("conflicting answer", answered[question], "the same question")
        else:
            staying.add(text)
    return fates


def _order(seen: Survey, alike: dict[int, list[Likeness]]) -> list[int]:
    """Order the texts as they are decided; their numbers follow length and id where scores are equal."""
    likenesses = np.zeros(len(seen.best), np.int64)
    likenesses[list(alike)] = [len(others) for others in alike.values()]
    told = [pc.fill_null(seen.rows[name].take(seen.best), -np.inf).to_numpy() for name in SCORES]
    return np.lexsort(
        (np.arange(len(seen.best)), -likenesses, *(-score for score in reversed(told)))
    ).tolist()


def _verdicts(seen: Survey, fates: dict[int, Fate], rows: range) -> Iterator[tuple[str | None, str | None]]:
    """Say of each row why it goes, and for which other row; a copy shares the fate of its text."""
    for row, text in zip(rows, seen.text[rows.start : rows.stop].tolist(), strict=True):
        fate = fates.get(text)
        if fate is None and seen.best[text] == row:
            yield None, None
            continue
        fate = fate or Fate("exact duplicate", text, "equal but for case, blanks and punctuation")
        stays = int(seen.best[fate.stays])
        detail = f"of {seen.rows['id'][stays]}: {fate.how}"
        if fate.reason == "conflicting answer":
            detail += f", {_confidence(seen, row)} against {_confidence(seen, stays)}"
        yield fate.reason, detail


def _confidence(seen: Survey, row: int) -> str:
    return confidence({name: seen.rows[name][row].as_py() for name in SCORES})


stage = WholeStage(
    name="dedup",
    summary="drop what a better row says already, and the weaker of two answers to a question",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
