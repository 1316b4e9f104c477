"""Sentences put together from lists of parts, so that rows which say the same do not say it alike."""

import re
from collections.abc import Sequence

from datagen.control_tokens import defuse
from datagen.schema import pick

FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def say(parts: Sequence[Sequence[str]], *draw: str, **values: str) -> str:
    """
    Put a text together: one of each list of parts, drawn by hash, its fields ``{{ name }}`` filled in.

    A part that names a value which is empty is left out of the draw; each list needs one that can stay.
    """
    known = {name for name, value in values.items() if value}
    chosen = []
    for number, texts in enumerate(parts):
        usable = [text for text in texts if known.issuperset(FIELD.findall(text))]
        chosen.append(pick(usable, str(number), *draw))
    filled = FIELD.sub(lambda field: defuse(values[field[1]]), " ".join(chosen))
    text = " ".join(filled.split())
    return text[:1].upper() + text[1:]
