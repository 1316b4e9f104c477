"""
Homework questions about the key concepts of a syllabus, with answers.

A question requires 1 to 5 concepts of one session (basic), or 2 to 5 of two sessions, at least one of each
(harder); which ones is drawn by a hash of the subject. Rules can check that a pair is about its
concepts, not that its answer is right: that is for `datagen.stages.generate.operators.assess`.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request, Sampling
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
MOST = 5  # concepts that a question requires

Row = Mapping[str, Any]


class Options(datagen.stage.Options):
    """How many questions are written about a subject, and how."""

    single: int = Field(2, ge=0, description="Questions about one session for each subject")
    double: int = Field(1, ge=0, description="Questions that connect two sessions, for each subject")
    max_tokens: int = Field(768, ge=64, description="Maximum length of a question or answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    prompt: PromptSource = Field("subjects/question", description="How a question is asked for")
    answering: PromptSource = Field("subjects/answer", description="How it is answered")

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
    path: Sequence[str], sessions: Sequence[Row], options: Options, seed: int
) -> list[Assignment]:
    """Draw the assignments of a subject, each once; fewer than wanted if its syllabus has no more."""
    drawn: dict[Assignment, None] = {}
    for number in range(options.single + options.double):
        wanted = 1 if number < options.single else 2
        draw = ("assignment", str(seed), *path, str(number))
        chosen = _drawn(sessions, wanted, lambda one, draw=draw: content_id(*draw, one["title"]))
        if len(chosen) == wanted:
            chosen.sort(key=sessions.index)
            drawn.setdefault(_assignment(chosen, draw))
    return list(drawn)


def _drawn(items: Sequence[Any], count: int, key: Any) -> list[Any]:
    return sorted(items, key=key)[:count]


def _assignment(sessions: Sequence[Row], draw: Sequence[str]) -> Assignment:
    def lot(concept: str) -> str:
        return content_id(*draw, concept)

    first = [min(session["concepts"], key=lot) for session in sessions]
    rest = sorted({c for session in sessions for c in session["concepts"]} - set(first), key=lot)
    most = min(MOST, len({*first, *rest}))
    least = len(set(first))
    count = least + int(content_id(*draw, "count"), 16) % (most - least + 1)
    concepts = tuple(dict.fromkeys([*first, *rest]))[:count]
    return Assignment(tuple(session["title"] for session in sessions), concepts)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for the questions."""
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
    """Have each sound question answered."""
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
    built, reader, figures = Builder("candidates", context), _Reader(options, context), Counter[str]()
    for row in rows.to_pylist():
        given = answers.of(row["id"])
        drafts = {one.request.about: one for one in given if one.request.task == QUESTION}
        replies = {one.request.about: one for one in given if one.request.task == ANSWER}
        fields: dict[str, Any] = {"kind": "instruction", "task": TASK}
        subject = " > ".join(row["path"])
        figures[subject] += 0
        for number, question in reader.questions(row, given).items():
            behind = [drafts[number], *filter(None, [replies.get(number)])]
            try:
                if isinstance(question, Reject):
                    raise question
                fields_ = fields | {"question": question}
                if len(behind) == 1:
                    raise Reject("not answered", question)
                made = reader.pair(row, int(number), question, behind[1])
            except Reject as why:
                said = {} if isinstance(question, Reject) else fields_
                built.drop(why, fields | said | {"answer": behind[-1].completion.text}, row, *behind)
            else:
                built.keep(fields | made, row, *behind)
                figures[subject] += 1
        if not drafts:
            built.drop(Reject("not answered", "no completion or no assignment"), fields, row)
    return replace(built.outcome(), figures=figures)


class _Reader:
    """Reads questions and answers."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context, self._languages = options, context, Languages(context)
        self._asking = instruction_of(context.prompt(options.prompt), path="", sessions=[], concepts="")
        self._answering = instruction_of(context.prompt(options.answering), question="")

    def questions(self, row: Row, given: Sequence[Answer]) -> dict[str, str | Reject]:
        """Return the questions about a subject by the number of their assignment, or why there is none."""
        found: dict[str, str | Reject] = {}
        for answer in given:
            if answer.request.task == QUESTION:
                earlier = [one for one in found.values() if isinstance(one, str)]
                try:
                    found[answer.request.about] = self._question(row, answer, earlier)
                except Reject as why:
                    found[answer.request.about] = why
        return found

    def _assignment(self, row: Row, number: int) -> Assignment:
        return assignments(row["path"], row["sessions"], self._options, self._context.seed)[number]

    def _subject(self, row: Row, number: int) -> Passage:
        """Return what a question may be about: the path, the sessions and the concepts, as a passage."""
        assignment = self._assignment(row, number)
        text = "\n".join([*row["path"], *assignment.sessions, *assignment.concepts])
        about = {"id": row["id"], "title": "", "section": [], "text": text, "language": row["language"]}
        return Passage(about, self._languages.of(row))

    def _question(self, row: Row, answer: Answer, earlier: Sequence[str]) -> str:
        subject = self._subject(row, int(answer.request.about))
        question = parse(answer, Question).question
        checks.sized(question, 4, 400)
        checks.clean(question, subject, self._asking)
        check_named("language", Written(question, question, subject))
        if any(repeats(question, other, subject.words) for other in earlier):
            raise Reject("repeated", question)
        wanted = self._assignment(row, int(answer.request.about)).concepts
        concepts = set(subject.words.content("\n".join(wanted)))
        if not concepts.intersection(subject.words.content(question)):
            raise Reject("not about its concepts", f"{', '.join(wanted)}: {question}")
        return question

    def pair(self, row: Row, number: int, question: str, answer: Answer) -> dict[str, Any]:
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
        known = {*subject.content, *subject.words.content(question)}
        if not known.intersection(subject.words.content(reply)):
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
