"""
Find out what the target knows: it answers each question without the passage.

One greedy answer and some samples are compared with the answer from the passage
(`datagen.stages.shared.language.matching`), and a row keeps all that was seen: the answers, how well each
matches, the share of the samples that are right (expected accuracy of Alignment for Honesty, arXiv
2312.07000), the entropy of what they say (R-Tuning, arXiv 2311.09677), and how confident the greedy answer
is.

All right: the target **knows**; all wrong: it does **not know**; anything between, or answers that
partly agree, is **ambiguous** and teaches nothing (the knowledge test of WACK, arXiv 2410.22071). Of what it
knows it is asked again behind wrong examples and persuasion; where it then errs it is **misled**, which calls
for correction and not for refusal. A label holds for one target and revision, which is in the row's id and
lineage: another target makes other rows.

Only questions that can be asked this way are probed. One that speaks of "the passage" or that fits
another passage as well ("What happens if no argument is given?") cannot be answered without it, yes and
no are right half of the time by chance, and a long explanation cannot be compared by its words: such rows
are dropped, each with its reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.request import Answers, Reject, Request, Sampling
from datagen.schema import EXAMPLES, content_id
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.knowledge.probe import choices, mislead
from datagen.stages.knowledge.probe.knowledge import Knowledge, estimate, estimate_by_choice, said
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.language.matching import Aliases, essence, likeness
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.similarity.inverted_index import Postings

Temperature = Annotated[float, Field(gt=0)]


class Options(datagen.stage.Options):
    """What counts as knowing."""

    samples: int = Field(3, ge=0, description="Answers drawn besides the greedy one")
    temperature: Temperature | list[Temperature] = Field(
        0.7, description="Temperature of the samples; of several, each has its turn"
    )
    max_tokens: int = Field(48, ge=4, description="Most tokens of an answer; a cut-off one counts")
    right: float = Field(0.8, gt=0.5, le=1, description="An answer at least so like the passage's is right")
    wrong: float = Field(0.3, ge=0, lt=0.5, description="An answer at most so like the passage's is wrong")
    known: float = Field(1.0, gt=0, le=1, description="Share of right answers from which it is known")
    unknown: float = Field(0.0, ge=0, lt=1, description="Share of answers not wrong up to which it is not")
    aliases: str = Field(
        "",
        description="A YAML file, relative to the recipe: answer -> list of what means the same",
    )
    longest: int = Field(8, ge=1, description="Words that an answer may add to its question to be compared")
    skip: tuple[str, ...] = Field(
        ("explanation", "summary", "terms", "true_false", "yes_no"),
        description="Tasks that cannot be asked without their passage",
    )
    prompt: str = Field("refusals/closed_book", description="What the target is asked")
    choose: str = Field("refusals/multiple_choice", description="What it is asked where options are lettered")
    mislead: tuple[str, ...] = Field(
        ("refusals/wrong_examples", "refusals/persuasion"),
        description="Prompts that mislead it about what it knows; [] leaves this out",
    )

    def temperature_of(self, sample: int) -> float:
        """Give the temperature of a sample; the first answer, number 0, is greedy."""
        if not sample:
            return 0.0
        drawn = self.temperature if isinstance(self.temperature, list) else [self.temperature]
        return drawn[(sample - 1) % len(drawn)]

    @model_validator(mode="after")
    def _band(self) -> "Options":
        if self.temperature == [] or (
            isinstance(self.temperature, list) and len(self.temperature) > self.samples
        ):
            raise ValueError("temperature: give at least one, and samples: at least as many")
        if self.right - self.wrong < 0.1:
            raise ValueError("leave at least 0.1 between wrong: and right: for answers that are neither")
        if self.known <= self.unknown:
            raise ValueError("known: must be larger than unknown:")
        return self


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask every question that can stand alone: for a letter, or for words, greedily and `samples` times."""
    prompt, choose = context.prompt(options.prompt), context.prompt(options.choose)
    for row in _probed(rows, options, context):
        if row.unfit:
            continue
        if row.lettered:
            yield from choices.ask(choose, row.id, row.lettered)
            continue
        for sample in range(1 + options.samples):
            sampling = Sampling(options.max_tokens, temperature=options.temperature_of(sample))
            yield prompt.ask(
                row.id, task="closed_book", sampling=sampling, sample=sample, question=row.question
            )


