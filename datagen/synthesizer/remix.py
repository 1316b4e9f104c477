"""
Turn labelled paragraphs into training rows: requests of the stages with responses.

The messages are rendered from the stages' prompt files; `datagen.synthesizer.drafts` has the responses.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datagen.prompt import Prompt
from datagen.prompt import load as load_prompt
from datagen.request import Message, Reject
from datagen.schema import content_id, fraction
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from datagen.store.parquet import whole_file
from datagen.synthesizer.drafts import TEMPLATES, Material, Template
from datagen.synthesizer.recipe import SynthesizerRecipe
from datagen.synthesizer.sets import Paragraph


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
