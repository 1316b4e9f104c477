"""
Turn labelled paragraphs into training rows: requests of the stages with responses.

The messages are rendered from the stages' prompt files, and responses that a stage's task would parse must
pass its checks, so that the model is trained only on accepted responses. One function per task (`TEMPLATES`)
yields drafts; `remix` checks and samples them.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from datagen.prompt import Prompt
from datagen.prompt import load as load_prompt
from datagen.request import Answer, Completion, Message, Reject, Request
from datagen.schema import content_id, fraction
from datagen.stages.exercises.task import StructuredTask, find_task
from datagen.stages.exercises.tasks.definition import defining
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line
from datagen.stages.shared.language.rules import Language, language_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.synthesizer import mined
from datagen.synthesizer.recipe import SynthesizerRecipe
from datagen.synthesizer.sets import Paragraph, Question, sentence_at


@dataclass(frozen=True)
class Row:
    """
    A training row: a prompt and its response.

    Parameters
    ----------
    task
        Key of `TEMPLATES` that made it.
    paragraph
        Id of its paragraph.
    held_out
        Whether it is in the holdout: used for the held-out loss only.
    reason, detail
        Why it is left out; "" if it is not.
    """

    task: str
    set: str
    paragraph: str
    held_out: bool
    prompt: str
    prompt_hash: str
    messages: list[Message]
    response: str
    reason: str = ""
    detail: str = ""

    @property
    def id(self) -> str:
        """The hash of prompt and response."""
        return content_id(self.task, *(message["content"] for message in self.messages), self.response)


@dataclass(frozen=True)
class Material:
    """Input of the templates: all paragraphs, and the rules of their language."""

    paragraphs: Sequence[Paragraph]
    words: Language
    seed: int
    passages: dict[str, Passage] = field(default_factory=dict)

    def passage(self, paragraph: Paragraph) -> Passage:
        """Convert a paragraph to a passage."""
        if paragraph.id not in self.passages:
            row = {"id": paragraph.id, "title": paragraph.title, "section": [], "text": paragraph.text}
            self.passages[paragraph.id] = Passage(row, self.words)
        return self.passages[paragraph.id]


# A draft: the values of the prompt besides heading and passage, and the response: a text, or alternatives for
# the fields of the task's output, of which the first accepted one is used.
Draft = tuple[dict[str, str], str | list[dict[str, str]]]
Drafts = Callable[[Paragraph, Material, Prompt], Iterator[Draft]]
Check = Callable[[str, Passage, Prompt], None]  # raises Reject


@dataclass(frozen=True)
class Template:
    """A task's prompt, its drafts for a paragraph, and the check of a response."""

    prompt: str
    drafts: Drafts
    check: Check | None = None


def remix(recipe: SynthesizerRecipe, paragraphs: Sequence[Paragraph]) -> list[Row]:
    """
    Build the rows of all tasks of a recipe, including the rows left out.

    For a task with a maximum, two drafts per paragraph are taken, in the order of the paragraphs' hashes,
    then two more, until it is reached; for the holdout likewise. The order is the same for all tasks, because
    rows about the same paragraph are cheap to train on (`datagen.training.packing`).
    """
    material = Material(paragraphs, language_of("en"), recipe.seed)
    return [row for task, most in recipe.tasks.items() for row in _rows(task, most, material)]


