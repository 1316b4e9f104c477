"""
Homework questions about the key concepts of a syllabus, with answers.

A question requires 1 to 5 concepts of one session (basic), or 2 to 5 of two sessions, at least one of each
(harder); a hash of the subject selects them. Rules check that a pair is about its concepts, not that its
answer is right: `datagen.stages.generate.operators.assess` judges that.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Fields, SessionRow, SyllabusRow
from datagen.schema import chat, content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.exercises.named_checks import Written, check_named
from datagen.stages.generate.operators.parents import PAGE, instruction_of, repeats
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import Text, parse
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage

TASK = "coursework"
QUESTION, ANSWER = "question", "answer"
MOST = 5  # maximum concepts that a question requires

T = TypeVar("T")


class Options(datagen.stage.Options):
    """How many questions are written about a subject, and how."""

    single: int = Field(2, ge=0, description="Questions about one session for each subject")
    double: int = Field(1, ge=0, description="Questions that connect two sessions, for each subject")
    max_tokens: int = Field(768, ge=64, description="Maximum length of a question or answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    prompt: PromptSource = Field("subjects/question", description="Prompt that writes a question")
    answering: PromptSource = Field("subjects/answer", description="Prompt that answers it")

    def sampling(self) -> Sampling:
        """Return the sampling parameters."""
        return Sampling(self.max_tokens, self.temperature)


class Question(BaseModel):
    """A homework question."""

    question: Annotated[str, Text(PAGE)]


class Reply(BaseModel):
    """The answer to a homework question."""

    answer: Annotated[str, Text(PAGE)]


@dataclass(frozen=True)
class Assignment:
    """What a question requires: titles of sessions, and concepts."""

    sessions: tuple[str, ...]
    concepts: tuple[str, ...]


def assignments(
    path: Sequence[str], sessions: Sequence[SessionRow], options: Options, seed: int
) -> list[Assignment]:
    """Draw distinct assignments for a subject; fewer than requested if its syllabus allows no more."""
    drawn: dict[Assignment, None] = {}
    for number in range(options.single + options.double):
        size = 1 if number < options.single else 2
        draw = ("assignment", str(seed), *path, str(number))
        ranks = [content_id(*draw, session["title"]) for session in sessions]
        order = sorted(range(len(sessions)), key=ranks.__getitem__)
        chosen = [sessions[place] for place in sorted(order[:size])]
        if len(chosen) == size:
            drawn.setdefault(_assignment(chosen, draw))
    return list(drawn)


def _assignment(sessions: Sequence[SessionRow], draw: Sequence[str]) -> Assignment:
    def rank(concept: str) -> str:
        return content_id(*draw, concept)

    first = [min(session["concepts"], key=rank) for session in sessions]
    rest = sorted({concept for session in sessions for concept in session["concepts"]} - set(first), key=rank)
    maximum = min(MOST, len({*first, *rest}))
    minimum = len(set(first))
    count = minimum + int(content_id(*draw, "count"), 16) % (maximum - minimum + 1)
    concepts = tuple(dict.fromkeys([*first, *rest]))[:count]
    return Assignment(tuple(session["title"] for session in sessions), concepts)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request the questions."""
    prompt = context.prompt(options.prompt)
    for row in rows.to_pylist():
        for number, assignment in enumerate(assignments(row["path"], row["sessions"], options, context.seed)):
            yield prompt.ask(
                row["id"],
                task=QUESTION,
                sampling=options.sampling(),
                schema=Question,
                about=str(number),
                path=" > ".join(row["path"]),
                sessions=list(assignment.sessions),
                concepts=", ".join(assignment.concepts),
            )


