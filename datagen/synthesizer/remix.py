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
from pathlib import Path

from datagen.prompt import Prompt
from datagen.prompt import load as load_prompt
from datagen.request import Answer, Completion, Message, Reject, Request
from datagen.schema import content_id, fraction
from datagen.stages.exercises.task import StructuredTask, find_task
from datagen.stages.exercises.tasks.definition import defining
from datagen.stages.exercises.tasks.marked_question import accepts
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line
from datagen.stages.shared.language.rules import Language, language_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.store.parquet import whole_file
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
        Reason why it is excluded; "" if it is not.
    licence
        Licence of its set.
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
    licence: str = ""

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


def remix(recipe: SynthesizerRecipe, paragraphs: Sequence[Paragraph]) -> list[Row]:
    """
    Build the rows of all tasks of a recipe, including excluded rows.

    For a task with a maximum, two drafts per paragraph are taken, in the order of the paragraphs' hashes,
    then two more, until it is reached; the same applies to the holdout. All tasks use the same order, because
    several rows about one paragraph are cheap to train on (`datagen.training.packing`).
    """
    material = Material(paragraphs, language_of("en"), recipe.seed)
    return [row for task, maximum in recipe.tasks.items() for row in _rows(task, maximum, material)]


def _rows(task: str, maximum: int | None, material: Material) -> Iterator[Row]:
    template = TEMPLATES[task]
    prompt = load_prompt(template.prompt)
    ranks = {
        paragraph.id: fraction("draw", paragraph.id, str(material.seed)) for paragraph in material.paragraphs
    }
    drafts = [
        (number // 2 + ranks[paragraph.id], paragraph, values, response)
        for paragraph in material.paragraphs
        for number, (values, response) in enumerate(template.drafts(paragraph, material, prompt))
    ]
    drafts.sort(key=lambda draft: (draft[1].held_out, draft[0]))  # held out last
    count, last_rank = 0, math.inf
    for rank, paragraph, values, response in drafts:
        passage = material.passage(paragraph)
        if rank > last_rank or (maximum is not None and count == maximum and not paragraph.held_out):
            text, reason, detail = _written(response)[0], "beyond the task's number", str(maximum)
        else:
            text, reason, detail = _first_accepted(response, values, template, passage, prompt)
        if not reason and not paragraph.held_out:
            count += 1
            last_rank = rank if count == maximum else math.inf
        messages = prompt.render(heading=passage.heading, passage=passage.text, **values)
        shared = (task, paragraph.set, paragraph.id, paragraph.held_out, prompt.name, prompt.hash)
        yield Row(*shared, messages, text, reason, detail, paragraph.licence)


def _written(response: str | list[dict[str, str]]) -> list[str]:
    return [response] if isinstance(response, str) else [as_decoded(fields) for fields in response]


def _first_accepted(
    response: str | list[dict[str, str]],
    values: dict[str, str],
    template: Template,
    passage: Passage,
    prompt: Prompt,
) -> tuple[str, str, str]:
    """Return the first accepted text, otherwise the first text with the reason of its rejection."""
    rejected: list[tuple[str, str, str]] = []
    for text in _written(response):
        try:
            if template.check:
                template.check(text, values, passage, prompt)
        except Reject as why:
            rejected.append((text, why.reason, why.detail))
        else:
            return text, "", ""
    return rejected[0]


def as_decoded(fields: dict[str, str]) -> str:
    """Return JSON as guided decoding writes it: without spaces, in the order of the schema's fields."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


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
    denial = f" {material.words.inversion.denial} " if material.words.inversion else ""
    for sentence in material.passage(paragraph).quotable:
        no = fraction("no", sentence, str(material.seed)) < 0.5
        statements = mined.falsified(sentence, material.words) if no else [sentence]
        questions = [
            mined.inverted(statement, paragraph.text, material.words)
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


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """
    Write the rows to train on as JSON lines, which the stage own_pairs reads; neither excluded nor held out.

    Such rows train any model to write exercises: a text and a task before, a question with its answer after
    (Bonito, arXiv 2402.18334, remixes labelled sets like this).
    """
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for row in rows:
            if not row.reason and not row.held_out:
                messages = [*row.messages, {"role": "assistant", "content": row.response}]
                fields = {"id": row.id, "task": row.task, "messages": messages, "licence": row.licence}
                file.write(json.dumps(fields, ensure_ascii=False) + "\n")


def account(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Count the rows of each task: trained on, held out, and excluded by reason."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        counts[row.task][row.reason or ("held out" if row.held_out else "trained on")] += 1
    return {task: dict(of_task) for task, of_task in counts.items()}
