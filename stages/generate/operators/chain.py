"""
Chains of instructions: a pair, then instructions that each work on the previous output (arXiv 2402.11532).

The first link is the pair itself. Each further link is drawn from a file of links, among those that suit the
length of the previous output. The model judges whether that output fits the instruction (composability) and
carries out the instruction on it. The row asks for all steps and answers with the output of each. Its
`metadata` holds the links with their ids, inputs and outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from datagen.prompt import Prompt, PromptSource
from datagen.request import Answer, Answers, Reject, Request
from datagen.rows import Fields, Row
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.operators.parents import Operating, Parent, instruction_of, parents_of, repeats
from datagen.stages.shared import checks, formats, judge
from datagen.stages.shared.formats import FORMATS
from datagen.stages.shared.language.rules import Languages, code_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, overlap
from datagen.stages.shared.render.phrases import FIELD

TASK = "chain_of_instructions"
FITS, OUTPUT = "fits", "output"
ADVICE = "see prompts/operators/links.yaml"


class Link(BaseModel):
    """An instruction that works on the output of another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(min_length=1)
    least_words: int = Field(1, ge=1)
    most_words: int = Field(0, ge=0)
    about: float = Field(0.6, ge=0, le=1)
    format: str = ""
    asks: bool = False

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name and name not in FORMATS:
            raise ValueError(f"unknown format {name!r}; the formats are {', '.join(FORMATS)}")
        return name


class Links(BaseModel):
    """The fields of ``prompts/operators/links.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    links: dict[str, Link] = Field(min_length=1)
    instruction: str
    output: str
    opening: str


class Options(Operating):
    """How long chains are and what they are made of."""

    length: int = Field(2, ge=2, le=3, description="Links in a chain, including the row's own pair")
    fits: float = Field(0.5, ge=0, le=1, description="Minimum probability that an output fits the next link")
    links: str = Field("operators/links", description="File with the links")
    prompt: PromptSource = Field("operators/link", description="Prompt that carries out a link")
    composable: PromptSource = Field("judges/composable", description="Prompt that checks composability")


@dataclass(frozen=True)
class Step:
    """A link of a chain with its input and output."""

    id: str
    instruction: str
    input: str
    output: str


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for the second link of each chain."""
    writer = _Writer(options, context)
    for row, parent in parents_of(rows, options, context):
        if isinstance(parent, Parent) and (links := writer.links_of(row)):
            yield from writer.requests(parent, links, [writer.first(parent)])


