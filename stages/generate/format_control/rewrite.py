"""
Views of a pair: its question with a demand for a format, and its answer in that format.

Each view is a separate row with its format as ``view`` in its `metadata`; MinT (arXiv 2307.07951) likewise
distinguishes views by an instruction after the question. In a share of the rows an example replaces the
demand: another question with an answer in the format (open-domain format control by one example, OIFC).

An answer is kept if its format's parser accepts it, it has the demanded names and number of items, and it has
the words of every sentence of the plain answer, its numbers, negations and conditions.
The scorecard in `metadata` has

* ``formatting``: 1, the parser accepted it;
* ``coverage``: share of the plain answer's content words that it has, in the sentence where it is smallest;
* ``grounding``: share of its content words that are from the plain answer, the question or the material.

`datagen.stages.generate.operators.assess` scores how helpful it is.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pydantic import Field, field_validator

from datagen.control_tokens import control_tokens
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request
from datagen.rows import Fields, Row
from datagen.schema import content_id, fraction, pick
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.format_control.demands import Demand, Demands, draw_demand, draw_formats
from datagen.stages.generate.operators.parents import Operating, Parent, instruction_of, parents_of
from datagen.stages.shared import checks
from datagen.stages.shared.checks.form import SENTENCE_END
from datagen.stages.shared.formats import FORMATS, Parsed
from datagen.stages.shared.language.rules import Languages, code_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import overlap
from datagen.stages.shared.render.phrases import FIELD

OPERATOR = "formats"
SHORTEST = 3  # content words of a sentence that must be covered on its own
ADVICE = "see prompts/formats/demands.yaml"


class Options(Operating):
    """Which formats are demanded and what an answer in one must keep."""

    formats: dict[str, float] = Field(
        dict.fromkeys(FORMATS, 1.0), description="Formats with their weights, or a list"
    )
    views: int = Field(1, ge=1, description="Formats per row; each gives a separate row")
    one_shot: float = Field(
        0.3, ge=0, le=1, description="Share of the rows with an example in the format instead of a demand"
    )
    coverage: float = Field(
        0.6, ge=0, le=1, description="Minimum share of the words of each sentence to keep"
    )
    grounding: float = Field(0.8, ge=0, le=1, description="Minimum share of words that are not new")
    demands: str = Field("formats/demands", description="File with the wordings")
    prompt: PromptSource = Field("formats/rewrite", description="Prompt for the model")

    @field_validator("formats", mode="before")
    @classmethod
    def _weigh(cls, value: object) -> object:
        return dict.fromkeys(value, 1.0) if isinstance(value, list | tuple) else value

    @field_validator("formats")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        if unknown := weights.keys() - FORMATS.keys():
            raise ValueError(f"unknown format {min(unknown)!r}; the formats are {', '.join(FORMATS)}")
        if not weights or min(weights.values()) < 0 or not max(weights.values()):
            raise ValueError("name at least one format with a positive weight; no weight may be negative")
        return weights


@dataclass(frozen=True)
class View:
    """A kept view: its parent, demand, answer and scores, and the reply of the model."""

    parent: Parent
    demand: Demand
    answer: str
    scores: dict[str, float]
    reply: Answer


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request each drawn view of each row."""
    prompt, wordings = context.prompt(options.prompt), Wordings(options, context)
    for row, parent in parents_of(rows, options, context):
        if isinstance(parent, Parent):
            for demand in wordings.demands(parent):
                yield prompt.ask(
                    row["id"],
                    task=OPERATOR,
                    sampling=options.sampling(),
                    about=demand.format,
                    passage=parent.material,
                    question=parent.question,
                    answer=parent.answer,
                    demand=demand.text,
                )


