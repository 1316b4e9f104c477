"""
Propose headings for documents that have none, so that their passages get places in a tree.

A model writes a heading of at most eight words for each passage. Then it gets the headings of a document, at
most 40 at a time, and groups neighbours into named sections. The proposals are written to the passages'
``section``, like the headings of other documents, and used by `mine` and `comprehend` (``structure: true``)
and by `outline_pairs`.

Every proposal is checked. A passage whose heading is rejected keeps the place given by a rule
(`datagen.stages.shared.segment.headings`); headings whose sections are rejected remain on one level. Both are
counted by reason, and no passage is dropped.

Source: StructTuning (Liu et al., arXiv 2407.16724), which builds its tree in these two steps.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import PassageRow
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS, Line
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, overlap
from datagen.stages.shared.render.exercises import unnumbered
from datagen.stages.shared.segment.blocks import plain
from datagen.stages.shared.segment.headings import propose

HEADING, SECTIONS = "outline/heading", "outline/sections"
LONGEST = 8  # maximum words of a heading
AT_ONCE = 40  # headings that are grouped into sections at a time
ENOUGH = 0.5  # minimum share of accepted headings in such a list; below, no request is sent
ABOUT = 0.75  # minimum share of a heading's content words that occur in its passage
QUOTED = re.compile(r"[\"'“„«‘].*[\"'”»’]")
DRAWN = "<>│├└◀"  # characters of drawn paths and trees


class Section(BaseModel):
    """A section: the number of its first heading, and its name."""

    first: int
    name: Annotated[str, Line(80)]


class Sections(BaseModel):
    """The model's answer about a list of headings."""

    sections: list[Section] = Field(min_length=2)


class Options(datagen.stage.Options):
    """Options of the requests."""

    sections: int = Field(
        6, ge=0, description="Minimum passages of a document to group them into sections; 0: never"
    )
    max_tokens: int = Field(384, ge=16, description="Longest answer about sections, in tokens")


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request a heading for each passage of documents without headings."""
    prompt = context.prompt(HEADING)
    for rows in bare(passages):
        for row in rows:
            yield prompt.ask(
                row["id"],
                task="heading",
                sampling=Sampling(max_tokens=24, stop=("\n",)),
                heading=row["title"] or "",
                passage=row["text"],
            )


def follow(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Request the sections of a document. In place of a rejected heading, the one by rule is shown."""
    prompt = context.prompt(SECTIONS)
    for rows in bare(passages):
        headings = name(rows, answers, context)
        for part in parts(rows, headings, options):
            shown = [
                propose(row["text"]) if isinstance(heading := headings[row["id"]], Reject) else heading
                for row in part
            ]
            yield prompt.ask(
                part[0]["id"],
                task="sections",
                sampling=Sampling(max_tokens=options.max_tokens),
                schema=Sections,
                heading=rows[0]["title"] or "",
                names=shown,
            )


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write accepted proposals to the passages' ``section``, and count rejections."""
    sections, figures = dict[str, list[str]](), Counter[str]()
    for rows in bare(passages):
        headings, above = name(rows, answers, context), dict[str, str]()
        for part in parts(rows, headings, options):
            try:
                names = group(part, answers, context)
            except Reject as why:
                figures[f"unsectioned_{why.reason}".replace(" ", "_")] += len(part)
            else:
                figures["sectioned"] += len(part)
                above |= {row["id"]: section for row, section in zip(part, names, strict=True)}
        for key, heading in headings.items():
            path = [above[key]] if key in above else []
            if isinstance(heading, Reject):
                figures[f"unheaded_{heading.reason}".replace(" ", "_")] += 1
            else:
                figures["headed"] += 1
                path.append(heading)
            sections[key] = path
    columns = passages.select(["id", "section"]).to_pydict()
    paths = [sections.get(*row) for row in zip(columns["id"], columns["section"], strict=True)]
    place = passages.column_names.index("section")
    headed = passages.set_column(place, passages.schema.field(place), pa.array(paths, pa.list_(pa.string())))
    return replace(Outcome.all_kept(headed), figures=figures)


def bare(passages: pa.Table) -> Iterator[list[PassageRow]]:
    """Yield the passages of each document without headings, except documents of one titled passage."""
    documents: dict[str, list[PassageRow]] = {}
    for row in passages.to_pylist():
        documents.setdefault(row["document_id"], []).append(row)
    for rows in documents.values():
        if not any(row["section"] for row in rows) and (len(rows) > 1 or not rows[0]["title"]):
            yield rows


