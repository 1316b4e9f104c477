"""
Cuts documents into passages: the units that questions are written about.

A passage should be about one thing and be understood without its neighbours:
`datagen.stages.sources.chunk.cut` finds where a document is best cut. A passage that no question should be
written about is dropped: one that is too short, a grammar, a table of figures, an index, a licence.

Sizes are in characters, or in tokens of a tokenizer that the recipe names, whichever model writes.
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
from datagen.stages.sources.chunk.prose import is_licence, prose_share

TRIES = 5  # of cutting a document in tokens


class Options(datagen.stage.Options):
    """How long passages are, and which are left out. Give `max_tokens` to bound them by tokens."""

    max_chars: int = Field(1600, ge=100, description="Characters of the longest passage")
    min_chars: int = Field(
        200, ge=1, description="Shorter passages are joined with their neighbours, or dropped as 'too short'"
    )
    max_tokens: int | None = Field(
        None, ge=32, description="Tokens of the longest passage; replaces max_chars and min_chars"
    )
    min_tokens: int = Field(50, ge=1, description="With max_tokens: as min_chars")
    tokenizer: str = Field(
        "bundled",
        description="With max_tokens: bundled, a checkpoint's folder or a tokenizer.json, from the recipe on",
    )
    overlap: int = Field(
        0,
        ge=0,
        description="Characters, or with max_tokens tokens, up to which a passage repeats the last sentences "
        "of the one before in its section",
    )
    min_prose: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of a passage's characters that stand in sentences; under it: 'not prose'",
    )

    @property
    def longest(self) -> int:
        """Size of the longest passage, in characters or tokens."""
        return self.max_tokens or self.max_chars

    @property
    def shortest(self) -> int:
        """Size under which a passage is too short."""
        return self.min_tokens if self.max_tokens else self.min_chars

    @model_validator(mode="after")
    def _in_order(self) -> "Options":
        unit = "tokens" if self.max_tokens else "chars"
        if self.shortest > self.longest:
            raise ValueError(f"min_{unit} ({self.shortest}) is more than max_{unit} ({self.longest})")
        if self.overlap > self.longest // 2:
            raise ValueError(f"overlap ({self.overlap}) is more than half of max_{unit} ({self.longest})")
        given = self.model_fields_set
        if self.max_tokens and given & {"max_chars", "min_chars"}:
            raise ValueError("passages are bounded by characters or by tokens: give max_chars or max_tokens")
        if not self.max_tokens and given & {"min_tokens", "tokenizer"}:
            raise ValueError("min_tokens and tokenizer need max_tokens")
        return self

    def measure(self, folder: Path) -> Measure:
        """Give the unit of the sizes; paths start at the recipe's folder."""
        return in_tokens(self.tokenizer, folder) if self.max_tokens else CHARACTERS


def chunk(documents: pa.Table, options: Options, context: Context) -> Outcome:
    """Cut each document into passages and drop those that no question should be written about."""
    builder = Builder("passages", context)
    measure = options.measure(context.folder)
    for row in documents.to_pylist():
        spans = _cut(row["text"], options, measure)
        texts = [row["text"][span.start : span.end] for span in spans]
        seen: Counter[str] = Counter()
        for index, (span, text, size) in enumerate(zip(spans, texts, measure.sizes(texts), strict=True)):
            passage = {
                "id": content_id(row["source"], text, str(seen[text])),
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
            seen[text] += 1
            if why := refuse(text, size, measure.unit, options):
                builder.drop(why, passage, row)
            else:
                builder.keep(passage, row)
        if not spans:
            builder.drop(Reject("empty document"), {"document_id": row["id"], "source": row["source"]}, row)
    return builder.outcome()


def _cut(text: str, options: Options, measure: Measure) -> list[Span]:
    """
    Cut a document so that no passage is longer than allowed, its overlap included.

    A passage alone may have a few tokens more than it has within the document: then the document is cut
    again, by a bound that is lower by as many.
    """
    at = measure.along(text)
    bound = options.longest - options.overlap
    spans: list[Span] = []
    for _ in range(TRIES):
        spans = overlapping(text, cut(text, bound, min(options.shortest, bound), at), options.overlap, at)
        texts = [text[span.start : span.end] for span in spans]
        sizes = measure.sizes([text for text in texts if " " in text or "\n" in text])
        excess = max(sizes, default=0) - options.longest
        if measure is CHARACTERS or excess <= 0 or bound <= options.longest // 2:
            break
        bound -= excess
    return spans


def refuse(text: str, size: int, unit: str, options: Options) -> Reject | None:
    """Tell why a passage of this size should not go on; None when it should."""
    if size < options.shortest:
        return Reject("too short", f"{size} {unit}")
    if size > options.longest:
        return Reject("too long", f"{size} {unit} without a blank")
    if is_licence(text):
        return Reject("licence text", text[:80])
    share = prose_share(text)
    if share < options.min_prose:
        return Reject("not prose", f"{share:.2f} of its characters stand in sentences")
    return None


def _below_title(path: tuple[str, ...], title: str | None) -> tuple[str, ...]:
    same = path and title and path[0].casefold().split() == title.casefold().split()
    return path[1:] if same else path


stage = MapStage("chunk", "cut documents into passages", "documents", "passages", chunk, Options)
