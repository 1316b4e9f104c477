"""
Answer questions from the passages that were retrieved for them.

The model is shown the passages and quotes the sentence that it answers from. The quote must stand in one of
them word for word, and the answer is checked against all of them as written exercises are. A question
without passages is never answered: it is dropped here and goes to `open_questions`.

The passage that holds the quote is the row's source; `metadata` lists all passages that were shown, and the
seeds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import chat, content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.exercises.named_checks import Written, check_named
from datagen.stages.shared import checks
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage

Row = Mapping[str, Any]
UNFOUNDED = "no passage found"
TRACED = ("document_id", "source", "title", "language", "start", "end")  # of the passage that is cited


class Options(datagen.stage.Options):
    """What an answer must be, and whether its row shows the passages."""

    shown: bool = Field(True, description="Whether the row shows the passages; otherwise it is closed-book")
    max_tokens: int = Field(512, ge=32, description="Longest answer with its quote, in tokens")
    temperature: float = Field(0.1, ge=0, description="0: always the likeliest answer")
    checks: tuple[str, ...] = Field(
        ("language", "grounded", "numbers", "about 0.5", "words 1-700"),
        description="Named checks of the answer (docs/written.md)",
    )
    prompt: str = Field("seeds/answer", description="What the model is asked")


class Output(BaseModel):
    """An answer with the sentence that it rests on."""

    evidence: str
    answer: str


def ask(questions: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for an answer to each question that has passages."""
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
                passages=row["passages"],
            )


def read(questions: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the answers; a question gives one row, kept or dropped."""
    prompt, languages = context.prompt(options.prompt), Languages(context)
    builder = Builder("examples", context)
    for row in questions.to_pylist():
        fields = {"kind": "instruction", "task": row["task"], "question": row["question"]}
        given = answers.of(row["id"])
        if not given:
            nearest = f"{UNFOUNDED}; the nearest one contains {_best(row):.2f} of its words"
            builder.drop(Reject(UNFOUNDED, nearest), fields, row)
            continue
        shown = row["passages"]
        together = "\n\n".join(hit["text"] for hit in shown)
        passage = Passage(
            {"text": together, "title": shown[0]["title"], "language": shown[0]["language"]},
            languages.of(shown[0]),
        )
        try:
            output = _checked(given[0], row["question"], passage, prompt, options)
            cited, evidence = cite(output.evidence, shown, languages)
        except Reject as why:
            builder.drop(why, fields | {"answer": given[0].completion.text}, row, *given)
            continue
        context_text = together if options.shown else None
        noted = json.loads(row["metadata"] or "{}") | {"passages": [hit["id"] for hit in shown]}
        made = fields | {
            "context": context_text,
            "answer": output.answer,
            "evidence": evidence,
            "prompt": chat(row["question"], context_text),
            "metadata": json.dumps(noted, ensure_ascii=False),
        }
        made["id"] = content_id(row["id"], cited["id"], context_text, output.answer)
        traced = {name: cited[name] for name in TRACED} | {"passage_id": cited["id"]}
        builder.keep(made, row | {"lineage": row["lineage"] | traced}, *given)
    return builder.outcome()


def _checked(given: Answer, question: str, passage: Passage, prompt: Prompt, options: Options) -> Output:
    output = given.parse(Output)
    unanswerable = matching.words(prompt.fields["unanswerable"], language=passage.words)
    if matching.words(output.answer, language=passage.words) == unanswerable:
        raise Reject("passages do not answer it", question)
    asked = "\n".join(turn["content"] for turn in prompt.render(question="", passages=[]))
    checks.clean(output.answer, passage, asked)
    for name in options.checks:
        check_named(name, Written(question, output.answer, passage))
    return output


def cite(quote: str, shown: Sequence[Row], languages: Languages) -> tuple[dict[str, Any], str]:
    """
    Find the passage that a quote stands in.

    Returns
    -------
    The passage, and the quote as it stands there.

    Raises
    ------
    Reject
        When it stands in none.
    """
    for hit in shown:
        if found := Passage(hit, languages.of(hit)).find(quote):
            return dict(hit), found
    raise Reject("evidence not in passage", quote)


def _best(row: Row) -> float:
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
