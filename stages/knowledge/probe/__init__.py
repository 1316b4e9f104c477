"""
Measure what the target knows: it answers each question without the passage.

One greedy answer and some samples are compared with the answer from the passage
(`datagen.stages.shared.language.matching`), and a row records all results: the answers, how well each
matches, the share of right samples (expected accuracy of Alignment for Honesty, arXiv 2312.07000), the
entropy of the samples (R-Tuning, arXiv 2311.09677), and the confidence of the greedy answer.

If all answers are right, the target **knows**; if all are wrong, it does **not know**; anything between, or
answers that partly agree, is **ambiguous** and yields no training row (the knowledge test of WACK, arXiv
2410.22071). Known questions are asked again after wrong examples and persuasion; if the target then errs, it
is **misled**, which calls for correction, not refusal. A label is valid for one target and revision, which
are part of the row's id and lineage: another target yields other rows.

Only questions that can be asked this way are probed. A question that mentions "the passage" or that fits
other passages as well ("What happens if no argument is given?") cannot be answered without it, yes and no
are right by chance half of the time, and long explanations cannot be compared by words: such rows are
dropped, each with its reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.json_types import JsonObject
from datagen.request import Answers, Reject, Request, Sampling
from datagen.rows import Row
from datagen.schema import EXAMPLES, content_id
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.knowledge.probe import choices, mislead
from datagen.stages.knowledge.probe.knowledge import Knowledge, estimate, estimate_by_choice, text_of
from datagen.stages.shared.checks import needs_no_passage
from datagen.stages.shared.language.matching import Aliases, essence, likeness
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.similarity.inverted_index import Postings

Temperature = Annotated[float, Field(gt=0)]


class Options(datagen.stage.Options):
    """Options of the questions to the target, and the criteria of a known question."""

    samples: int = Field(3, ge=0, description="Sampled answers in addition to the greedy one")
    temperature: Temperature | list[Temperature] = Field(
        0.7, description="Temperature of the samples; a list is used cyclically"
    )
    max_tokens: int = Field(
        48, ge=4, description="Maximum length of an answer, in tokens; truncated answers count"
    )
    right: float = Field(
        0.8, gt=0.5, le=1, description="Minimum similarity of a right answer to the passage's answer"
    )
    wrong: float = Field(
        0.3, ge=0, lt=0.5, description="Maximum similarity of a wrong answer to the passage's answer"
    )
    known: float = Field(1.0, gt=0, le=1, description="Minimum share of right answers of a known question")
    unknown: float = Field(
        0.0, ge=0, lt=1, description="Maximum share of answers that are not wrong, of an unknown question"
    )
    aliases: str = Field(
        "",
        description="A YAML file, relative to the recipe: answer -> list of equivalent answers",
    )
    longest: int = Field(
        8, ge=1, description="Maximum words that an answer adds to its question, to be comparable"
    )
    skip: tuple[str, ...] = Field(
        ("explanation", "summary", "terms", "true_false", "yes_no"),
        description="Tasks that cannot be asked without their passage",
    )
    prompt: str = Field("refusals/closed_book", description="Prompt file of the questions")
    choose: str = Field(
        "refusals/multiple_choice", description="Prompt file of questions with lettered options"
    )
    mislead: tuple[str, ...] = Field(
        ("refusals/wrong_examples", "refusals/persuasion"),
        description="Prompt files that mislead the target about what it knows; [] disables this test",
    )

    def temperature_of(self, sample: int) -> float:
        """Return the temperature of a sample; number 0 is the greedy answer."""
        if not sample:
            return 0.0
        cycle = self.temperature if isinstance(self.temperature, list) else [self.temperature]
        return cycle[(sample - 1) % len(cycle)]

    @model_validator(mode="after")
    def _band(self) -> "Options":
        if self.temperature == [] or (
            isinstance(self.temperature, list) and len(self.temperature) > self.samples
        ):
            raise ValueError("temperature needs at least one value, and at most as many as samples")
        if self.right - self.wrong < 0.1:
            raise ValueError("right must exceed wrong by at least 0.1, for answers that are neither")
        if self.known <= self.unknown:
            raise ValueError("known must be greater than unknown")
        return self


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask every self-contained question: for a letter, or for words, greedily and by sampling."""
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
    """Ask known questions again, with misleading prompts."""
    lures = [context.prompt(name) for name in options.mislead]
    for row in _probed(rows, options, context):
        try:
            known = not row.unfit and row.judge(answers).label == "known"
        except Reject:
            continue
        for lure in lures if known else ():
            yield mislead.ask(lure, row.id, row.question, row.lettered, options.max_tokens)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Compare the answers with the passage's answer and label the row."""
    builder = Builder("probes", context)
    target = context.model
    for row in _probed(rows, options, context):
        parent, row_answers = row.fields, answers.of(row.id)
        probe = {name: parent.get(name) for name in EXAMPLES.names if name not in ("lineage", "logprob")}
        probe["id"] = content_id(row.id, target.name, target.revision)
        try:
            if row.unfit:
                raise row.unfit
            knowledge = row.judge(answers)
        except Reject as reason:
            builder.drop(reason, probe, parent, *row_answers)
            continue
        probe |= vars(knowledge) | {"logprob": None if row.lettered else mean_logprob(row_answers[:1])}
        misled = [answer for answer in row_answers if answer.request.task == mislead.TASK]
        probe |= mislead.read(misled, row.match, options.wrong, row.language)
        builder.keep(probe, parent, *row_answers)
    return builder.outcome()


