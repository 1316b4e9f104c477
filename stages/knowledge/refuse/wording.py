"""What refusals and hedged answers say: parts of lists in ``prompts/refusals/``, drawn by hash."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import PurePosixPath
from typing import Any

from datagen.prompt import Prompt
from datagen.schema import fraction, pick
from datagen.template import fill


def decline(wording: Prompt, *draw: str, source: str = "") -> str:
    """
    Put a refusal together: mostly an opening, a statement, and perhaps where to look.

    Parameters
    ----------
    wording
        Its ``openings`` are clauses, or lists of which each clause takes one part each; ``bare`` is the share
        without one.
    draw
        What the parts are drawn by.
    source
        Where to look; a pointer that names it is drawn only where it is known.
    """
    fields = wording.fields
    pointers = [text for text in fields["pointers"] if source or "{{ source" not in text]
    parts = [pick(fields["statements"], "statement", *draw), pick(pointers, "pointer", *draw)]
    if fraction("bare", *draw) >= fields["bare"]:
        parts.insert(0, pick(_openings(_frozen(fields["openings"])), "opening", *draw))
    text = fill(" ".join(parts), f"prompts/{wording.name}.yaml", source=source).strip()
    return text[0].upper() + text[1:]


def hedge(phrases: Sequence[str], answer: str, *draw: str, **values: str) -> str:
    """Say an answer in a phrase that tells how sure one is of it, drawn by hash."""
    ended = answer.rstrip()
    ended = ended if ended.endswith((".", "!", "?", "。", "！", "？")) else f"{ended}."
    text = fill(pick(phrases, *draw), "a hedge in prompts/", answer=ended, **values).strip()
    return text[0].upper() + text[1:]


def place(source: str | None) -> str:
    """Name the document without the folders that lead to it; "" where the name says nothing to a reader."""
    path, _, key = (source or "").rpartition("#")
    name = key if path else PurePosixPath(key).stem
    return name if re.search(r"[^\W\d]{3}", name) else ""


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def _openings(entries: tuple[Any, ...]) -> list[str]:
    """List every clause that the openings can make."""
    parts = ([[one]] if isinstance(one, str) else one for one in entries)
    return [" ".join(filter(None, clause)) for lists in parts for clause in product(*lists)]
