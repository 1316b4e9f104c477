"""
Cuts documents into passages: the units that questions are written about.

A passage should be about one thing and be understood without its neighbours:
`datagen.stages.sources.chunk.cut` finds where a document is best cut. A passage that no question should be
written about is dropped: one that is too short, a grammar, a table of figures, an index, a licence.

Sizes are characters, not tokens, so that passages do not change with the model (DESIGN, idea 4).
"""

from collections import Counter

import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stage import Builder, Context, MapStage, Outcome
from datagen.stages.sources.chunk.cut import cut, ruler
from datagen.stages.sources.chunk.prose import is_licence, prose_share


class Options(datagen.stage.Options):
    """How long passages are, and which are left out."""

    max_chars: int = Field(1600, ge=100, description="Characters of the longest passage")
    min_chars: int = Field(
        200, ge=1, description="Shorter passages are joined with their neighbours, or dropped as 'too short'"
    )
    min_prose: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of a passage's characters that stand in sentences; under it: 'not prose'",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Options":
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})")
        return self


def chunk(documents: pa.Table, options: Options, context: Context) -> Outcome:
    """Cut each document into passages and drop those that no question should be written about."""
    builder = Builder("passages", context)
    for row in documents.to_pylist():
        spans = cut(row["text"], options.max_chars, options.min_chars)
        seen: Counter[str] = Counter()
        for index, span in enumerate(spans):
            text = row["text"][span.start : span.end]
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
            if why := refuse(text, options):
                builder.drop(why, passage, row)
            else:
                builder.keep(passage, row)
        if not spans:
            builder.drop(Reject("empty document"), {"document_id": row["id"], "source": row["source"]}, row)
    return builder.outcome()


def refuse(text: str, options: Options) -> Reject | None:
    """Tell why a passage should not go on; None when it should."""
    size = ruler(text)(len(text))
    if size < options.min_chars:
        return Reject("too short", f"{size} characters")
    if size > options.max_chars:
        return Reject("too long", f"{size} characters without a blank")
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
