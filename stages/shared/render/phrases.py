"""Sentences composed from lists of parts, so that rows with the same meaning vary in wording."""

import re
from collections.abc import Sequence

from datagen.control_tokens import defuse
from datagen.schema import pick

FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def say(parts: Sequence[Sequence[str]], *draw: str, **values: str) -> str:
    """
    Compose a text from one part of each list, drawn by hash, with its fields ``{{ name }}`` filled in.

    Parts with an empty value are excluded from the draw; each list needs one part that remains.
    """
    available = {name for name, value in values.items() if value}
    drawn = []
    for number, texts in enumerate(parts):
        usable = [text for text in texts if available.issuperset(FIELD.findall(text))]
        drawn.append(pick(usable, str(number), *draw))
    filled = FIELD.sub(lambda field: str(defuse(values[field[1]])), " ".join(drawn))
    text = " ".join(filled.split())
    return text[:1].upper() + text[1:]
