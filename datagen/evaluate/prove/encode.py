"""Tokenise rows and items for the target."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from datagen.evaluate.prove.arms import Row
from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.settings import PAIR_REPEATS, STEP, WINDOW
from datagen.schema import content_id
from datagen.training.tokens import Tokens

if TYPE_CHECKING:  # its import takes seconds
    from transformers import PreTrainedTokenizerBase


class Encoder:
    """
    Tokenise as trainers do: texts with an end token, chats by the chat template with only the answer trained.

    Parameters
    ----------
    tokenizer
        The target's tokenizer, of transformers.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer

    def row(self, row: Row) -> list[Tokens]:
        """Encode a training row; a text longer than a window becomes several sequences."""
        if row.question:
            answer = [*self._ids(row.text), self._tokenizer.eos_token_id]
            return [Tokens(row.passage, "pair", self._prompt(row.question), answer[:WINDOW])]
        return self.text(row.text, row.passage)

    def text(self, text: str, group: str = "") -> list[Tokens]:
        """Encode a text. Its first token has no context and is not trained."""
        ids = [*self._ids(text), self._tokenizer.eos_token_id]
        starts = range(0, max(1, len(ids) - 1), WINDOW)
        return [
            Tokens(group, "text", ids[start : start + 1], ids[start + 1 : start + 1 + WINDOW])
            for start in starts
        ]

    def choices(self, item: Item) -> list[Tokens]:
        """Encode an item: one row per choice, without an end token."""
        if item.family == "cloze":
            before = item.ask.rstrip()
            blank = item.ask[len(before) :]
            prompt = self._ids(before)
            return [Tokens(item.id, "cloze", prompt, self._ids(f"{blank}{text}")) for text in item.choices]
        prompt = self._prompt(item.ask)
        return [Tokens(item.id, "question", prompt, self._ids(choice)) for choice in item.choices]

    def _prompt(self, question: str) -> list[int]:
        if not self._tokenizer.chat_template:
            return self._ids(f"{question}\n\n")
        chat = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        return self._ids(str(chat))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def sequence(rows: Sequence[Tokens], budget: int, seed: int) -> list[Tokens]:
    """
    Order rows for training, in epochs, until the budget of trained tokens is reached.

    The last row may exceed the budget, so arms differ by less than a row.
    """
    order: list[Tokens] = []
    trained, epoch = 0, 0
    while rows and trained < budget:
        for row in _epoch(rows, seed, epoch):
            order.append(row)
            trained += len(row.response)
            if trained >= budget:
                break
        epoch += 1
    return order


def _epoch(rows: Sequence[Tokens], seed: int, epoch: int) -> list[Tokens]:
    """List each text once and each pair `PAIR_REPEATS` times, in a pseudo-random order by hash."""
    drawn = []
    for row in rows:
        for copy in range(PAIR_REPEATS if row.task == "pair" else 1):
            ids = (*row.prompt, -1, *row.response)
            drawn.append((content_id("prove", *map(str, (seed, epoch, copy, *ids))), row))
    return [row for _, row in sorted(drawn, key=lambda lot: lot[0])]


def batches(rows: Iterable[Tokens], size: int = STEP) -> list[list[Tokens]]:
    """Split rows into batches of at least `size` tokens; the last one may be smaller."""
    full: list[list[Tokens]] = []
    current: list[Tokens] = []
    count = 0
    for row in rows:
        current.append(row)
        count += len(row)
        if count >= size:
            full.append(current)
            current, count = [], 0
    return [*full, current] if current else full


def exposures(order: Sequence[Tokens], rows: Sequence[Tokens], texts: Mapping[str, int]) -> dict[str, float]:
    """
    Compute how often each passage was trained, from its share of tokens.

    Parameters
    ----------
    order
        Rows in the order of training.
    rows
        All rows of the arm.
    texts
        Number of texts about each passage; each counts as one exposure.
    """
    seen = _text_tokens(order)
    return {
        passage: texts[passage] * seen.get(passage, 0) / max(1, count)
        for passage, count in _text_tokens(rows).items()
    }


def _text_tokens(rows: Iterable[Tokens]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        if row.task == "text":
            counts[row.group] = counts.get(row.group, 0) + len(row.response)
    return counts
