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
from datagen.records import content_id

LISTED = 0.1  # share of the texts with all questions before all answers
PREVIEWED = 0.05  # share of the texts with the exercises before the passage (as instruction pre-training)
NUMBERING = re.compile(r"\A(?:§+ ?)?(?:[A-Z]\.|\d+[.–-]?)+\s+(?=\w)")


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
    """

    task: str
    question: str
    answer: str


def bind(
    passage_row: Mapping[str, Any], exercises: Sequence[Exercise], style: Mapping[str, Any], seed: int
) -> str:
    """
    Write a source line, the passage and the exercises as one text.

    The passage stands verbatim. The source line is the title and the headings above the passage,
    without those that are the answer to one of the exercises or the passage's first line. An exercise
    that the passage itself answers stands in place of the source line. Where the style says how, a few
    texts list all questions and then all answers, and a few show the exercises before the passage.

    Parameters
    ----------
    passage_row
        A row of passages: `id`, `title`, `section` and `text` are read.
    exercises
        At least one, in the order they will stand.
    style
        Four lists of templates: ``sources`` with {place}, ``intros``, ``layouts`` with {question},
        {answer} and, if wanted, {number}, and ``separators``. And two that may be left out: ``previews``,
        what stands in front of exercises that come before the passage, and ``lists``, each the templates
        of a ``question`` and of an ``answer``, and what stands ``between``.
    seed
        The recipe's seed.

    Raises
    ------
    UserError
        When a list is missing or a template names another field.
    """
    drawn = int(content_id(passage_row["id"], exercises[0].question, str(seed))[:8], 16)
    text = passage_row["text"]
    opening = next((one for one in exercises if one.answer == text), None)
    asked = [one for one in exercises if one is not opening]
    if opening:
        head = opening.question
    else:
        place = _place(passage_row, {one.answer for one in exercises})
        head = fill(_drawn(style, "sources", drawn), place=place) if place else ""
    passage = "\n\n".join(part for part in (head, text) if part)
    if not asked:
        return passage
    block = _block(asked, style, drawn)
    if "previews" in style and not opening and _fraction("preview", drawn) < PREVIEWED:
        parts = (_drawn(style, "previews", drawn), block, passage)
    else:
        parts = (passage, _drawn(style, "intros", drawn), block)
    return "\n\n".join(part for part in parts if part.strip())


def _block(exercises: Sequence[Exercise], style: Mapping[str, Any], drawn: int) -> str:
    """Write the exercises one after another, or all questions and then all answers."""

    def each(template: str) -> Iterator[str]:
        for number, one in enumerate(exercises, 1):
            yield fill(template, number=number, question=one.question, answer=one.answer)

    if "lists" in style and len(exercises) > 1 and _fraction("list", drawn) < LISTED:
        form = style["lists"][crc32(b"lists", drawn) % len(style["lists"])]
        if not isinstance(form, Mapping) or form.keys() != {"question", "between", "answer"}:
            raise UserError("each of lists in a file of layouts has question, between and answer")
        questions, answers = "\n".join(each(form["question"])), "\n".join(each(form["answer"]))
        return f"{questions}\n\n{form['between']}\n{answers}"
    layout, separator = _drawn(style, "layouts", drawn), _drawn(style, "separators", drawn)
    return separator.join(each(layout))


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


def _fraction(name: str, drawn: int) -> float:
    return crc32(name.encode(), drawn) / 2**32


def unnumbered(heading: str) -> str:
    """Leave out the number in front of a heading: "4.2. Value Expressions", "§ 7. Appeal"."""
    return NUMBERING.sub("", heading)


def _place(passage: Mapping[str, Any], answers: set[str]) -> str:
    """Join the title and the headings, each once, without the one asked for and those opening the passage."""
    first_line = passage["text"].split("\n", 1)[0].rstrip(" *_`#:")
    headings = [passage.get("title") or "", *(passage.get("section") or "").split(" > ")]
    names = [(name, unnumbered(name)) for name in dict.fromkeys(headings) if name.strip()]
    return " > ".join(name for name, bare in names if bare not in answers and not first_line.endswith(bare))