class Wordings:
    """The demands in the language of each row."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._seed, self._languages = options, str(context.seed), Languages(context)

    def of(self, parent: Parent) -> Demands | None:
        """Return the wordings in a row's language; None if there are none."""
        prompt = self._languages.wording(self._options.demands, code_of(parent.row))
        return prompt.checked(Demands, ADVICE) if prompt else None

    def demands(self, parent: Parent) -> list[Demand]:
        """Draw the demands for a row; none if its question already demands a choice or a JSON object."""
        wordings = self.of(parent)
        if wordings is None or parent.form in ("choice", "object"):
            return []
        words, draw = len(words_of(parent.answer)), (parent.id, self._seed)
        weights = {name: weight for name, weight in self._options.formats.items() if name in wordings.formats}
        names = draw_formats(wordings, weights, words, self._options.views, *draw)
        return [draw_demand(name, wordings.formats[name], words, *draw) for name in names]


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the views and keep them as candidates."""
    builder, views = Builder("candidates", context), list[View]()
    empty = dict.fromkeys(("passage", "question", "answer", "demand"), "")
    instruction = instruction_of(context.prompt(options.prompt), **empty)
    wordings, figures = Wordings(options, context), Counter[str]()
    for row, parent in parents_of(rows, options, context):
        fields: Fields = {"kind": "instruction", "task": row["task"]}
        if isinstance(parent, Reject):
            builder.drop(parent, fields, row)
            continue
        demands = {demand.format: demand for demand in wordings.demands(parent)}
        row_answers = answers.of(row["id"])
        for answer in row_answers:
            demand = demands[answer.request.about]
            figures[f"written_{demand.format}"] += 1
            try:
                text, scores = _read(answer, parent, demand, instruction, options)
            except Reject as why:
                question = f"{parent.question}\n\n{demand.text}"
                rejected = {"question": question, "answer": answer.completion.text}
                builder.drop(why, fields | rejected, row, answer)
            else:
                views.append(View(parent, demand, text, scores, answer))
                figures[f"kept_{demand.format}"] += 1
        if not row_answers:
            builder.drop(Reject("no format for it" if not demands else "not answered"), fields, row)
    mates = Mates(views, str(context.seed))
    for view in views:
        fields, others = _row(view, mates, wordings, options, str(context.seed))
        builder.keep(fields, view.parent.row, view.reply, others=others)
    return replace(builder.outcome(), figures=figures)


def _read(
    answer: Answer, parent: Parent, demand: Demand, instruction: str, options: Options
) -> tuple[str, dict[str, float]]:
    text, parsed = demand.read(answer.text)
    if token := control_tokens().search(text):
        raise Reject("control token", f"{token[0]} in: {text[:200]}")
    for cell in parsed.cells:
        if cell.strip():
            checks.clean(cell, parent.passage, instruction)
    if demand.names and len(parsed.rows) == 1 and len(set(parsed.cells)) < len(parsed.cells):
        raise Reject("repeats a value", text[:200])
    sources = f"{parent.material}\n{parent.question}\n{parent.answer}"
    checks.numbers("\n".join(parsed.cells), sources)
    scores = scorecard(parsed, parent)
    for name in ("coverage", "grounding"):
        if scores[name] < getattr(options, name):
            reason = "leaves out what the answer says" if name == "coverage" else "adds to the answer"
            raise Reject(reason, f"{name} {scores[name]:.2f} of: {text[:200]}")
    told = "\n".join(parsed.cells)
    checks.keeps(told, parent.answer, parent.language)
    checks.denies_no_more(told, parent.answer, parent.language)
    return text, scores


def scorecard(parsed: Parsed, parent: Parent) -> dict[str, float]:
    """Score a formatted answer against the plain answer, from 0 to 1; names are ignored."""
    content = parent.language.content
    formatted, plain = content("\n".join(parsed.cells)), content(parent.answer)
    grounds = {*plain, *content(parent.question), *content(parent.material)}
    parts = [content(part) for part in re.split(rf"\n|{SENTENCE_END}", parent.answer)]
    coverage = min(
        overlap(part, set(formatted)) for part in (plain, *parts) if len(part) >= SHORTEST or part is plain
    )
    grounding = overlap(formatted, grounds)
    return {"formatting": 1.0, "coverage": round(coverage, 4), "grounding": round(grounding, 4)}


class Mates:
    """Finds another row's answer in exactly the same format for each view; lists have equal length."""

    def __init__(self, views: Sequence[View], seed: str) -> None:
        self._seed = seed
        self._rings: dict[Hashable, list[tuple[str, View]]] = {}
        for view in views:
            self._rings.setdefault(_form(view), []).append((self._position(view), view))
        for ring in self._rings.values():
            ring.sort(key=lambda entry: entry[0])

    def _position(self, view: View) -> str:
        return content_id("mate", self._seed, view.parent.id)

    def of(self, view: View) -> View | None:
        """Return the next view of another row in hash order; None if there is none."""
        ring, position = self._rings[_form(view)], self._position(view)
        after = bisect_right(ring, position, key=lambda entry: entry[0]) % len(ring)
        other = ring[after][1]
        return other if other.parent.id != view.parent.id else None


def _form(view: View) -> Hashable:
    demand = view.demand
    return demand.format, demand.names, demand.count, code_of(view.parent.row)


def _row(
    view: View, mates: Mates, wordings: Wordings, options: Options, seed: str
) -> tuple[Fields, list[Row]]:
    """Build a view's question with its demand, or with an example if one is drawn and available."""
    demand, parent = view.demand, view.parent
    labels: Fields = {
        "format": demand.format,
        "view": demand.format,
        "names": list(demand.names),
        "count": demand.count,
        "shown": "demand",
        "scores": view.scores,
    }
    templates, mate = wordings.of(parent), None
    if templates and fraction("one shot", parent.id, demand.format, seed) < options.one_shot:
        mate = mates.of(view)
    if templates is None or mate is None:
        question = f"{parent.question}\n\n{demand.text}"
        return parent.restated(OPERATOR, question, view.answer, **labels, demand=demand.text), []
    values = {"question": mate.parent.question, "answer": mate.answer}
    example = FIELD.sub(lambda field: values[field[1]], pick(templates.examples, parent.id, seed))
    labels |= {"shown": "example", "example": mate.parent.id}
    question, others = f"{example}\n\n{parent.question}", [mate.parent.row]
    return parent.restated(OPERATOR, question, view.answer, others, **labels), others


stage = ModelStage(
    name=OPERATOR,
    summary="rewrite answers in formats that the question demands",
    takes="examples",
    gives="candidates",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
