"""
Drop rows that say again what a better row says.

Which fields are compared depends on the kind (`COMPARED`): refusals share their answers by design and
are told apart by their questions; an instruction is its question, context and answer. A row is a
duplicate only where **every** compared field is alike:

* *exact*: equal in normal form (`datagen.stages.shared.similarity.ngrams`);
* *near*: alike by `datagen.stages.filter.dedup.alike`, by which templates filled with two names are not.
  Candidates come from MinHash (`datagen.stages.filter.dedup.minhash`) over the shingles of all fields
  together, which are at least as alike as the least alike field; short questions are all compared with each
  other while there are not too many. Each candidate is verified on all its words;
* *conflict*: an instruction whose question and context are alike and whose answer is not is no duplicate; the
  row that we are surer of stays.

Rows are taken best first: by their scores, then the one that most others are like, then the longer,
then by a draw. A row goes only when it is like one that stays. So the order of the input changes nothing, and
a chain of rows, each like the next, does not fall to its first one.

The work is cut by partitions, bands and ranges of pairs, and done on all workers; what is between two steps
stands in files. The one task that decides holds the rows that are like others, and no texts.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.filter.dedup import pairs, releases
from datagen.stages.filter.dedup.alike import SHINGLE
from datagen.stages.filter.dedup.decide import Fates, Verdict, decide, judge, tell
from datagen.stages.filter.dedup.losses import ask_about, losses
from datagen.stages.filter.dedup.minhash import bands_and_rows, found
from datagen.stages.filter.dedup.pairs import Likenesses, Work
from datagen.stages.filter.dedup.sketch import Sketches, sketch
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.store.parquet import write_json


class Options(datagen.stage.Options):
    """How alike rows must be, how candidates are found, and how much may go."""

    threshold: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity from which long texts are duplicates"
    )
    short_threshold: float = Field(
        0.9, gt=0, le=1, description="The same for short texts: ROUGE-L over words"
    )
    long_from: int = Field(100, ge=SHINGLE, description="Words from which a text is long")
    all_pairs: int = Field(
        200_000, ge=0, description="Short questions up to which all are compared with all, and not by LSH"
    )
    permutations: int = Field(128, ge=8, description="Numbers in a MinHash signature, 4 bytes each")
    bands: int | None = Field(None, ge=1, description="LSH bands; left out: chosen from the threshold")
    rows: int | None = Field(None, ge=1, description="Numbers of a signature in a band; goes with bands")
    neighbours: int = Field(16, ge=1, description="Candidates that a row gets from one bucket, at most")
    max_loss: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of a source that may go without asking; a source is a file or folder",
    )
    accept_loss: list[str] = Field([], description="Sources that may lose any share")
    earlier: list[str] = Field(
        [],
        description="Run folders of earlier releases whose rows must not come again; relative to the recipe",
    )
    keep_index: bool = Field(True, description="Keep the sketches, for later releases to be compared with")

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


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Sketch all rows, find and verify the pairs that are likely alike, decide."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    before, names = releases.join(options, context)
    paths = sketch_all(partitions, options, context)
    sketches = Sketches([*before, *paths])
    earlier = int(sketches.starts[len(before)])
    work = Work((*before, *paths), earlier, context.scratch, options)
    copies, questions = find_equal(work, context)
    alike = find_alike(work, context)
    fates = decide(sketches, earlier, copies, questions, alike)
    report(work, fates, context)
    yield from judge(sketches, fates, [*names, *[""] * len(paths)], len(before))
    if options.keep_index:
        releases.keep(paths, options)


def sketch_all(partitions: Partitions, options: Options, context: Context) -> list[Path]:
    """Sketch each partition into a file."""
    folder = releases.index_of(context.output) if options.keep_index else context.scratch
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{number:05d}.arrow" for number in range(len(partitions))]
    context.each(partial(sketch, options=options), list(zip(partitions.readers, paths, strict=True)))
    return paths


def find_equal(work: Work, context: Context) -> tuple[tuple[Numbers, Numbers], tuple[Numbers, Hashes]]:
    """Find the rows that are equal in normal form, and of the others those that ask the same."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    rows, copied = _together(context.each(partial(pairs.find_copies, work, shares), range(shares)))
    pairs.note_copies(work, rows)
    asked, questions = _together(context.each(partial(pairs.find_questions, work, shares), range(shares)))
    return (rows, copied), (asked, questions)


def _together(found: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def find_alike(work: Work, context: Context) -> Likenesses:
    """Pair what is likely alike, by bands and, of the short questions, all with all; verify each pair."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    tasks = [(band, share, shares) for band, share in product(range(work.options.shape[0]), range(shares))]
    files = context.each(partial(pairs.pair_in_band, work), tasks)
    short = range(0, pairs.note_short(work), pairs.TILE)
    files += context.each(partial(pairs.pair_short, work), short)
    ranges = [(low, high, files) for low, high in pairs.ranges(files)]
    return Likenesses.together(context.each(partial(pairs.verify, work), ranges))


def report(work: Work, fates: Fates, context: Context) -> None:
    """Write down what is found at which similarity and what each source loses; ask where that is too much."""
    lost = losses(work.sketches, fates, work.earlier)
    bands, rows = work.options.shape
    curve = {f"{tenths / 10:g}": round(found(tenths / 10, bands, rows), 4) for tenths in range(3, 11)}
    said = {"bands": bands, "rows": rows, "found": curve, "sources": [asdict(loss) for loss in lost]}
    write_json(said, context.output / "report.json")
    ask_about(lost, context.stage, work.options)


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Take the rows out that go, and say of each why."""
    reasons, details = tell(verdict)
    said = np.full((2, len(rows)), None, object)
    said[:, verdict.fates.rows] = reasons, details
    return Outcome.split(rows, pa.array(said[0], pa.string()), pa.array(said[1], pa.string()))


stage = WholeStage(
    name="dedup",
    summary="drop what a better row says already, and the weaker of two answers to a question",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)

passages = replace(
    stage,
    name="dedup_passages",
    summary="drop passages that say what another one says, before anything is made from them",
    takes="passages",
    gives="passages",
)
