"""
Turn passages into rows without a model: paragraphs as reading texts, and keywords into the paragraph.

These are two document formats of Fine Tuning LLM for Enterprise (arXiv 2404.10779); `instruct` is its
question-answer format and `functions` its format for source code. Every passage gives a row in each format,
kept or dropped, with the same source.
"""

from collections import Counter
from math import log
from typing import Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import exists
from datagen.request import Reject
from datagen.schema import chat, pick
from datagen.stage import Builder, Context, MapStage, Outcome
from datagen.stages.shared.language.rules import Languages, code_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill

SHORTEST = 4  # minimum letters of a keyword


class Options(datagen.stage.Options):
    """Which formats, and how many keywords."""

    formats: tuple[Literal["paragraph", "keywords"], ...] = Field(
        ("paragraph", "keywords"),
        min_length=1,
        description="paragraph: the passage as a reading text; keywords: the passage from its keywords",
    )
    keywords: int = Field(6, ge=1, description="Maximum number of keywords of a passage")
    least: int = Field(
        3, ge=1, description="Minimum number of keywords; a passage with fewer gives no keyword row"
    )


def apply(passages: pa.Table, options: Options, context: Context) -> Outcome:
    """Write the rows of a partition; word frequencies are counted within it."""
    languages = Languages(context)
    rows = [Passage(row, languages.of(row)) for row in passages.to_pylist()]
    candidates = [_candidates(passage) for passage in rows]
    holding = Counter(word for words in candidates for word in words)
    reading, builders = Builder("examples", context), dict[str, Builder]()
    for passage, words in zip(rows, candidates, strict=True):
        row, code = passage.row, code_of(passage.row)
        if "paragraph" in options.formats:
            reading.keep({"kind": "reading", "task": "paragraph", "text": _titled(passage)}, row)
        if "keywords" not in options.formats:
            continue
        fields = {"kind": "instruction", "task": "keywords"}
        name = f"paragraph_pairs/{code}"
        if not exists(name, context.prompts):
            reading.drop(Reject("no wordings for its language", code), fields, row)
            continue
        prompt = context.prompt(name)
        builder = builders.setdefault(code, Builder("examples", context, prompt.name, prompt.hash))
        weight = {word: times * log((1 + len(rows)) / holding[word]) for word, times in words.items()}
        chosen = sorted(weight, key=lambda word: (-weight[word], word))[: options.keywords]
        keywords = [quote for word in chosen if (quote := passage.find(word))]
        if len(keywords) < options.least:
            builder.drop(Reject("too few keywords", ", ".join(keywords)), fields, row)
            continue
        template = pick(prompt.fields["keywords"], "keywords", str(context.seed), row["id"])
        title = passage.heading or str(row["source"])
        question = fill(template, title=title, keywords=", ".join(keywords))
        pair = {"question": question, "answer": passage.text, "evidence": passage.text}
        builder.keep(fields | pair | {"prompt": chat(question)}, row)
    return Outcome.joined([builder.outcome() for builder in (reading, *builders.values())])


def _candidates(passage: Passage) -> Counter[str]:
    """Count the words of a passage that qualify as keywords."""
    stop = passage.words.stop
    return Counter(
        word
        for word in words_of(passage.text)
        if len(word) >= SHORTEST and word not in stop and not any(map(str.isdigit, word))
    )


def _titled(passage: Passage) -> str:
    return f"{passage.heading}\n\n{passage.text}" if passage.heading else passage.text


stage = MapStage(
    name="paragraph_pairs",
    summary="turn passages into reading texts and keyword-to-paragraph pairs, without a model",
    takes="passages",
    gives="examples",
    apply=apply,
    options=Options,
)