def follow(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask for the third link of chains whose second one is sound."""
    if options.length < 3:
        return
    writer = _Writer(options, context)
    for row, parent in parents_of(rows, options, context):
        if isinstance(parent, Parent) and (links := writer.links_of(row)) and answers.of(row["id"]):
            steps = [writer.first(parent)]
            try:
                steps.append(writer.step(parent, links, steps, answers.of(row["id"])))
            except Reject:
                continue
            yield from writer.requests(parent, links, steps)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Assemble the chains. A chain with a missing or unsound link is dropped."""
    writer, builder, figures = _Writer(options, context), Builder("candidates", context), {"fitting": 0}
    for row, parent in parents_of(rows, options, context):
        fields: Fields = {"kind": "instruction", "task": TASK}
        if isinstance(parent, Reject):
            builder.drop(parent, fields, row)
            continue
        links, replies = writer.links_of(row), answers.of(row["id"])
        try:
            if links is None:
                raise Reject("no links in its language", code_of(row))
            steps = [writer.first(parent)]
            while len(steps) < options.length:
                steps.append(writer.step(parent, links, steps, replies))
                figures["fitting"] += 1
        except Reject as why:
            builder.drop(why, fields | {"question": parent.question}, row, *replies)
        else:
            outputs = [reply for reply in replies if reply.request.task == OUTPUT]
            builder.keep(
                _row(parent, links, steps),
                row,
                *outputs,
                *(reply for reply in replies if reply not in outputs),
            )
    return replace(builder.outcome(), figures=figures)


class _Writer:
    """Writes the requests for links and reads the answers."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._seed = options, str(context.seed)
        self._prompt, self._judge = context.prompt(options.prompt), context.prompt(options.composable)
        self._languages = Languages(context)
        self._echo = instruction_of(self._prompt, input="", instruction="")

    def links_of(self, row: Row) -> Links | None:
        """Return the links in the language of a row; None if there are none."""
        prompt: Prompt | None = self._languages.wording(self._options.links, code_of(row))
        return prompt.checked(Links, ADVICE) if prompt else None

    def first(self, parent: Parent) -> Step:
        """Return the pair itself as the first link."""
        return Step(parent.id, parent.question, parent.material, parent.answer)

    def requests(self, parent: Parent, links: Links, steps: Sequence[Step]) -> Iterator[Request]:
        """Ask whether the last output fits the next link, and request that link's output."""
        try:
            name = self._next(parent, links, steps)
        except Reject:
            return
        shown, instruction = steps[-1].output, links.links[name].instruction
        about, draw = f"{len(steps)} {name}", (self._seed, shown, instruction)
        yield from judge.ask(
            self._judge, parent.id, *draw, task=FITS, about=about, input=shown, instruction=instruction
        )
        yield self._prompt.ask(
            parent.id,
            task=OUTPUT,
            sampling=self._options.sampling(),
            about=about,
            input=shown,
            instruction=instruction,
        )

    def _next(self, parent: Parent, links: Links, steps: Sequence[Step]) -> str:
        """Draw a link that suits the length of the last output and is not in the chain yet."""
        words, used = len(words_of(steps[-1].output)), {step.id for step in steps}
        usable = [
            name for name, link in links.links.items() if link.least_words <= words and name not in used
        ]
        if not usable:
            raise Reject("no link fits", f"an output of {words} words")
        return min(usable, key=lambda name: content_id("link", self._seed, parent.id, name))

    def step(self, parent: Parent, links: Links, steps: Sequence[Step], replies: Sequence[Answer]) -> Step:
        """
        Read the next link.

        Raises
        ------
        Reject
            If the previous output does not fit the link, or the link's output is unsound.
        """
        name = self._next(parent, links, steps)
        link_replies = [reply for reply in replies if reply.request.about == f"{len(steps)} {name}"]
        fits = judge.probability(reply for reply in link_replies if reply.request.task == FITS)
        outputs = [reply for reply in link_replies if reply.request.task == OUTPUT]
        if fits is None or not outputs:
            raise Reject("not answered", name)
        if fits < self._options.fits:
            raise Reject("output does not fit the next link", f"{name}: {fits:.2f}")
        link, previous = links.links[name], steps[-1].output
        return Step(name, link.instruction, previous, self._sound(outputs[0], link, previous, parent))

    def _sound(self, answer: Answer, link: Link, previous: str, parent: Parent) -> str:
        """Return a link's output. Reject an output that is unsound or adds to its input."""
        text = answer.text
        source = Passage(dict(parent.passage.row) | {"text": previous}, parent.language)
        parts = formats.read(link.format, text).cells if link.format else [text]
        for part in parts:
            checks.clean(part, source, f"{self._echo}\n{link.instruction}")
        if not link.format and text.count("{") != text.count("}"):
            raise Reject("template leftover", f"a cut object: {text}")
        if link.most_words:
            checks.sized(text, 1, link.most_words)
        if link.asks:
            checks.question(text, parent.language)
            if repeats(text, parent.question, parent.language):
                raise Reject("repeats its parent", text)
        if " ".join(text.split()) == " ".join(previous.split()):
            raise Reject("repeats its input", text)
        joined = "\n".join(parts)
        checks.numbers(joined, previous)
        checks.denies_no_more(joined, previous, parent.language)
        content = parent.language.content(joined)
        if (share := overlap(content, set(parent.language.content(previous)))) < link.about:
            raise Reject("adds to its input", f"{share:.2f} of: {text}")
        return text


def _row(parent: Parent, links: Links, steps: Sequence[Step]) -> Fields:
    instructions = _listed(links.instruction, [step.instruction for step in steps])
    question = f"{links.opening}\n\n{instructions}"
    answer = _listed(links.output, [step.output for step in steps], "\n\n")
    recorded = [vars(step) for step in steps]
    recorded[0] = recorded[0] | {"input": None}  # the context of the row
    return parent.restated("chain", question, answer, links=recorded) | {"task": TASK}


def _listed(template: str, texts: Sequence[str], separator: str = "\n") -> str:
    listed = []
    for number, text in enumerate(texts, 1):
        values = {"number": str(number), "text": text}
        listed.append(FIELD.sub(lambda field, values=values: values[field[1]], template))  # type: ignore[misc]
    return separator.join(listed)


stage = ModelStage(
    name="chain",
    summary="extend each pair with instructions that work on the previous output",
    takes="examples",
    gives="candidates",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
    kinds=("instruction",),
)
