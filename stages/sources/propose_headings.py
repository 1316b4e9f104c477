"""
Propose headings for documents that have none, so that their passages get places in a tree.

A model writes a heading of at most eight words for each passage. Then it is shown the headings of a document,
at most 40 at a time, and says which neighbours stand together and under which name. What it proposes goes
where the headings of other documents are, into the passages' ``section``: there `mine` and `comprehend`
(``structure: true``) and `outline_pairs` read it.

Every proposal is checked. A passage whose heading does not pass keeps the place that a rule gives it
(`datagen.stages.shared.segment.headings`); headings whose sections do not pass stand side by side. Both are
counted by reason, and no passage is dropped.

Source: StructTuning (Liu et al., arXiv 2407.16724), whose tree is made in these two steps.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
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
LONGEST = 8  # words of a heading
AT_ONCE = 40  # headings that are put into sections at a time
ENOUGH = 0.5  # of the headings in such a list that passed, at least; else nothing is asked
ABOUT = 0.75  # of a heading's content words that stand in its passage, at least
QUOTED = re.compile(r"[\"'“„«‘].*[\"'”»’]")
DRAWN = "<>│├└◀"  # what paths and trees are drawn with

Row = Mapping[str, Any]


class Section(BaseModel):
    """The parts of a document from one on, and their name."""

    first: int
    name: Annotated[str, Line(80)]


class Sections(BaseModel):
    """What the model writes about a list of headings."""

    sections: list[Section] = Field(min_length=2)


class Options(datagen.stage.Options):
    """What is asked."""

    sections: int = Field(
        6, ge=0, description="Passages of a document from which on they are put into sections; 0: never"
    )
    max_tokens: int = Field(384, ge=16, description="Longest answer about sections, in tokens")


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for a heading of each passage of the documents without any."""
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
    """Ask which headings of a document stand together. Where one did not pass, its place by rule is shown."""
    prompt = context.prompt(SECTIONS)
    for rows in bare(passages):
        headings = name(rows, answers, context)
        for part in parts(rows, headings, options):
            found = [headings[row["id"]] for row in part]
            shown = [
                propose(row["text"]) if isinstance(heading, Reject) else heading
                for row, heading in zip(part, found, strict=True)
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
    """Write what was proposed into the passages' ``section``, and count what was not."""
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
                above |= {row["id"]: one for row, one in zip(part, names, strict=True)}
        for key, heading in headings.items():
            path = [above[key]] if key in above else []
            if isinstance(heading, Reject):
                figures[f"unheaded_{heading.reason}".replace(" ", "_")] += 1
            else:
                figures["headed"] += 1
                path.append(heading)
            sections[key] = path
    columns = passages.select(["id", "section"]).to_pydict()
    found = [sections.get(*row) for row in zip(columns["id"], columns["section"], strict=True)]
    place = passages.column_names.index("section")
    headed = passages.set_column(place, passages.schema.field(place), pa.array(found, pa.list_(pa.string())))
    return replace(Outcome.all_kept(headed), figures=figures)


def bare(passages: pa.Table) -> Iterator[list[Row]]:
    """Yield the passages of each document without headings, but of those that are one titled passage."""
    documents: dict[str, list[Row]] = {}
    for row in passages.to_pylist():
        documents.setdefault(row["document_id"], []).append(row)
    for rows in documents.values():
        if not any(row["section"] for row in rows) and (len(rows) > 1 or not rows[0]["title"]):
            yield rows


def parts(
    rows: Sequence[Row], headings: Mapping[str, str | Reject], options: Options
) -> Iterator[Sequence[Row]]:
    """Part the passages of a document evenly into those shown together; yield parts with enough headings."""
    if not options.sections or len(rows) < options.sections:
        return
    count = -(-len(rows) // AT_ONCE)
    for start, stop in pairwise(len(rows) * number // count for number in range(count + 1)):
        headed = sum(isinstance(headings[row["id"]], str) for row in rows[start:stop])
        if headed >= ENOUGH * (stop - start):
            yield rows[start:stop]


def name(rows: Sequence[Row], answers: Answers, context: Context) -> dict[str, str | Reject]:
    """Give each passage of a document its heading, or why there is none: passage's id -> heading."""
    languages, asked = Languages(context), _asked(context.prompt(HEADING), passage="")
    found: dict[str, str | Reject] = {}
    for row in rows:
        try:
            found[row["id"]] = check(
                _answer(answers, row, "heading").text, Passage(row, languages.of(row)), asked
            )
        except Reject as why:
            found[row["id"]] = why
    times = Counter(_same(heading) for heading in found.values() if isinstance(heading, str))
    for key, heading in found.items():
        if isinstance(heading, str) and times[_same(heading)] > 1:
            found[key] = Reject("given to several passages", heading)
    return found


def group(part: Sequence[Row], answers: Answers, context: Context) -> list[str]:
    """
    Give each of some passages the name of its section.

    Raises
    ------
    Reject
        When one of the sections is none.
    """
    languages, asked = Languages(context), _asked(context.prompt(SECTIONS), names=[])
    said = _answer(answers, part[0], "sections").parse(Sections).sections
    firsts = [one.first for one in said]
    if firsts != sorted(set(firsts)) or firsts[0] != 1 or firsts[-1] > len(part):
        raise Reject("sections out of order", f"{firsts} of {len(part)}")
    if len(said) == len(part):
        raise Reject("a section for each heading", f"{len(part)}")
    names: list[str] = []
    for one, (start, stop) in zip(said, pairwise([*firsts, len(part) + 1]), strict=True):
        rows = part[start - 1 : stop - 1]
        text = "\n\n".join(row["text"] for row in rows)
        below = Passage({"title": rows[0]["title"], "text": text}, languages.of(part[0]))
        names += [check(one.name, below, asked)] * len(rows)
    if len({_same(one) for one in names}) < len(said):
        raise Reject("given to several sections", "; ".join(dict.fromkeys(names)))
    return names


def check(said: str, passage: Passage, asked: str) -> str:
    """
    Return a heading without marks and number; refuse what is none, or not the passage's.

    Parameters
    ----------
    said
        What the model wrote.
    passage
        What stands below it.
    asked
        What the prompt says besides the passage, to tell its echo.

    Raises
    ------
    Reject
        When it does not pass.
    """
    heading, words = plain(said).lstrip("# "), passage.words
    heading = unnumbered(heading[1:-1] if QUOTED.fullmatch(heading) else heading).rstrip(",;:")
    checks.clean(heading, passage, asked)
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
        raise Reject("says no more than the title", heading)
    return heading


def _answer(answers: Answers, row: Row, task: str) -> Answer:
    found = next((answer for answer in answers.of(row["id"]) if answer.request.task == task), None)
    if found is None:
        raise Reject("not answered", "no completion came back")
    return found


def _asked(prompt: Prompt, **nothing: Any) -> str:
    return "\n".join(message["content"] for message in prompt.render(heading="", **nothing))


def _same(heading: str) -> str:
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
