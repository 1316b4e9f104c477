"""
Few-shot context: earlier passages of a section, each with an exercise, before a request about a later one.

The model follows the kind and form of the examples (instruction pre-training, arXiv 2406.14491, section 3.2,
chains texts into M-shot prompts). In the paper, the texts of a chain are unrelated and the pairs unchecked;
here the texts come from one section, and only pairs that passed their checks are shown.

The opening passages of a section are asked first, without examples. All later passages are shown the same
opening passages, so their requests share that prefix.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from datagen.control_tokens import defuse
from datagen.request import Answer, Message, Request
from datagen.rows import PassageRow
from datagen.stages.shared.tokens import ruler

TURN = 16  # most tokens that a chat template adds to a message


def later(rows: Iterable[PassageRow], most: int) -> dict[str, list[str]]:
    """
    Map each passage that is asked later to the opening passages of its section.

    Parameters
    ----------
    rows
        Passages: `id`, `document_id`, `section` and `index` are read.
    most
        Number of opening passages per section; 0: no passage is asked later.

    Returns
    -------
    dict
        Id of each later passage -> ids of the opening passages of its section, in order.
    """
    sections: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: row["index"]):
        sections.setdefault((row["document_id"], *(row["section"] or ())), []).append(row["id"])
    return {key: keys[:most] for keys in sections.values() for key in keys[most:] if most}


def length_limit(tokenizer: str, most: int, folder: Path) -> Callable[[Sequence[Message]], bool]:
    """
    Return a predicate that accepts prompts of at most `most` tokens.

    Without a tokenizer a byte counts as a token: no token is shorter than a byte.
    """
    lengths = ruler(tokenizer, folder).lengths if tokenizer else _bytes

    def fits(messages: Sequence[Message]) -> bool:
        texts = [message["content"] for message in messages]
        return sum(lengths(texts)) + TURN * len(texts) <= most

    return fits


def _bytes(texts: Sequence[str]) -> list[int]:
    return [len(text.encode("utf-8", "surrogatepass")) for text in texts]


def prepend(
    request: Request, earlier: Sequence[Sequence[Answer]], fits: Callable[[Sequence[Message]], bool]
) -> Request:
    """
    Prepend earlier passages to a request as chat turns, each with its exercise.

    Parameters
    ----------
    request
        A request about a passage, without examples.
    earlier
        The accepted answers about each earlier passage, in passage order. One answer per passage is shown:
        one to the same task if there is one.
    fits
        Accepts messages that are short enough. The nearest passages are shown; a request without room for
        any is returned unchanged.
    """
    own = request.messages
    turns: list[Message] = []
    for accepted in reversed([answers for answers in earlier if answers]):
        shot = min(accepted, key=lambda answer: answer.request.task != request.task)
        longer = [shot.request.messages[-1], {"role": "assistant", "content": str(defuse(shot.text))}, *turns]
        if not fits([*own, *longer]):
            break
        turns = longer
    return replace(request, messages=[*own[:-1], *turns, own[-1]])
