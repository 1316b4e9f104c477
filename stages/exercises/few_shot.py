"""
Shots: earlier passages of a section, each with an exercise, in front of a request about a later one.

The model goes on with the kind and form of what it is shown (instruction pre-training, arXiv 2406.14491,
section 3.2, chains texts into M-shot prompts). There, the texts of a chain have nothing to do with each
other, and unchecked pairs are shown; here they are of one section, and only sound ones are.

A section's opening passages are asked first, without shots. Those after them are all shown the same
opening passages, so that their requests share that prefix too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datagen.control_tokens import defuse
from datagen.request import Answer, Message, Request
from datagen.stages.shared.tokens import ruler

TURN = 16  # tokens that chat templates put around a message, at most


def later(rows: Iterable[Mapping[str, Any]], most: int) -> dict[str, list[str]]:
    """
    Tell which passages are asked later, and which ones open their section.

    Parameters
    ----------
    rows
        Passages: `id`, `document_id`, `section` and `index` are read.
    most
        How many passages open a section; 0: nothing comes later.

    Returns
    -------
    dict
        Id of each passage that is asked later -> ids of those that open its section, in their order.
    """
    sections: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: row["index"]):
        sections.setdefault((row["document_id"], *(row["section"] or ())), []).append(row["id"])
    return {key: keys[:most] for keys in sections.values() for key in keys[most:] if most}


def guard(tokenizer: str, most: int, folder: Path) -> Callable[[Sequence[Message]], bool]:
    """
    Make the test that a prompt has at most so many tokens.

    Without a tokenizer a byte counts as one: no token holds less, in any language.
    """
    lengths = ruler(tokenizer, folder).lengths if tokenizer else _bytes

    def fits(messages: Sequence[Message]) -> bool:
        said = [message["content"] for message in messages]
        return sum(lengths(said)) + TURN * len(said) <= most

    return fits


def _bytes(texts: Sequence[str]) -> list[int]:
    return [len(text.encode("utf-8", "surrogatepass")) for text in texts]


def put_before(
    request: Request, earlier: Sequence[Sequence[Answer]], fits: Callable[[Sequence[Message]], bool]
) -> Request:
    """
    Put earlier passages in front of a request: as turns of the chat, each with its exercise.

    Parameters
    ----------
    request
        It asks about a passage without shots.
    earlier
        The sound answers about each earlier passage, in the passages' order. One of each is shown: of the
        task that is asked now if there is one.
    fits
        The test that messages are not too long. The nearest passages are shown; a request that has room
        for none is left as it is.
    """
    own = request.messages
    turns: list[Message] = []
    for sound in reversed([sound for sound in earlier if sound]):
        shot = min(sound, key=lambda answer: answer.request.task != request.task)
        asked = [message for message in shot.request.messages if message["role"] != "system"]
        longer = [*asked, {"role": "assistant", "content": defuse(shot.text)}, *turns]
        if not fits([*own, *longer]):
            break
        turns = longer
    return replace(request, messages=[*own[:-1], *turns, own[-1]])
