"""
Render a passage and its exercises as one plain text for continued pre-training.

The templates are data: the fields of a prompt file such as ``prompts/reading/layouts.yaml``. One of each kind
is drawn per text by hash, so that a corpus has many layouts and a refresh keeps the layout of each text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.rows import PassageRow
from datagen.schema import content_id

# Layouts other than pair by pair: field of the layout file -> share of the texts.
FORMS = {
    "lists": 0.1,  # all questions before all answers
    "shots": 0.1,  # solved examples, and one more exercise of their kind
    "dialogues": 0.1,  # a dialogue, with the passage in the first turn
}
PARTS = {
    "lists": {"question", "between", "answer"},
    "shots": {"intro", "example", "last"},
    "dialogues": {"opening", "question", "answer"},
}
PREVIEWED = 0.05  # share of the texts with exercises before the passage (as in instruction pre-training)
NUMBERING = re.compile(r"\A(?:§+ ?)?(?:[A-Z]\.|\d++[.–-]?)++\s+(?=\w)")


@dataclass(frozen=True)
class Exercise:
    """
    A question about a passage, with its answer.

    Parameters
    ----------
    task
        Name of the task type, such as ``title`` or ``true_false``.
    question
        The complete question, with its options if there are any; may span lines.
    answer
        The complete answer.
    spans
        Spans of the passage that the answer is from, as offsets; empty for the whole passage.
    """

    task: str
    question: str
    answer: str
    spans: tuple[tuple[int, int], ...] = ()


def bind(
    passage_row: PassageRow,
    exercises: Sequence[Exercise],
    style: JsonObject,
    seed: int,
    head: str = "",
) -> str:
    """
    Write a source line, the verbatim passage and the exercises as one text.

    The source line is the title and the headings of the passage, without those that answer an exercise or are
    the first line of the passage. An exercise whose answer is the passage replaces the source line. Without
    exercises, the text is the passage, below the head if there is one.

    Parameters
    ----------
    passage_row
        A row of passages: `id`, `title`, `section` and `text` are read.
    exercises
        In their order in the text.
    style
        A layout file, see `lay_out`; also ``sources``, a list of templates with {place}.
    seed
        The seed of the recipe.
    head
        Replaces the source line, and precedes an exercise whose answer is the passage.

    Raises
    ------
    UserError
        If a list is missing or a template has an unknown field.
    """
    text = passage_row["text"]
    if not exercises:
        return "\n\n".join(part for part in (head, text) if part)
    text_seed = int(content_id(passage_row["id"], exercises[0].question, str(seed))[:8], 16)
    opening = next((exercise for exercise in exercises if exercise.answer == text), None)
    if opening:
        head = "\n\n".join(part for part in (head, opening.question) if part)
    elif not head and (place := _place(passage_row, {exercise.answer for exercise in exercises})):
        head = fill(_drawn(style, "sources", text_seed), place=place)
    passage = "\n\n".join(part for part in (head, text) if part)
    others = [exercise for exercise in exercises if exercise is not opening]
    return lay_out(passage, others, style, text_seed, can_precede=not opening) if others else passage


def alone(passage_row: PassageRow, exercises: Sequence[Exercise], style: JsonObject, seed: int) -> str:
    """Write the exercises about a passage as one text without the passage; parameters as in `bind`."""
    text_seed = int(content_id(passage_row["id"], exercises[0].question, str(seed))[:8], 16)
    form = _form(style, len(exercises), text_seed)
    return _block(exercises, style, "" if form == "dialogues" else form, text_seed)


def lay_out(
    reading: str,
    exercises: Sequence[Exercise],
    style: JsonObject,
    seed: int,
    can_precede: bool = True,
) -> str:
    """
    Combine exercises and a reading in a layout drawn by hash.

    Parameters
    ----------
    reading
        Included verbatim.
    exercises
        At least one, in their order in the text.
    style
        Lists of templates: ``intros``, ``layouts`` with {question}, {answer} and optionally {number}, and
        ``separators``. Optional: ``previews``, which introduce exercises that precede the reading, and the
        forms in `PARTS`, whose items have the parts listed there.
    seed
        A 32-bit hash that seeds all draws.
    can_precede
        Whether the exercises may precede the reading.

    Raises
    ------
    UserError
        If a list is missing or a template has an unknown field.
    """
    form = _form(style, len(exercises), seed)
    if form == "dialogues":
        parts = _parts(style, form, seed)
        turns = "\n".join(_each(f"{parts['question']}\n{parts['answer']}", exercises))
        return f"{parts['opening']}\n\n{reading}\n\n{turns}"
    block = _block(exercises, style, form, seed)
    if "previews" in style and can_precede and _fraction("preview", seed) < PREVIEWED:
        sections = (_drawn(style, "previews", seed), block, reading)
    else:
        sections = (reading, _drawn(style, "intros", seed), block)
    return "\n\n".join(section for section in sections if section.strip())


def _form(style: JsonObject, count: int, seed: int) -> str:
    """Draw the layout of exercises: one of FORMS that the style defines, or "" for pair by pair."""
    point = _fraction("form", seed)
    for form, share in FORMS.items():
        if point < share:
            return form if form in style and count > 1 else ""
        point -= share
    return ""


def _block(exercises: Sequence[Exercise], style: JsonObject, form: str, seed: int) -> str:
    if form == "lists":
        parts = _parts(style, form, seed)
        questions, answers = ("\n".join(_each(parts[part], exercises)) for part in ("question", "answer"))
        return f"{questions}\n\n{parts['between']}\n{answers}"
    if form == "shots":
        parts = _parts(style, form, seed)
        *examples, _ = _each(parts["example"], exercises)
        *_, last = _each(parts["last"], exercises)
        return "\n\n".join([parts["intro"], *examples, last])
    return _drawn(style, "separators", seed).join(_each(_drawn(style, "layouts", seed), exercises))


def _each(template: str, exercises: Sequence[Exercise]) -> Iterator[str]:
    for number, exercise in enumerate(exercises, 1):
        yield fill(template, number=number, question=exercise.question, answer=exercise.answer)


def fill(template: str, **values: object) -> str:
    """
    Fill the fields of a template; values are not parsed as templates.

    Raises
    ------
    UserError
        If the template has an unknown field.
    """
    try:
        return template.format(**values)
    except (KeyError, IndexError, ValueError) as error:
        fields = ", ".join(f"{{{name}}}" for name in values)
        raise UserError(
            f"the template {template!r} cannot be filled ({error}): it may use {fields}; {{{{ is a brace"
        ) from error


def _drawn(style: JsonObject, name: str, seed: int) -> str:
    """Draw a template of a list, by a checksum seeded with the hash of the text."""
    templates = style.get(name)
    if not isinstance(templates, list) or not templates:
        raise UserError(f"a layout file needs {name}: a list of texts; see prompts/reading/layouts.yaml")
    template = templates[crc32(name.encode(), seed) % len(templates)]
    if not isinstance(template, str):
        raise UserError(f"a layout file needs {name}: a list of texts; see prompts/reading/layouts.yaml")
    return template


def _parts(style: JsonObject, form: str, seed: int) -> Mapping[str, str]:
    """Draw an item of a form."""
    parts = style[form][crc32(form.encode(), seed) % len(style[form])]
    if not isinstance(parts, Mapping) or parts.keys() != PARTS[form]:
        raise UserError(f"each item of {form} in a layout file needs {', '.join(sorted(PARTS[form]))}")
    return parts


def _fraction(name: str, seed: int) -> float:
    return crc32(name.encode(), seed) / 2**32


def unnumbered(heading: str) -> str:
    """Remove the number of a heading: "4.2. Value Expressions", "§ 7. Appeal"."""
    return NUMBERING.sub("", heading)


def _place(passage: PassageRow, answers: set[str]) -> str:
    """Join the distinct title and headings, without answers and those in the passage's first line."""
    first_line = passage["text"].split("\n", 1)[0].rstrip(" *_`#:")
    headings = [passage.get("title") or "", *(passage.get("section") or ())]
    names = [(name, unnumbered(name)) for name in dict.fromkeys(headings) if name.strip()]
    return " > ".join(name for name, bare in names if bare not in answers and not first_line.endswith(bare))
