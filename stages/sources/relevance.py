"""
Score documents by their relevance to a domain: the share of their words in terms of the domain.

The terms are given as a list, similar to CrossNER, which selects sentences by the domain's entities in them
(Liu et al. 2021, "CrossNER: Evaluating Cross-Domain Named Entity Recognition", AAAI, section 3), or learned
from a small sample of the domain: the words that are significantly more frequent in it than in the corpus, by
the log-likelihood ratio (Dunning 1993, "Accurate Methods for the Statistics of Surprise and Coincidence",
Computational Linguistics 19:61-74).

The score is written to each document's metadata; with `least`, documents with a lower score are dropped.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

import datagen.stage
from datagen.errors import UserError
from datagen.paths import expanded, regular
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Hashes, ngrams

LONGEST = 4  # maximum words of a term
SIGNIFICANT = 10.83  # minimum log-likelihood ratio: p < 0.001
MIN_COUNT = 3  # of a word in the sample of the domain
SAMPLE = 1000  # documents in which the corpus's words are counted
QUANTILES = (0.1, 0.5, 0.9)


class Options(datagen.stage.Options):
    """The definition of the domain, and the minimum score."""

    terms: str = Field("", description="File with one term per line (relative to the recipe)")
    texts: str = Field(
        "", description="Text files of the domain, in place of terms: a file or glob (relative to the recipe)"
    )
    most_terms: int = Field(500, ge=1, description="Maximum number of terms learned from texts")
    least: float = Field(
        0, ge=0, le=1, description="Documents with a lower score are dropped as 'off domain'"
    )

    @model_validator(mode="after")
    def _one_of(self) -> "Options":
        if bool(self.terms) == bool(self.texts):
            raise ValueError("give either terms: or texts:")
        return self


@dataclass(frozen=True)
class Terms:
    """Hashes of the terms, by their number of words."""

    hashes: dict[int, Hashes]

    def scores(self, texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float64]:
        """Return the share of each text's words in terms; 0 for a text without words."""
        cut = words(texts, symbols=False)
        inside = np.zeros(len(cut.words) + 1, np.int64)
        for count, terms in self.hashes.items():
            hashes, starts = ngrams(cut.hashes, cut.lengths, count)
            at = starts[np.isin(hashes, terms)]
            np.add.at(inside, at, 1)
            np.add.at(inside, at + count, -1)
        covered = np.cumsum(inside)[:-1] > 0
        total = np.bincount(cut.owners(), covered.astype(np.float64), minlength=len(cut.lengths))
        return np.divide(total, cut.lengths, out=np.zeros(len(total)), where=cut.lengths > 0)


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Terms]:
    """Determine the terms, show the scores of a sample of the corpus, and yield the terms per partition."""
    if not len(partitions):
        return
    per_partition = -(-SAMPLE // len(partitions))
    columns = partitions.columns(["id", "source", "text"])
    sample = pa.concat_tables([_sampled(rows, per_partition, context.seed) for rows in columns])
    lines = _lines(options, context) if options.terms else _learned(sample["text"], options, context)
    terms = _hashed(lines)
    scores = terms.scores(sample["text"])
    low, middle, high = np.quantile(scores, QUANTILES) if len(scores) else (0, 0, 0)
    notice = [
        f"{len(lines):,} terms, such as {', '.join(lines[:8])}. Of a sample of {len(sample):,} documents the "
        f"lowest tenth scores under {low:.3f}, half under {middle:.3f}, the highest tenth over {high:.3f}"
    ]
    if options.least:
        notice.append(f"{np.mean(scores < options.least):.0%} of the sample scores under {options.least:g}")
    context.notice(notice)
    yield from [terms] * len(partitions)


def apply(documents: pa.Table, terms: Terms, options: Options, context: Context) -> Outcome:
    """Write each document's score to its metadata, and drop documents below the minimum."""
    scores = terms.scores(documents["text"])
    metadata = [
        json.dumps(json.loads(fields or "{}") | {"relevance": round(float(score), 4)}, ensure_ascii=False)
        for fields, score in zip(documents["metadata"].to_pylist(), scores, strict=True)
    ]
    place = documents.schema.get_field_index("metadata")
    scored = documents.set_column(place, documents.schema.field(place), pa.array(metadata, pa.string()))
    under = scores < options.least
    reasons = ["off domain" if low else None for low in under]
    details = [
        f"{score:.4f} of its words are terms" if low else None
        for score, low in zip(scores, under, strict=True)
    ]
    return Outcome.split(scored, reasons, details)


def _sampled(rows: pa.Table, size: int, seed: int) -> pa.Table:
    keys = [fraction("relevance", str(seed), name) for name in rows["id"].to_pylist()]
    return rows.take(np.sort(np.argsort(keys, kind="stable")[:size]))


def _lines(options: Options, context: Context) -> list[str]:
    path = context.folder / expanded(options.terms)
    lines = [line.strip() for line in _text(path, "terms").splitlines()]
    terms = [line for line in dict.fromkeys(lines) if line and not line.startswith("#")]
    if not terms:
        raise UserError(f"{context.stage}.terms: {path} contains no term")
    return terms


def _learned(corpus: pa.ChunkedArray, options: Options, context: Context) -> list[str]:
    """Learn the words that distinguish the domain's texts from the corpus, the most distinctive first."""
    paths = sorted(context.folder.glob(options.texts))
    if not paths:
        raise UserError(
            f"{context.stage}.texts: {options.texts!r} matches no file in {context.folder.absolute()}"
        )
    domain = pa.array([_text(path, "texts") for path in paths], pa.string())
    inside, outside = _counts(domain), _counts(corpus)
    candidates = list(inside)
    a = np.array([inside[word] for word in candidates], np.float64)
    b = np.array([outside.get(word, 0) for word in candidates], np.float64)
    all_a, all_b = a.sum(), max(sum(outside.values()), 1)
    expected = (a + b) / (all_a + all_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 2 * (
            a * np.log(a / (all_a * expected)) + np.where(b > 0, b * np.log(b / (all_b * expected)), 0)
        )
    distinctive = (a >= MIN_COUNT) & (a / all_a > b / all_b) & (ratio > SIGNIFICANT)
    order = np.argsort(-ratio, kind="stable")
    learned = [candidates[at] for at in order if distinctive[at]][: options.most_terms]
    if not learned:
        raise UserError(
            f"{context.stage}.texts: no word of these {len(paths)} files is typical of them; "
            "give more text of the domain, or terms"
        )
    return learned


def _counts(texts: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Count the words that contain letters."""
    counted = pc.value_counts(words(texts, symbols=False).words)
    names, counts = counted.field("values"), counted.field("counts")
    letters = pc.match_substring_regex(names, r"\pL")
    return dict(zip(names.filter(letters).to_pylist(), counts.filter(letters).to_pylist(), strict=True))


def _hashed(terms: list[str]) -> Terms:
    cut = words(pa.array(terms, pa.string()), symbols=False)
    hashes = {
        count: np.unique(terms_of_count)
        for count in range(1, LONGEST + 1)
        if len(terms_of_count := _runs(cut.hashes, cut.lengths, count))
    }
    return Terms(hashes)


def _runs(hashes: Hashes, lengths: npt.NDArray[np.int64], count: int) -> Hashes:
    """Hash the terms of `count` words."""
    matching = lengths == count
    return ngrams(hashes[np.repeat(matching, lengths)], lengths[matching], count)[0]


def _text(path: Path, option: str) -> str:
    try:
        return regular(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"relevance.{option}: {path} cannot be read as UTF-8 text: {error}") from error


stage = WholeStage(
    "relevance", "score documents by their domain", "documents", "documents", run, Options, apply=apply
)
