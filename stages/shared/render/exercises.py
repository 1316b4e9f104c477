"""
How a passage and exercises about it become one plain text for continued pre-training.

The words around the passage are data: the fields of a prompt file such as
``prompts/reading/layouts.yaml``. One of each is drawn per text by hash, so that a corpus shows many
renderings and a refresh keeps the one that a text had.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from datagen.errors import UserError
from datagen.schema import content_id

# Shares of the texts that are laid out otherwise than pair by pair: field of the file of layouts -> share.
FORMS = {
    "lists": 0.1,  # all questions before all answers
    "shots": 0.1,  # solved examples, and one more exercise of their kind
    "dialogues": 0.1,  # two who talk, the passage with the first turn
}
PARTS = {
    "lists": {"question", "between", "answer"},
    "shots": {"intro", "example", "last"},
    "dialogues": {"opening", "question", "answer"},
}
PREVIEWED = 0.05  # share of the texts with the exercises before the passage (as instruction pre-training)
NUMBERING = re.compile(r"\A(?:§+ ?)?(?:[A-Z]\.|\d++[.–-]?)++\s+(?=\w)")


@dataclass(frozen=True)
class Exercise:
    """
    Something asked about a passage, with its answer.

    Parameters
    ----------
    task
        Name of the task type, such as ``title`` or ``true_false``.
    question
        All that is asked, with its choices if there are any; may span lines.
    answer
        The complete answer.
    spans
        Where the passage has what the answer is from, as offsets in its text; empty for the whole passage.
    """

    task: str
    question: str
    answer: str
    spans: tuple[tuple[int, int], ...] = ()


def bind(
    passage_row: Mapping[str, Any],
    exercises: Sequence[Exercise],
    style: Mapping[str, Any],
    seed: int,
    head: str = "",
) -> str:
    """
    Write a source line, the passage and the exercises as one text.

    The passage stands verbatim. The source line is the title and the headings above the passage,
    without those that are the answer to one of the exercises or the passage's first line. An exercise
    that the passage itself answers stands in place of the source line.

    Parameters
    ----------
    passage_row
        A row of passages: `id`, `title`, `section` and `text` are read.
    exercises
        At least one, in the order they will stand.
    style
        A file of layouts, see `lay_out`; and ``sources``, a list of templates with {place}.
    seed
        The recipe's seed.
    head
        What stands in front of the passage instead of the source line.

    Raises
    ------
    UserError
        When a list is missing or a template names another field.
    """
    drawn = int(content_id(passage_row["id"], exercises[0].question, str(seed))[:8], 16)
    text = passage_row["text"]
    opening = next((one for one in exercises if one.answer == text), None)
    if opening:
        head = opening.question
    elif not head and (place := _place(passage_row, {one.answer for one in exercises})):
        head = fill(_drawn(style, "sources", drawn), place=place)
    passage = "\n\n".join(part for part in (head, text) if part)
    asked = [one for one in exercises if one is not opening]
    return lay_out(passage, asked, style, drawn, after_all=not opening) if asked else passage


def alone(
    passage_row: Mapping[str, Any], exercises: Sequence[Exercise], style: Mapping[str, Any], seed: int
) -> str:
    """Write the exercises about a passage as one text without the passage; parameters as `bind`."""
    drawn = int(content_id(passage_row["id"], exercises[0].question, str(seed))[:8], 16)
    form = _form(style, len(exercises), drawn)
    return _block(exercises, style, "" if form == "dialogues" else form, drawn)


def lay_out(
    reading: str,
    exercises: Sequence[Exercise],
    style: Mapping[str, Any],
    drawn: int,
    after_all: bool = True,
) -> str:
    """
    Set exercises beside what is to be read, in a form that is drawn.

    Parameters
    ----------
    reading
        Stands verbatim.
    exercises
        At least one, in the order they will stand.
    style
        Lists of templates: ``intros``, ``layouts`` with {question}, {answer} and, if wanted, {number}, and
        ``separators``. And those that may be left out: ``previews``, what stands in front of exercises that
        come before the reading, and the forms in `PARTS`, each item with the parts named there.
    drawn
        A hash of 32 bits, by which all is drawn.
    after_all
        Whether the exercises may also stand in front.

    Raises
    ------
    UserError
        When a list is missing or a template names another field.
    """
    form = _form(style, len(exercises), drawn)
    if form == "dialogues":
        said = _parts(style, form, drawn)
        turns = "\n".join(_each(f"{said['question']}\n{said['answer']}", exercises))
        return f"{said['opening']}\n\n{reading}\n\n{turns}"
    block = _block(exercises, style, form, drawn)
    if "previews" in style and after_all and _fraction("preview", drawn) < PREVIEWED:
        parts = (_drawn(style, "previews", drawn), block, reading)
    else:
        parts = (reading, _drawn(style, "intros", drawn), block)
    return "\n\n".join(part for part in parts if part.strip())


def _form(style: Mapping[str, Any], count: int, drawn: int) -> str:
    """Draw how exercises are laid out: one of FORMS that the style has, or "" for pair by pair."""
    point = _fraction("form", drawn)
    for form, share in FORMS.items():
        if point < share:
            return form if form in style and count > 1 else ""
        point -= share
    return ""


def _block(exercises: Sequence[Exercise], style: Mapping[str, Any], form: str, drawn: int) -> str:
    if form == "lists":
        said = _parts(style, form, drawn)
        questions, answers = ("\n".join(_each(said[part], exercises)) for part in ("question", "answer"))
        return f"{questions}\n\n{said['between']}\n{answers}"
    if form == "shots":
        said = _parts(style, form, drawn)
        *shown, _ = _each(said["example"], exercises)
        *_, last = _each(said["last"], exercises)
        return "\n\n".join([said["intro"], *shown, last])
    return _drawn(style, "separators", drawn).join(_each(_drawn(style, "layouts", drawn), exercises))


def _each(template: str, exercises: Sequence[Exercise]) -> Iterator[str]:
    for number, one in enumerate(exercises, 1):
        yield fill(template, number=number, question=one.question, answer=one.answer)


def fill(template: str, **values: Any) -> str:
    """
    Put values in the places of a template; what a value holds is never read as a template.

    Raises
    ------
    UserError
        When the template names something else.
    """
    try:
        return template.format(**values)
    except (KeyError, IndexError, ValueError) as error:
        known = ", ".join(f"{{{name}}}" for name in values)
        raise UserError(
            f"the template {template!r} cannot be filled ({error}): it may use {known}; {{{{ is a brace"
        ) from error


def _drawn(style: Mapping[str, Any], name: str, drawn: int) -> str:
    """Draw a template of a list: by a checksum that begins with a text's hash."""
    found = style.get(name)
    template = found[crc32(name.encode(), drawn) % len(found)] if isinstance(found, list) and found else None
    if not isinstance(template, str):
        raise UserError(f"a file of layouts needs {name}: a list of texts; see prompts/reading/layouts.yaml")
    return template


def _parts(style: Mapping[str, Any], form: str, drawn: int) -> Mapping[str, str]:
    """Draw one of a form's items."""
    said = style[form][crc32(form.encode(), drawn) % len(style[form])]
    if not isinstance(said, Mapping) or said.keys() != PARTS[form]:
        raise UserError(f"each of {form} in a file of layouts has {', '.join(sorted(PARTS[form]))}")
    return said


def _fraction(name: str, drawn: int) -> float:
    return crc32(name.encode(), drawn) / 2**32


def unnumbered(heading: str) -> str:
    """Leave out the number in front of a heading: "4.2. Value Expressions", "§ 7. Appeal"."""
    return NUMBERING.sub("", heading)


def _place(passage: Mapping[str, Any], answers: set[str]) -> str:
    """Join the title and the headings, each once, without the one asked for and those opening the passage."""
    first_line = passage["text"].split("\n", 1)[0].rstrip(" *_`#:")
    headings = [passage.get("title") or "", *(passage.get("section") or ())]
    names = [(name, unnumbered(name)) for name in dict.fromkeys(headings) if name.strip()]
    return " > ".join(name for name, bare in names if bare not in answers and not first_line.endswith(bare))
