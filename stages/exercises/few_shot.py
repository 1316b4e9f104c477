"""
Few-shot context: earlier passages of a section, with their exercises, before a request about a later one.

The model follows the kind and form of the examples (instruction pre-training, arXiv 2406.14491, section 3.2,
chains texts into M-shot prompts: a round shows the texts and pairs of all rounds before). In the paper, the
texts of a chain are unrelated and the pairs unchecked; here the texts come from one section, and only pairs
that passed their checks are shown.

The opening passages of a section are asked first, without examples. The passages of a round are shown the
same earlier passages, so their requests share that prefix.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from datagen.control_tokens import defuse
from datagen.request import Answer, Message, Request
from datagen.rows import PassageRow
from datagen.stages.shared.tokens import ruler

TURN = 16  # most tokens that a chat template adds to a message


def later(rows: Iterable[PassageRow], most: int, rounds: int = 2) -> dict[str, list[str]]:
    """
    Map each passage that is asked after the first round to the passages of the rounds before.

    Parameters
    ----------
    rows
        Passages: `id`, `document_id`, `section` and `index` are read.
    most
        Number of passages per section and round, except in the last round, which asks about all others; 0:
        no passage is asked later.
    rounds
        Number of rounds.

    Returns
    -------
    dict
        Id of each later passage -> ids of the passages of its section that earlier rounds ask about, in
        order: `most` of each round.
    """
    sections: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: row["index"]):
        sections.setdefault((row["document_id"], *(row["section"] or ())), []).append(row["id"])
    return {
        key: keys[: min(place // most, rounds - 1) * most]
        for keys in sections.values()
        for place, key in enumerate(keys)
        if 0 < most <= place
    }


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
    request: Request,
    earlier: Sequence[Sequence[Answer]],
    fits: Callable[[Sequence[Message]], bool],
    most: int = 0,
) -> Request:
    """
    Prepend earlier passages to a request as chat turns, each with its exercises.

    Parameters
    ----------
    request
        A request about a passage, without examples.
    earlier
        The accepted answers about each earlier passage, in passage order.
    fits
        Accepts messages that are short enough. The nearest passages are shown; a request without room for
        any is returned unchanged.
    most
        Number of answers shown per passage, those to the same task first; 0: all.
    """
    own = request.messages
    turns: list[Message] = []
    for accepted in reversed([answers for answers in earlier if answers]):
        ranked = sorted(accepted, key=lambda answer: answer.request.task != request.task)
        longer = [*_turns(ranked[:most] if most else accepted), *turns]
        if not fits([*own, *longer]):
            break
        turns = longer
    return replace(request, messages=[*own[:-1], *turns, own[-1]])


def _turns(answers: Sequence[Answer]) -> list[Message]:
    """Write the exercises about one passage as turns: only the first turn shows the passage."""
    asked = [answer.request.messages[-1]["content"].split("\n\n") for answer in answers]
    shared = sum(1 for _ in takewhile(lambda same: len({*same}) == 1, zip(*asked, strict=False)))
    turns: list[Message] = []
    for answer, paragraphs in zip(answers, asked, strict=True):
        own = paragraphs[min(shared, len(paragraphs) - 1) :]  # without heading and passage
        turns.append({"role": "user", "content": "\n\n".join(own if turns else paragraphs)})
        turns.append({"role": "assistant", "content": str(defuse(answer.text))})
    return turns