def follow(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Request an answer to each sound question."""
    prompt, reader = context.prompt(options.answering), _Reader(options, context)
    for row in rows.to_pylist():
        for number, question in reader.questions(row, answers.of(row["id"])).items():
            if isinstance(question, str):
                yield prompt.ask(
                    row["id"],
                    task=ANSWER,
                    sampling=options.sampling(),
                    schema=Reply,
                    about=number,
                    question=question,
                )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the answers and keep the pairs as candidates; the figures count them for each subject."""
    builder, reader, figures = Builder("candidates", context), _Reader(options, context), Counter[str]()
    for row in rows.to_pylist():
        row_answers = answers.of(row["id"])
        drafts = {answer.request.about: answer for answer in row_answers if answer.request.task == QUESTION}
        replies = {answer.request.about: answer for answer in row_answers if answer.request.task == ANSWER}
        fields: Fields = {"kind": "instruction", "task": TASK}
        subject = " > ".join(row["path"])
        figures[subject] += 0
        for number, question in reader.questions(row, row_answers).items():
            exchange = [drafts[number], *filter(None, [replies.get(number)])]
            rejected = fields
            try:
                if isinstance(question, Reject):
                    raise question
                rejected = fields | {"question": question}
                if len(exchange) == 1:
                    raise Reject("not answered", question)
                pair = reader.pair(row, int(number), question, exchange[1])
            except Reject as why:
                text = exchange[-1].completion.text
                builder.drop(why, rejected | {"answer": text}, row, *exchange)
            else:
                builder.keep(fields | pair, row, *exchange)
                figures[subject] += 1
        if not drafts:
            builder.drop(Reject("not answered", "no completion or no assignment"), fields, row)
    return replace(builder.outcome(), figures=figures)


class _Reader:
    """Reads questions and answers."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context, self._languages = options, context, Languages(context)
        self._asking = instruction_of(context.prompt(options.prompt), path="", sessions=[], concepts="")
        self._answering = instruction_of(context.prompt(options.answering), question="")

    def questions(self, row: SyllabusRow, row_answers: Sequence[Answer]) -> dict[str, str | Reject]:
        """Return a subject's questions by assignment number, or the reason why there is none."""
        questions: dict[str, str | Reject] = {}
        for answer in row_answers:
            if answer.request.task == QUESTION:
                earlier = [question for question in questions.values() if isinstance(question, str)]
                try:
                    questions[answer.request.about] = self._question(row, answer, earlier)
                except Reject as why:
                    questions[answer.request.about] = why
        return questions

    def _assignment(self, row: SyllabusRow, number: int) -> Assignment:
        return assignments(row["path"], row["sessions"] or [], self._options, self._context.seed)[number]

    def _subject(self, row: SyllabusRow, number: int) -> Passage:
        """Return the topics of a question as a passage: path, sessions and concepts."""
        assignment = self._assignment(row, number)
        text = "\n".join([*row["path"], *assignment.sessions, *assignment.concepts])
        about = {"id": row["id"], "title": "", "section": [], "text": text, "language": row["language"]}
        return Passage(about, self._languages.of(row))

    def _question(self, row: SyllabusRow, answer: Answer, earlier: Sequence[str]) -> str:
        subject = self._subject(row, int(answer.request.about))
        question = parse(answer, Question).question
        checks.sized(question, 4, 400)
        checks.clean(question, subject, self._asking)
        check_named("language", Written(question, question, subject))
        if any(repeats(question, other, subject.words) for other in earlier):
            raise Reject("repeated", question)
        concepts = self._assignment(row, int(answer.request.about)).concepts
        concept_words = set(subject.words.content("\n".join(concepts)))
        if not concept_words.intersection(subject.words.content(question)):
            raise Reject("not about its concepts", f"{', '.join(concepts)}: {question}")
        return question

    def pair(self, row: SyllabusRow, number: int, question: str, answer: Answer) -> Fields:
        """
        Return the fields of a pair.

        Raises
        ------
        Reject
            If the answer is unsound.
        """
        subject, reply = self._subject(row, number), parse(answer, Reply).answer
        checks.clean(reply, subject, self._answering)
        written = Written(question, reply, subject)
        for check in ("language", "withholds", "finished"):
            check_named(check, written)
        relevant = {*subject.content, *subject.words.content(question)}
        if not relevant.intersection(subject.words.content(reply)):
            raise Reject("not about the question", reply)
        assignment = self._assignment(row, number)
        labels = {
            "operator": TASK,
            "node": list(row["path"]),
            "sessions": list(assignment.sessions),
            "concepts": list(assignment.concepts),
        }
        return {
            "question": question,
            "answer": reply,
            "prompt": chat(question),
            "metadata": json.dumps(labels, ensure_ascii=False),
        }


stage = ModelStage(
    name=TASK,
    summary="write and answer questions about the key concepts of each syllabus",
    takes="syllabi",
    gives="candidates",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
