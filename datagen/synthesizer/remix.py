"""
Turn labelled paragraphs into what the stages ask and how it should be answered.

The messages are rendered from the prompt files that the stages use, and where a task of a stage reads the
answer, its own checks must let the response through: what the model is trained on is what is accepted. One
function a task (`TEMPLATES`) yields what could be trained on; `remix` checks, draws and accounts for it.
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
    One thing to be asked of the model and the response to learn.

    Parameters
    ----------
    task
        The key of `TEMPLATES` that made it.
    paragraph
        The id of its paragraph.
    held_out
        For the loss on what was not trained on; never trained on.
    reason, detail
        Why it is left out; "" where it is not.
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
        """The hash of what is asked and answered."""
        return content_id(self.task, *(message["content"] for message in self.messages), self.response)


@dataclass(frozen=True)
class Material:
    """What the templates draw from: all paragraphs, and what is known of the language."""

    paragraphs: Sequence[Paragraph]
    words: Language
    seed: int
    passages: dict[str, Passage] = field(default_factory=dict)

    def passage(self, paragraph: Paragraph) -> Passage:
        """Take a paragraph as the stages take a passage."""
        if paragraph.id not in self.passages:
            row = {"id": paragraph.id, "title": paragraph.title, "section": [], "text": paragraph.text}
            self.passages[paragraph.id] = Passage(row, self.words)
        return self.passages[paragraph.id]


# What a template yields: the values of the prompt besides heading and passage, and the response: a text, or
# several ways to fill the fields of the task's output, of which the first that is accepted counts.
Draft = tuple[dict[str, str], str | list[dict[str, str]]]
Drafts = Callable[[Paragraph, Material, Prompt], Iterator[Draft]]
Check = Callable[[str, Passage, Prompt], None]  # raises Reject


@dataclass(frozen=True)
class Template:
    """A task's prompt, what it can be asked about a paragraph, and what a response must pass."""

    prompt: str
    drafts: Drafts
    check: Check | None = None


def remix(recipe: SynthesizerRecipe, paragraphs: Sequence[Paragraph]) -> list[Row]:
    """
    Make the rows of all tasks of a recipe, the ones left out among them.

    Of a task with a number, two drafts of a paragraph are taken, in the order of the paragraphs' hashes, then
    two more, until it is reached; and as many of each that is held out. The order is the same for all
    tasks: rows about the same paragraphs are cheap to train on (`datagen.training.packing`).
    """
    material = Material(paragraphs, language_of("en"), recipe.seed)
    return [row for task, most in recipe.tasks.items() for row in _rows(task, most, material)]


def _rows(task: str, most: int | None, material: Material) -> Iterator[Row]:
    template = TEMPLATES[task]
    prompt = load_prompt(template.prompt)
    lots = {one.id: fraction("draw", one.id, str(material.seed)) for one in material.paragraphs}
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
    """Choose the first text that passes; else the first of all, with the reason that refuses it."""
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
    """Write JSON as the engine's decoder does: no blanks, in the order of the schema's fields."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def read_by(name: str) -> Check:
    """Make the check that a stage's task reads the response, and that the decoder can write it."""

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
    """Refuse what is no question on one line that can be understood without the passage."""
    question = Line(160, QUESTION_MARKS).read(text, "question")
    checks.question(question, passage.words)
    checks.stands_alone(question, passage.words, asks=True)


def _spans(paragraph: Paragraph) -> list[Question]:
    """List the questions whose answer stands in the paragraph where the set says."""
    return [
        asked
        for asked in paragraph.questions
        if asked.answer and paragraph.text.startswith(asked.answer, asked.start)
    ]


def marked_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """A question for an answer that is marked in its sentence."""
    for asked in _spans(paragraph):
        sentence = sentence_at(paragraph.text, asked.start)
        yield {"sentence": sentence, "answer": asked.answer}, asked.text


def answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """The answer to a question, in the passage's words."""
    for asked in _spans(paragraph):
        yield {"question": asked.text}, asked.answer


def unanswerable(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """
    A question of another paragraph, which this one does not answer.

    As many as the paragraph has of its own; every other one is from its own article where there is one
    whose answer does not stand here. The nearer half teaches to read, the farther half what is sure.
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
    """A question and the answer copied from the passage."""
    for asked in _spans(paragraph):
        yield {}, [{"question": asked.text, "answer": asked.answer}]


def reasoned_answer(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """Yes, no or maybe, with the reason that the passage gives."""
    for asked in paragraph.questions:
        if asked.verdict in prompt.fields["verdicts"] and asked.conclusion:
            said = prompt.fields["verdicts"][asked.verdict]
            yield {"question": asked.text}, f"{said} {asked.conclusion}"


def closed_book_question(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """A question and the sentence that answers it: an abstract's conclusion, or the one with the answer."""
    for asked in paragraph.questions:
        if asked.conclusion:
            start, end = split_sentences(asked.conclusion)[0]
            yield {}, [{"question": asked.text, "answer": asked.conclusion[start:end]}]
    for asked in _spans(paragraph):
        yield {}, [{"question": asked.text, "answer": sentence_at(paragraph.text, asked.start)}]


def definition(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """A term and the sentence that defines it."""
    for sentence in defining(material.passage(paragraph)):
        if name := mined.term(sentence, material.words):
            yield {}, [{"evidence": sentence, "term": name, "definition": sentence}]


def true_false(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """A sentence as it stands, and one that contradicts it."""
    for sentence in material.passage(paragraph).quotable:
        if false := list(mined.falsified(sentence, material.words)):
            yield (
                {},
                [{"evidence": sentence, "true_statement": sentence, "false_statement": one} for one in false],
            )


def yes_no(paragraph: Paragraph, material: Material, prompt: Prompt) -> Iterator[Draft]:
    """A sentence turned into a question; for half of them, drawn by hash, a false one."""
    for sentence in material.passage(paragraph).quotable:
        no = fraction("no", sentence, str(material.seed)) < 0.5
        said = mined.falsified(sentence, material.words) if no else [sentence]
        asked = [mined.inverted(one, paragraph.text) for one in said if not (no and " not " in one)]
        if any(asked):
            yield (
                {},
                [
                    {"evidence": sentence, "question": question, "answer": "no" if no else "yes"}
                    for question in asked
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
    return {task: dict(found) for task, found in counts.items()}
