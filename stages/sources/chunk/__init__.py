"""
Cut documents into passages, the units that questions are written about.

A passage should have one subject and be understandable without its neighbours;
`datagen.stages.sources.chunk.cut` finds the best places to cut. Passages unsuitable for questions are
dropped: those that are too short, grammars, tables of figures, indexes and licences.

Sizes are in characters, or in tokens of a tokenizer that the recipe names, independent of the generator.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stage import Builder, Context, MapStage, Outcome
from datagen.stages.sources.chunk.cut import Span, cut
from datagen.stages.sources.chunk.measure import CHARACTERS, Measure, in_tokens
from datagen.stages.sources.chunk.overlap import overlapping
from datagen.stages.sources.chunk.prose import is_licence, mention_licences, prose_share

TRIES = 5  # attempts to cut a document by tokens


class Options(datagen.stage.Options):
    """Size limits of passages, and which passages are dropped. Set `max_tokens` for limits in tokens."""

    max_chars: int = Field(1600, ge=100, description="Maximum characters of a passage")
    min_chars: int = Field(
        200, ge=1, description="Shorter passages are joined with their neighbours, or dropped as 'too short'"
    )
    max_tokens: int | None = Field(
        None, ge=32, description="Maximum tokens of a passage; replaces max_chars and min_chars"
    )
    min_tokens: int = Field(50, ge=1, description="With max_tokens: as min_chars, in tokens")
    tokenizer: str = Field(
        "bundled",
        description="With max_tokens: bundled, a checkpoint folder or a tokenizer.json (relative to the "
        "recipe)",
    )
    overlap: int = Field(
        0,
        ge=0,
        description="Maximum characters (with max_tokens: tokens) that a passage repeats from the end of the "
        "previous one in its section, in whole sentences",
    )
    min_prose: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Minimum share of a passage's characters in sentences; below: dropped as 'not prose'",
    )

    @property
    def longest(self) -> int:
        """Maximum size of a passage, in characters or tokens."""
        return self.max_tokens or self.max_chars

    @property
    def shortest(self) -> int:
        """Minimum size of a passage."""
        return self.min_tokens if self.max_tokens else self.min_chars

    @model_validator(mode="after")
    def _in_order(self) -> "Options":
        unit = "tokens" if self.max_tokens else "chars"
        if self.shortest > self.longest:
            raise ValueError(f"min_{unit} ({self.shortest}) is more than max_{unit} ({self.longest})")
        if self.overlap > self.longest // 2:
            raise ValueError(f"overlap ({self.overlap}) is more than half of max_{unit} ({self.longest})")
        stated = self.model_fields_set
        if self.max_tokens and stated & {"max_chars", "min_chars"}:
            raise ValueError("passages are limited by characters or by tokens: give max_chars or max_tokens")
        if not self.max_tokens and stated & {"min_tokens", "tokenizer"}:
            raise ValueError("min_tokens and tokenizer need max_tokens")
        return self

    def measure(self, folder: Path) -> Measure:
        """Return the unit of the sizes; paths are relative to the recipe's folder."""
        return in_tokens(self.tokenizer, folder) if self.max_tokens else CHARACTERS


def chunk(documents: pa.Table, options: Options, context: Context) -> Outcome:
    """Cut each document into passages and drop those unsuitable for questions."""
    builder = Builder("passages", context)
    measure = options.measure(context.folder)
    licensed = mention_licences(documents["text"])
    for row, may_be_licence in zip(documents.to_pylist(), licensed, strict=True):
        spans = _cut(row["text"], options, measure)
        texts = [row["text"][span.start : span.end] for span in spans]
        occurrences: Counter[str] = Counter()
        for index, (span, text, size) in enumerate(zip(spans, texts, measure.sizes(texts), strict=True)):
            passage = {
                "id": content_id(row["source"], text, str(occurrences[text])),
                "document_id": row["id"],
                "source": row["source"],
                "title": row["title"],
                "section": _below_title(span.path, row["title"]),
                "text": text,
                "start": span.start,
                "end": span.end,
                "index": index,
                "language": row.get("language"),
            }
            occurrences[text] += 1
            inside = span.in_code, index + 1 < len(spans) and spans[index + 1].in_code
            if why := refuse(text, size, measure.unit, options, inside, may_be_licence):
                builder.drop(why, passage, row)
            else:
                builder.keep(passage, row)
        if not spans:
            builder.drop(Reject("empty document"), {"document_id": row["id"], "source": row["source"]}, row)
    return builder.outcome()


def _cut(text: str, options: Options, measure: Measure) -> list[Span]:
    """
    Cut a document so that no passage, including its overlap, is longer than allowed.

    A passage on its own may have a few more tokens than within the document. In that case the document is cut
    again with a bound reduced by the excess.
    """
    at = measure.along(text)
    bound = options.longest - options.overlap
    spans: list[Span] = []
    for _ in range(TRIES):
        spans = overlapping(text, cut(text, bound, min(options.shortest, bound), at), options.overlap, at)
        if measure is CHARACTERS:
            break
        texts = [text[span.start : span.end] for span in spans]
        sizes = measure.sizes([text for text in texts if " " in text or "\n" in text])
        excess = max(sizes, default=0) - options.longest
        if excess <= 0 or bound <= options.longest // 2:
            break
        bound -= excess
    return spans


def refuse(
    text: str, size: int, unit: str, options: Options, inside: tuple[bool, bool], may_be_licence: bool
) -> Reject | None:
    """Return the reason to drop a passage, which may begin or end `inside` code; None if it is kept."""
    if size < options.shortest:
        return Reject("too short", f"{size} {unit}")
    if size > options.longest:
        return Reject("too long", f"{size} {unit} without a space")
    if may_be_licence and is_licence(text):
        return Reject("licence text", text[:80])
    share = prose_share(text, *inside)
    if share < options.min_prose:
        return Reject("not prose", f"{share:.2f} of its characters are in sentences")
    return None


def _below_title(path: tuple[str, ...], title: str | None) -> tuple[str, ...]:
    same = path and title and path[0].casefold().split() == title.casefold().split()
    return path[1:] if same else path


stage = MapStage("chunk", "cut documents into passages", "documents", "passages", chunk, Options)
