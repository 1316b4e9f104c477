"""
The exercises of a reading text, as the JSON object in the column ``metadata``; the hand-off keeps it.

``exercises`` lists each exercise in the order of the text: `task`, `question`, `answer`, the `prompt` file of
its question, and `gold_spans`: the spans that the answer is from, each as the `id` of a passage with `start`
and `end` in the row's text, in code points. Stages may add fields. ``domain`` is the recipe's name for the
domain of the corpus.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from datagen.rows import PassageRow
from datagen.stages.shared.render.exercises import Exercise

Listed: TypeAlias = dict[str, object]


def listed(exercise: Exercise, passage: PassageRow, at: int, **origin: object) -> Listed:
    """
    List an exercise about one passage.

    Parameters
    ----------
    exercise
        The exercise; without spans, the whole passage is its source.
    passage
        The row of its passage.
    at
        Offset of the passage in the text; negative if the text does not contain it.
    origin
        Further fields, such as `prompt`.
    """
    spans = exercise.spans or ((0, len(passage["text"])),)
    shown = [(at + start, at + end) for start, end in spans] if at >= 0 else []
    return entry(exercise, [(passage["id"], *span) for span in shown], **origin)


def entry(exercise: Exercise, gold: Sequence[tuple[str, int, int]], **origin: object) -> Listed:
    """List an exercise with the spans of the text that contain its answer: id of the passage, start, end."""
    spans = [{"id": name, "start": start, "end": end} for name, start, end in gold]
    fields = {"task": exercise.task, "question": exercise.question, "answer": exercise.answer}
    return fields | origin | {"gold_spans": spans}


def metadata(exercises: Iterable[Listed], domain: str = "") -> str:
    """Write the metadata of a reading text."""
    fields: Listed = {"domain": domain} if domain else {}
    return json.dumps(fields | {"exercises": list(exercises)}, ensure_ascii=False)
