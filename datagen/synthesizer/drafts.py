"""
The drafts of each task: what a labelled paragraph gives as the response to a stage's prompt.

One function per task (`TEMPLATES`) yields drafts. Responses that a stage's task would parse must pass its
checks, so that the model is trained only on accepted responses.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from datagen.prompt import Prompt
from datagen.request import Answer, Completion, Reject, Request
from datagen.schema import fraction
from datagen.stages.exercises.task import StructuredTask, find_task
from datagen.stages.exercises.tasks.definition import defining
from datagen.stages.exercises.tasks.marked_question import accepts
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.synthesizer import mined
from datagen.synthesizer.sets import Paragraph, Question, sentence_at


@dataclass(frozen=True)
class Material:
    """Input of the templates: all paragraphs, and the rules of their language."""

    paragraphs: Sequence[Paragraph]
    language: Language
    seed: int
    passages: dict[str, Passage] = field(default_factory=dict)

    def passage(self, paragraph: Paragraph) -> Passage:
        """Convert a paragraph to a passage."""
        if paragraph.id not in self.passages:
            row = {"id": paragraph.id, "title": paragraph.title, "section": [], "text": paragraph.text}
            self.passages[paragraph.id] = Passage(row, self.language)
        return self.passages[paragraph.id]


# A draft: the values of the prompt except heading and passage, and the response: a text, or alternatives for
# the fields of the task's output, of which the first accepted one is used.
Draft = tuple[dict[str, str], str | list[dict[str, str]]]
Drafts = Callable[[Paragraph, Material, Prompt], Iterator[Draft]]
# Checks a response, given the values of the prompt; raises Reject.
Check = Callable[[str, dict[str, str], Passage, Prompt], None]


@dataclass(frozen=True)
class Template:
    """A task's prompt, its drafts for a paragraph, and the check of a response."""

    prompt: str
    drafts: Drafts
    check: Check | None = None


def read_by(name: str) -> Check:
    """Return a check that a stage's task accepts the response and that guided decoding can write it."""

    def check(text: str, _: dict[str, str], passage: Passage, prompt: Prompt) -> None:
        task = find_task(name)
        assert isinstance(task, StructuredTask)
        schema = task.schema.model_json_schema()
        for name_of, value in json.loads(text).items():
            pattern = schema["properties"][name_of].get("pattern")
            if pattern and not re.search(pattern, value):
                raise Reject("outside the decoder's pattern", f"{name_of}: {value}")
            if name_of == "evidence" and task.quotes and value not in task.quotes(passage):
                raise Reject("evidence not quotable", value)
        request = Request(passage.row["id"], [], prompt.name, prompt.hash, name)
        task.read(Answer(request, Completion("", text, "stop", "", "")), passage, prompt)

    return check


def accepted(text: str, values: dict[str, str], passage: Passage, prompt: Prompt) -> None:
    """Reject a question that the task `marked_question` would drop, with the marked answer."""
    question = Line(160, QUESTION_MARKS).read(text, "question")
    accepts(question, values["answer"], values["sentence"], passage)


def _spans(paragraph: Paragraph) -> list[Question]:
    """List the questions whose answer is at the stated position in the paragraph."""
    return [
        question
        for question in paragraph.questions
        if question.answer and paragraph.text.startswith(question.answer, question.start)
    ]


def marked_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question for an answer that is marked in its sentence."""
    for question in _spans(paragraph):
        sentence = sentence_at(paragraph.text, question.start)
        yield {"sentence": sentence, "answer": question.answer}, question.text


def answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield the answer to a question, in the passage's words."""
    for question in _spans(paragraph):
        yield {"question": question.text}, question.answer


def unanswerable(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """
    Yield questions of other paragraphs, which this one does not answer.

    Their number is that of the paragraph's own questions. Half are hard cases from the same article, if it
    has questions whose answer is not in this paragraph; the others are clear cases.
    """
    own = _spans(paragraph)
    near: list[Question] = []
    far: list[Question] = []
    for other in material.paragraphs:
        if other.set == paragraph.set and other.held_out == paragraph.held_out and other.id != paragraph.id:
            kind = near if other.title == paragraph.title else far
            kind += [
                question
                for question in _spans(other)
                if question.answer.casefold() not in paragraph.text.casefold()
            ]
    for kind in (near, far):
        kind.sort(
            key=lambda question: fraction("unanswerable", paragraph.id, question.text, str(material.seed))
        )
    sample = near[: (len(own) + 1) // 2]
    sample += far[: len(own) - len(sample)]
    for question in sample:
        yield {"question": question.text}, prompt.fields["unanswerable"]


def extractive_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question and the answer copied from the passage."""
    for question in _spans(paragraph):
        yield {}, [{"question": question.text, "answer": question.answer}]


def reasoned_answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield yes, no or maybe, with the reason from the passage."""
    for question in paragraph.questions:
        if question.verdict in prompt.fields["verdicts"] and question.conclusion:
            verdict = prompt.fields["verdicts"][question.verdict]
            yield {"question": question.text}, f"{verdict} {question.conclusion}"


def closed_book_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question and a sentence that answers it: the conclusion, or the sentence with the answer."""
    for question in paragraph.questions:
        if question.conclusion:
            start, end = split_sentences(question.conclusion)[0]
            yield {}, [{"question": question.text, "answer": question.conclusion[start:end]}]
    for question in _spans(paragraph):
        yield {}, [{"question": question.text, "answer": sentence_at(paragraph.text, question.start)}]


def definition(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a term and the sentence that defines it."""
    for sentence in defining(material.passage(paragraph)):
        if name := mined.term(sentence, material.language):
            yield {}, [{"evidence": sentence, "term": name, "definition": sentence}]


def true_false(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a sentence and its contradictions."""
    for sentence in material.passage(paragraph).quotable:
        if false := list(mined.falsified(sentence, material.language)):
            yield (
                {},
                [
                    {"evidence": sentence, "true_statement": sentence, "false_statement": statement}
                    for statement in false
                ],
            )


def yes_no(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a sentence as a yes-no question; for half of them, selected by hash, its contradiction."""
    denial = f" {material.language.inversion.denial} " if material.language.inversion else ""
    for sentence in material.passage(paragraph).quotable:
        no = fraction("no", sentence, str(material.seed)) < 0.5
        statements = mined.falsified(sentence, material.language) if no else [sentence]
        questions = [
            mined.inverted(statement, paragraph.text, material.language)
            for statement in statements
            if not (no and denial in statement)
        ]
        if any(questions):
            yield (
                {},
                [
                    {"evidence": sentence, "question": question, "answer": "no" if no else "yes"}
                    for question in questions
                    if question
                ],
            )


TEMPLATES = {
    "marked_question": Template("instructions/marked_question", marked_question, accepted),
    "answer": Template("instructions/answer", answer),
    "unanswerable": Template("instructions/answer", unanswerable),
    "reasoned_answer": Template("instructions/reasoned_answer", reasoned_answer),
}
for _drafts in (extractive_question, closed_book_question, definition, true_false, yes_no):
    TEMPLATES[_drafts.__name__] = Template(
        f"instructions/{_drafts.__name__}", _drafts, read_by(_drafts.__name__)
    )
