"""Rows as token ids, and the order in which training sees them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datagen.schema import content_id

if TYPE_CHECKING:  # its import takes seconds
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokens:
    """A row as token ids: the prompt, and the response with its end token."""

    group: str
    task: str
    prompt: list[int]
    response: list[int]

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.prompt) + len(self.response)


def tokenize(
    tokenizer: "PreTrainedTokenizerBase", group: str, task: str, messages: list[dict[str, str]], response: str
) -> Tokens:
    """Tokenise a row as the engines do; rows of a `group` are about the same passage."""
    chat = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer.encode(chat, add_special_tokens=False)
    written = tokenizer.encode(response, add_special_tokens=False)
    return Tokens(group, task, prompt, [*written, tokenizer.eos_token_id])


def bundles(rows: Sequence[Tokens], together: int, *draw: str) -> list[list[Tokens]]:
    """
    Bundle up to `together` rows of the same group, in a pseudo-random order by hash.

    `draw` seeds the bundles and their order.
    """
    groups: dict[str, list[tuple[str, Tokens]]] = defaultdict(list)
    for row in rows:
        order = content_id(*draw, *map(str, row.prompt), "->", *map(str, row.response))
        groups[row.group].append((order, row))
    split: list[tuple[str, list[Tokens]]] = []
    for members in groups.values():
        members.sort(key=lambda member: member[0])
        for start in range(0, len(members), together):
            bundle = members[start : start + together]
            split.append((bundle[0][0], [row for _, row in bundle]))
    return [bundle for _, bundle in sorted(split, key=lambda pair: pair[0])]


def epochs(rows: Sequence[Tokens], count: int, together: int, seed: int) -> Iterator[list[Tokens]]:
    """Yield the bundles of all epochs, bundled and ordered differently in each epoch."""
    for epoch in range(count):
        yield from bundles(rows, together, str(seed), str(epoch))
