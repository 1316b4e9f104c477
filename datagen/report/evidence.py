"""Locate the evidence in a passage."""

import re
from collections.abc import Sequence

Spans = list[tuple[str, bool]]


def spans(passage: str, evidence: str | None) -> Spans:
    """
    Split a passage into (text, whether it is evidence).

    Whitespace is ignored, because a passage may be wrapped. Evidence that is not a verbatim quote is not
    marked.
    """
    words = (evidence or "").split()
    match = re.search(r"\s+".join(map(re.escape, words)), passage) if words else None
    if match is None:
        return [(passage, False)]
    cuts = (passage[: match.start()], False), (match[0], True), (passage[match.end() :], False)
    return [(text, marked) for text, marked in cuts if text]


def excerpt(cut: Sequence[tuple[str, bool]], around: int) -> Spans:
    """Keep `around` characters on each side of the evidence; without evidence, keep the start."""
    if not any(marked for _, marked in cut):
        return [(_head("".join(text for text, _ in cut), 2 * around), False)]
    marked_at = next(number for number, (_, marked) in enumerate(cut) if marked)
    result: Spans = []
    for number, (text, marked) in enumerate(cut):
        if marked:
            result.append((_head(text, 4 * around), True))
        elif number < marked_at:
            result.append((text if len(text) <= around else "… " + text[-around:], False))
        else:
            result.append((_head(text, around), False))
    return result


def _head(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[:max_chars] + " …"
