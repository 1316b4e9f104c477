"""
Answer questions from the passages that were retrieved for them.

The prompt shows the passages, and the model quotes the sentence that its answer is based on. The quote must
occur verbatim in one of them, and the answer is checked against all of them, like written exercises. A
question without passages is never answered: it is dropped here, and `open_questions` handles it.

The passage that contains the quote is the row's source; `metadata` lists all passages of the prompt and the
seeds.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import HitRow, QuestionRow
from datagen.schema import chat, content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.exercises.named_checks import Written, check_named
from datagen.stages.shared import checks
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.language.words import NUMBER
from datagen.stages.shared.passage import Passage

UNFOUNDED = "no passage found"
TRACED = ("document_id", "source", "title", "language", "start", "end")  # of the cited passage


class Options(datagen.stage.Options):
    """What an answer must be, and whether its row shows the passages."""

    shown: bool = Field(
        True, description="Show the passages in the row's prompt; otherwise it is closed-book"
    )
    max_chars: int | None = Field(
        None,
        ge=1,
        description="Maximum characters of the passages in a prompt; the best is always shown. Left out: any",
    )
    max_tokens: int = Field(512, ge=32, description="Maximum length of the answer and its quote, in tokens")
    temperature: float = Field(0.1, ge=0, description="0: always the likeliest answer")
    checks: tuple[str, ...] = Field(
        ("language", "grounded", "numbers", "about 0.5", "words 1-700"),
        description="Named checks of the answer (docs/written.md)",
    )
    prompt: str = Field("seeds/answer", description="Prompt for the model")


class Output(BaseModel):
    """An answer with the sentence that it rests on."""

    evidence: str
    answer: str


def ask(questions: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request an answer to each question that has passages."""
    prompt = context.prompt(options.prompt)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in questions.select(["id", "task", "question", "answered", "passages"]).to_pylist():
        if row["answered"]:
            yield prompt.ask(
                row["id"],
                task=row["task"],
                sampling=sampling,
                schema=Output,
                question=row["question"],
                passages=within(row["passages"], options.max_chars),
            )


def read(questions: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the answers; each question gives one row, kept or dropped."""
    prompt, languages = context.prompt(options.prompt), Languages(context)
    builder = Builder("examples", context)
    for row in questions.to_pylist():
        fields = {"kind": "instruction", "task": row["task"], "question": row["question"]}
        row_answers = answers.of(row["id"])
        if not row_answers:
            nearest = f"{UNFOUNDED}; the nearest one contains {_best(row):.2f} of its words"
            builder.drop(Reject(UNFOUNDED, nearest), fields, row)
            continue
        passages = within(row["passages"], options.max_chars)
        joined = "\n\n".join(hit["text"] for hit in passages)
        passage = Passage(
            {"text": joined, "title": passages[0]["title"], "language": passages[0]["language"]},
            languages.of(passages[0]),
        )
        try:
            output = _checked(row_answers[0], row["question"], passage, prompt, options)
            cited, evidence = cite(output.evidence, passages, languages)
            _rests_on(evidence, row["question"], output.answer, passage)
        except Reject as why:
            builder.drop(why, fields | {"answer": row_answers[0].completion.text}, row, *row_answers)
            continue
        context_text = joined if options.shown else None
        labels = json.loads(row["metadata"] or "{}") | {"passages": [hit["id"] for hit in passages]}
        example = fields | {
            "context": context_text,
            "answer": output.answer,
            "evidence": evidence,
            "prompt": chat(row["question"], context_text),
            "metadata": json.dumps(labels, ensure_ascii=False),
        }
        example["id"] = content_id(row["id"], cited["id"], context_text, output.answer)
        citation = {name: dict(cited)[name] for name in TRACED} | {"passage_id": cited["id"]}
        builder.keep(example, row | {"lineage": row["lineage"] | citation}, *row_answers)
    return builder.outcome()


def within(passages: Sequence[HitRow], most: int | None) -> list[HitRow]:
    """Return the first passages that together have at most `most` characters, at least one."""
    lengths = accumulate(len(passage["text"]) for passage in passages)
    fitting = sum(most is None or length <= most for length in lengths)
    return list(passages[: max(1, fitting)])


def _checked(answer: Answer, question: str, passage: Passage, prompt: Prompt, options: Options) -> Output:
    output = answer.parse(Output)
    unanswerable = matching.words(prompt.fields["unanswerable"], language=passage.words)
    if matching.words(output.answer, language=passage.words) == unanswerable:
        raise Reject("passages do not answer it", question)
    instruction = "\n".join(turn["content"] for turn in prompt.render(question="", passages=[]))
    checks.clean(output.answer, passage, instruction)
    checks.begun(output.answer)
    for name in options.checks:
        check_named(name, Written(question, output.answer, passage))
    checks.not_reversed(output.answer, passage)
    return output


def _rests_on(evidence: str, question: str, answer: str, passage: Passage) -> None:
    """Reject an answer whose words beyond the question, or whose numbers, are not those of its quote."""
    asked, quoted = ({*passage.words.content(text)} for text in (question, evidence))
    added = {*passage.words.content(answer)} - asked
    numbers, others = ({*NUMBER.findall(text)} for text in (answer, evidence))
    if (added and not added & quoted) or (
        others and numbers - {*NUMBER.findall(question)} and not numbers & others
    ):
        raise Reject("evidence does not support it", f"{answer}, by: {evidence}")


def cite(quote: str, passages: Sequence[HitRow], languages: Languages) -> tuple[HitRow, str]:
    """
    Find the passage that contains a quote.

    Returns
    -------
    The passage, and the quote as written there.

    Raises
    ------
    Reject
        If no passage contains it.
    """
    for hit in passages:
        if verbatim := Passage(hit, languages.of(hit)).find(quote):
            return hit, verbatim
    raise Reject("evidence not in passage", quote)


def _best(row: QuestionRow) -> float:
    return max((hit["share"] for hit in row["passages"] or ()), default=0.0)


stage = ModelStage(
    name="answer_questions",
    summary="answer questions from the passages that were retrieved for them",
    takes="questions",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