def _rows(task: str, most: int | None, material: Material) -> Iterator[Row]:
    template = TEMPLATES[task]
    prompt = load_prompt(template.prompt)
    lots = {
        paragraph.id: fraction("draw", paragraph.id, str(material.seed)) for paragraph in material.paragraphs
    }
    drafts = [
        (number // 2 + lots[paragraph.id], paragraph, values, response)
        for paragraph in material.paragraphs
        for number, (values, response) in enumerate(template.drafts(paragraph, material, prompt))
    ]
    drafts.sort(key=lambda draft: (draft[1].held_out, draft[0]))  # held out last
    taken, reached = 0, math.inf
    for drawn, paragraph, values, response in drafts:
        passage = material.passage(paragraph)
        if drawn > reached or (most is not None and taken == most and not paragraph.held_out):
            text, reason, detail = _written(response)[0], "beyond the task's number", str(most)
        else:
            text, reason, detail = _first_accepted(response, template, passage, prompt)
        if not reason and not paragraph.held_out:
            taken += 1
            reached = drawn if taken == most else math.inf
        messages = prompt.render(heading=passage.heading, passage=passage.text, **values)
        shared = (task, paragraph.set, paragraph.id, paragraph.held_out, prompt.name, prompt.hash)
        yield Row(*shared, messages, text, reason, detail)


def _written(response: str | list[dict[str, str]]) -> list[str]:
    return [response] if isinstance(response, str) else [as_decoded(fields) for fields in response]


def _first_accepted(
    response: str | list[dict[str, str]], template: Template, passage: Passage, prompt: Prompt
) -> tuple[str, str, str]:
    """Return the first accepted text, or else the first text with the reason of its rejection."""
    refused: list[tuple[str, str, str]] = []
    for text in _written(response):
        try:
            if template.check:
                template.check(text, passage, prompt)
        except Reject as why:
            refused.append((text, why.reason, why.detail))
        else:
            return text, "", ""
    return refused[0]


def as_decoded(fields: dict[str, str]) -> str:
    """Return JSON as guided decoding writes it: without blanks, in the order of the schema's fields."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def read_by(name: str) -> Check:
    """Return a check that a stage's task accepts the response and that guided decoding can write it."""

    def check(text: str, passage: Passage, prompt: Prompt) -> None:
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


def asks(text: str, passage: Passage, prompt: Prompt) -> None:
    """Reject a text that is not a self-contained question on one line."""
    question = Line(160, QUESTION_MARKS).read(text, "question")
    checks.question(question, passage.words)
    checks.stands_alone(question, passage.words, asks=True)


def _spans(paragraph: Paragraph) -> list[Question]:
    """List the questions whose answer is at the stated position in the paragraph."""
    return [
        asked
        for asked in paragraph.questions
        if asked.answer and paragraph.text.startswith(asked.answer, asked.start)
    ]


def marked_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question for an answer that is marked in its sentence."""
    for asked in _spans(paragraph):
        sentence = sentence_at(paragraph.text, asked.start)
        yield {"sentence": sentence, "answer": asked.answer}, asked.text


def answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield the answer to a question, in the passage's words."""
    for asked in _spans(paragraph):
        yield {"question": asked.text}, asked.answer


def unanswerable(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """
    Yield questions of other paragraphs, which this one does not answer.

    As many as the paragraph has itself; half of them from the same article if it has questions whose answer
    is not in this paragraph. These train careful reading, the others are clear cases.
    """
    own = _spans(paragraph)
    near: list[Question] = []
    far: list[Question] = []
    for other in material.paragraphs:
        if other.set == paragraph.set and other.held_out == paragraph.held_out and other.id != paragraph.id:
            kind = near if other.title == paragraph.title else far
            kind += [
                asked for asked in _spans(other) if asked.answer.casefold() not in paragraph.text.casefold()
            ]
    for kind in (near, far):
        kind.sort(key=lambda asked: fraction("unanswerable", paragraph.id, asked.text, str(material.seed)))
    drawn = near[: (len(own) + 1) // 2]
    drawn += far[: len(own) - len(drawn)]
    for asked in drawn:
        yield {"question": asked.text}, prompt.fields["unanswerable"]


def extractive_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question and the answer copied from the passage."""
    for asked in _spans(paragraph):
        yield {}, [{"question": asked.text, "answer": asked.answer}]


def reasoned_answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield yes, no or maybe, with the reason from the passage."""
    for asked in paragraph.questions:
        if asked.verdict in prompt.fields["verdicts"] and asked.conclusion:
            verdict = prompt.fields["verdicts"][asked.verdict]
            yield {"question": asked.text}, f"{verdict} {asked.conclusion}"


def closed_book_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a question and a sentence that answers it: the conclusion, or the sentence with the answer."""
    for asked in paragraph.questions:
        if asked.conclusion:
            start, end = split_sentences(asked.conclusion)[0]
            yield {}, [{"question": asked.text, "answer": asked.conclusion[start:end]}]
    for asked in _spans(paragraph):
        yield {}, [{"question": asked.text, "answer": sentence_at(paragraph.text, asked.start)}]


def definition(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a term and the sentence that defines it."""
    for sentence in defining(material.passage(paragraph)):
        if name := mined.term(sentence, material.words):
            yield {}, [{"evidence": sentence, "term": name, "definition": sentence}]


def true_false(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a sentence and its contradictions."""
    for sentence in material.passage(paragraph).quotable:
        if false := list(mined.falsified(sentence, material.words)):
            yield (
                {},
                [
                    {"evidence": sentence, "true_statement": sentence, "false_statement": statement}
                    for statement in false
                ],
            )


def yes_no(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yield a sentence as a yes-no question; for half of them, selected by hash, its contradiction."""
    for sentence in material.passage(paragraph).quotable:
        no = fraction("no", sentence, str(material.seed)) < 0.5
        statements = mined.falsified(sentence, material.words) if no else [sentence]
        questions = [
            mined.inverted(statement, paragraph.text)
            for statement in statements
            if not (no and " not " in statement)
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
    "marked_question": Template("instructions/marked_question", marked_question, asks),
    "answer": Template("instructions/answer", answer),
    "unanswerable": Template("instructions/answer", unanswerable),
    "reasoned_answer": Template("instructions/reasoned_answer", reasoned_answer),
}
for _drafts in (extractive_question, closed_book_question, definition, true_false, yes_no):
    TEMPLATES[_drafts.__name__] = Template(
        f"instructions/{_drafts.__name__}", _drafts, read_by(_drafts.__name__)
    )


def account(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Count the rows of each task: trained on, held out, and left out by reason."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        counts[row.task][row.reason or ("held out" if row.held_out else "trained on")] += 1
    return {task: dict(of_task) for task, of_task in counts.items()}