@dataclass(frozen=True)
class _Row:
    """A question to probe: why it cannot be probed, if so, and its right answers."""

    fields: JsonObject
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
        """The question."""
        return self.fields["question"] or ""

    def match(self, text: str) -> float:
        """Return the highest similarity of a text to a right answer."""
        if self.lettered:
            return float(text == self.lettered.right)
        return max(
            likeness(text, right, self.question, self.language.stop, language=self.language)
            for right in self.right
        )

    def judge(self, answers: Answers) -> Knowledge:
        """Estimate what the target knows from its answers."""
        direct = [answer for answer in answers.of(self.id) if answer.request.task != mislead.TASK]
        if self.lettered:
            return estimate_by_choice(self.lettered, choices.probabilities(direct), self.options.right)
        texts = [text_of(answer) for answer in direct]
        matches = [self.match(text) for text in texts]
        options = self.options
        bounds, shares = (options.wrong, options.right), (options.known, options.unknown)
        return estimate(
            texts, matches, mean_logprob(direct[:1]), bounds, shares, self.question, self.language
        )


def _probed(rows: pa.Table, options: Options, context: Context) -> Iterator[_Row]:
    """Prepare the rows for probing."""
    languages, aliases = Languages(context), Aliases.load(context.folder, options.aliases)
    examples = rows.to_pylist()
    passages = Postings({row["context"]: languages.of(row) for row in examples if row["context"]})
    for fields in examples:
        answer = fields["answer"] or ""
        language = languages.of(fields)
        lettered = choices.lettered(fields["question"] or "", answer, language)
        right = [answer, *(fields.get("aliases") or ()), *aliases.of(answer, language)]
        unfit = _unfit(fields, options, language, passages, lettered)
        yield _Row(fields, unfit, lettered, right, options, language)


def _unfit(
    row: Row,
    options: Options,
    language: Language,
    passages: Postings,
    lettered: choices.Lettered | None,
) -> Reject | None:
    """Return the reason why a question cannot be asked closed-book, if any."""
    question, answer = row["question"] or "", row["answer"] or ""
    stem = lettered.stem if lettered else question
    if row["task"] in options.skip:
        return Reject("needs its context", f"task {row['task']}")
    try:
        needs_no_passage(stem, language)
    except Reject as reason:
        return Reject("needs its context", reason.detail)
    if row["context"] and (others := passages.fits_others(stem, row["context"])):
        return Reject("needs its context", f"{others} other passages also contain its words: {stem}")
    if lettered:
        return None
    if language.verdict.fullmatch(answer) or (
        question and likeness(question, answer, language=language) == 1
    ):
        return Reject("answer can be guessed", answer)
    if (added := len(essence(answer, question, language.stop, language=language))) > options.longest:
        return Reject("answer too long to compare", f"adds {added} words to its question")
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
