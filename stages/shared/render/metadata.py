"""
What a reading text is made of, as the JSON object in its row's ``metadata``; the hand-off keeps it.

``exercises`` lists each exercise in the order of the text: `task`, `question`, `answer`, the `prompt` file
that worded or asked it, and `gold_spans`: the words that the answer is from, each as the `id` of a passage
with `start` and `end` in the row's text, in code points. A stage may add more. ``domain`` is what the recipe
calls the corpus.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from datagen.stages.shared.render.exercises import Exercise

Listed: TypeAlias = dict[str, Any]


def listed(exercise: Exercise, passage: Mapping[str, Any], at: int, **origin: Any) -> Listed:
    """
    List an exercise about one passage.

    Parameters
    ----------
    exercise
        Without spans, the whole passage is its source.
    passage
        The row of its passage.
    at
        Where the passage begins in the text; under 0 where the text does not show it.
    origin
        What else is known of it, such as `prompt`.
    """
    spans = exercise.spans or ((0, len(passage["text"])),)
    shown = [(at + start, at + end) for start, end in spans] if at >= 0 else []
    return entry(exercise, [(passage["id"], *span) for span in shown], **origin)


def entry(exercise: Exercise, gold: Sequence[tuple[str, int, int]], **origin: Any) -> Listed:
    """List an exercise with the spans of a text that hold its answer: id of the passage, start, end."""
    spans = [{"id": name, "start": start, "end": end} for name, start, end in gold]
    said = {"task": exercise.task, "question": exercise.question, "answer": exercise.answer}
    return said | origin | {"gold_spans": spans}


def metadata(exercises: Iterable[Listed], domain: str = "") -> str:
    """Write the metadata of a reading text."""
    found: dict[str, Any] = {"domain": domain} if domain else {}
    return json.dumps(found | {"exercises": list(exercises)}, ensure_ascii=False)
