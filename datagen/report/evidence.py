"""Where in a passage the words of the evidence stand."""

import re
from collections.abc import Sequence

Spans = list[tuple[str, bool]]


def spans(passage: str, evidence: str | None) -> Spans:
    """
    Cut a passage into (text, whether it is evidence).

    Differences in white space do not count, since a passage may be wrapped. Evidence that is not there word
    by word marks nothing.
    """
    words = (evidence or "").split()
    match = re.search(r"\s+".join(map(re.escape, words)), passage) if words else None
    if match is None:
        return [(passage, False)]
    cut = (passage[: match.start()], False), (match[0], True), (passage[match.end() :], False)
    return [(text, marked) for text, marked in cut if text]


def excerpt(cut: Sequence[tuple[str, bool]], around: int) -> Spans:
    """Keep `around` characters on either side of the evidence, or at the start where nothing is marked."""
    if not any(marked for _, marked in cut):
        return [(_head("".join(text for text, _ in cut), 2 * around), False)]
    place = next(number for number, (_, marked) in enumerate(cut) if marked)
    found: Spans = []
    for number, (text, marked) in enumerate(cut):
        if marked:
            found.append((_head(text, 4 * around), True))
        elif number < place:
            found.append((text if len(text) <= around else "… " + text[-around:], False))
        else:
            found.append((_head(text, around), False))
    return found


def _head(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + " …"