def parts(
    rows: Sequence[PassageRow], headings: Mapping[str, str | Reject], options: Options
) -> Iterator[Sequence[PassageRow]]:
    """Split a document's passages evenly into parts for one request; yield those with enough headings."""
    if not options.sections or len(rows) < options.sections:
        return
    count = -(-len(rows) // AT_ONCE)
    for start, stop in pairwise(len(rows) * number // count for number in range(count + 1)):
        headed = sum(isinstance(headings[row["id"]], str) for row in rows[start:stop])
        if headed >= ENOUGH * (stop - start):
            yield rows[start:stop]


def name(rows: Sequence[PassageRow], answers: Answers, context: Context) -> dict[str, str | Reject]:
    """Return the heading of each passage of a document, or its rejection: passage id -> heading."""
    languages, prompt = Languages(context), _prompt_text(context.prompt(HEADING), passage="")
    headings: dict[str, str | Reject] = {}
    for row in rows:
        try:
            headings[row["id"]] = check(
                _answer(answers, row, "heading").text, Passage(row, languages.of(row)), prompt
            )
        except Reject as why:
            headings[row["id"]] = why
    times = Counter(_folded(heading) for heading in headings.values() if isinstance(heading, str))
    for key, heading in headings.items():
        if isinstance(heading, str) and times[_folded(heading)] > 1:
            headings[key] = Reject("given to several passages", heading)
    return headings


def group(part: Sequence[PassageRow], answers: Answers, context: Context) -> list[str]:
    """
    Return the name of each passage's section.

    Raises
    ------
    Reject
        If one of the sections is invalid.
    """
    languages, prompt = Languages(context), _prompt_text(context.prompt(SECTIONS), names=[])
    sections = _answer(answers, part[0], "sections").parse(Sections).sections
    firsts = [section.first for section in sections]
    if firsts != sorted(set(firsts)) or firsts[0] != 1 or firsts[-1] > len(part):
        raise Reject("sections out of order", f"{firsts} of {len(part)}")
    if len(sections) == len(part):
        raise Reject("a section for each heading", f"{len(part)}")
    names: list[str] = []
    for section, (start, stop) in zip(sections, pairwise([*firsts, len(part) + 1]), strict=True):
        rows = part[start - 1 : stop - 1]
        text = "\n\n".join(row["text"] for row in rows)
        below = Passage({"title": rows[0]["title"], "text": text}, languages.of(part[0]))
        names += [check(section.name, below, prompt)] * len(rows)
    if len({_folded(name) for name in names}) < len(sections):
        raise Reject("given to several sections", "; ".join(dict.fromkeys(names)))
    return names


def check(text: str, passage: Passage, prompt: str) -> str:
    """
    Return a heading without marks and number, if it is a valid heading of the passage.

    Parameters
    ----------
    text
        The model's answer.
    passage
        The text below the heading.
    prompt
        The text of the prompt without the passage, to detect echoes.

    Raises
    ------
    Reject
        If it is invalid.
    """
    heading, words = plain(text).lstrip("# "), passage.words
    heading = unnumbered(heading[1:-1] if QUOTED.fullmatch(heading) else heading).rstrip(",;:")
    checks.clean(heading, passage, prompt)
    checks.sized(heading, 1, LONGEST)
    if any(mark in heading for mark in DRAWN):
        raise Reject("template leftover", heading)
    spoken, content = words_of(heading), words.content(heading)
    if heading.endswith(tuple(SENTENCE_MARKS + QUESTION_MARKS)) or (words.verbs | words.modals) & set(spoken):
        raise Reject("a sentence", heading)
    if spoken[-1] in words.stop | words.prepositions:
        raise Reject("unfinished", heading)
    checks.stands_alone(heading, words)
    checks.numbers(heading, passage.text)
    if overlap(content, frozenset(words.content(passage.text))) < ABOUT:
        raise Reject("not about the passage", heading)
    if set(content) <= set(words.content(passage.row["title"] or "")):
        raise Reject("adds nothing to the title", heading)
    return heading


def _answer(answers: Answers, row: PassageRow, task: str) -> Answer:
    match = next((answer for answer in answers.of(row["id"]) if answer.request.task == task), None)
    if match is None:
        raise Reject("not answered", "no completion was returned")
    return match


def _prompt_text(prompt: Prompt, **empty: object) -> str:
    return "\n".join(message["content"] for message in prompt.render(heading="", **empty))


def _folded(heading: str) -> str:
    return " ".join(words_of(heading))


stage = ModelStage(
    name="propose_headings",
    summary="propose headings and sections for documents that have none",
    takes="passages",
    gives="passages",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