def follow(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask again, misleadingly, what the target knows."""
    lures = [context.prompt(name) for name in options.mislead]
    for row in _probed(rows, options, context):
        try:
            known = not row.unfit and row.judge(answers).label == "known"
        except Reject:
            continue
        for lure in lures if known else ():
            yield mislead.ask(lure, row.id, row.question, row.lettered, options.max_tokens)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Compare the answers with the passage's and label the row."""
    builder = Builder("probes", context)
    target = context.model
    for row in _probed(rows, options, context):
        parent, given = row.fields, answers.of(row.id)
        made = {name: parent.get(name) for name in EXAMPLES.names if name not in ("id", "lineage", "logprob")}
        made["id"] = content_id(row.id, target.name, target.revision)
        try:
            if row.unfit:
                raise row.unfit
            knowledge = row.judge(answers)
        except Reject as why:
            builder.drop(why, made, parent, *given)
            continue
        made |= vars(knowledge) | {"logprob": None if row.lettered else mean_logprob(given[:1])}
        made |= mislead.read(
            [one for one in given if one.request.task == mislead.TASK], row.match, options.wrong, row.language
        )
        builder.keep(made, parent, *given)
    return builder.outcome()


@dataclass(frozen=True)
class _Row:
    """One question as it is probed: whether it can be, what is right, what was said."""

    fields: Mapping[str, Any]
    unfit: Reject | None
    lettered: choices.Lettered | None
    right: Sequence[str]
    options: Options
    language: Language

    @property
    def id(self) -> str:
        """The id of the example."""
        return str(self.fields["id"])

    @property
    def question(self) -> str:
        """What is asked."""
        return self.fields["question"] or ""

    def match(self, text: str) -> float:
        """Say how like the right answer a text is, at best."""
        if self.lettered:
            return float(text == self.lettered.right)
        return max(
            likeness(text, right, self.question, self.language.stop, language=self.language)
            for right in self.right
        )

    def judge(self, answers: Answers) -> Knowledge:
        """Read what the target knows of it from its answers."""
        given = [one for one in answers.of(self.id) if one.request.task != mislead.TASK]
        if self.lettered:
            return estimate_by_choice(self.lettered, choices.probabilities(given), self.options.right)
        texts = [said(one) for one in given]
        matches = [self.match(text) for text in texts]
        options = self.options
        bounds, shares = (options.wrong, options.right), (options.known, options.unknown)
        return estimate(texts, matches, mean_logprob(given[:1]), bounds, shares, self.question, self.language)


def _probed(rows: pa.Table, options: Options, context: Context) -> Iterator[_Row]:
    """Go through the rows with what must be known of each."""
    languages, aliases = Languages(context), Aliases.load(context.folder, options.aliases)
    probed = rows.to_pylist()
    passages = Postings({row["context"]: languages.of(row) for row in probed if row["context"]})
    for fields in probed:
        answer = fields["answer"] or ""
        language = languages.of(fields)
        lettered = choices.lettered(fields["question"] or "", answer, language)
        right = [answer, *(fields.get("aliases") or ()), *aliases.of(answer, language)]
        unfit = _unfit(fields, options, language, passages, lettered)
        yield _Row(fields, unfit, lettered, right, options, language)


def _unfit(
    row: Mapping[str, Any],
    options: Options,
    language: Language,
    passages: Postings,
    lettered: choices.Lettered | None,
) -> Reject | None:
    """Say why a question cannot be asked closed-book, if so."""
    question, answer = row["question"] or "", row["answer"] or ""
    asked = lettered.stem if lettered else question
    if row["task"] in options.skip:
        return Reject("needs its context", f"task {row['task']}")
    try:
        stands_alone(asked, language, asks=True)
    except Reject as why:
        return Reject("needs its context", why.detail)
    if row["context"] and (others := passages.fits_others(asked, row["context"])):
        return Reject("needs its context", f"its words stand in {others} other passages too: {asked}")
    if lettered:
        return None
    if language.verdict.fullmatch(answer) or (
        question and likeness(question, answer, language=language) == 1
    ):
        return Reject("answer can be guessed", answer)
    if (added := len(essence(answer, question, language.stop, language=language))) > options.longest:
        return Reject("answer too long to compare", f"{added} words more than its question")
    return None


stage = ModelStage(
    name="probe",
    summary="ask the target each question without the passage",
    takes="examples",
    gives="probes",
    ask=ask,
    follow=follow,
    read=read,
    role="target",
    options=Options,
    kinds=("instruction",),
)
