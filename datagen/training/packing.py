"""
Packed token sequences: rows about one passage share the computation of the tokens that they begin with.

A sequence holds the common first tokens once, then each row's own tokens side by side. A row attends to the
common tokens and to itself, and its positions continue from the common ones, so its loss is the same as
alone; the passage is computed once for several rows. There is no padding.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

from datagen.schema import content_id


@dataclass(frozen=True)
class Tokens:
    """A row as token ids: its prompt, and the response with its end token."""

    group: str
    task: str
    prompt: list[int]
    response: list[int]

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.prompt) + len(self.response)


def tokenize(tokenizer: Any, group: str, task: str, messages: list[dict[str, str]], response: str) -> Tokens:
    """Tokenise a row as the engines do; the rows of a group are about the same passage."""
    chat = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer.encode(chat, add_special_tokens=False)
    written = tokenizer.encode(response, add_special_tokens=False)
    return Tokens(group, task, prompt, [*written, tokenizer.eos_token_id])


def bundles(rows: Sequence[Tokens], together: int, *draw: str) -> list[list[Tokens]]:
    """
    Put rows of the same group together, at most `together` of them, in an order drawn by hash.

    Another `draw` gives other bundles in another order.
    """
    groups: dict[str, list[tuple[str, Tokens]]] = defaultdict(list)
    for row in rows:
        lot = content_id(*draw, *map(str, row.prompt), "->", *map(str, row.response))
        groups[row.group].append((lot, row))
    cut: list[tuple[str, list[Tokens]]] = []
    for members in groups.values():
        members.sort(key=lambda member: member[0])
        for start in range(0, len(members), together):
            part = members[start : start + together]
            cut.append((part[0][0], [row for _, row in part]))
    return [part for _, part in sorted(cut, key=lambda lot: lot[0])]


def pack(rows: Sequence[Tokens]) -> dict[str, torch.Tensor]:
    """
    Put rows side by side in one sequence, their common first tokens once.

    Returns
    -------
    dict
        ``input_ids`` and ``position_ids``, (1, tokens); ``branches``, (rows, longest row), the places of each
        row's own tokens, padded with -1; ``places``, the positions that predict a token of a response,
        that token in ``targets``, and the number of its row in ``row``.
    """
    shared = _shared([row.prompt[:-1] for row in rows])
    ids, positions = list(rows[0].prompt[:shared]), list(range(shared))
    longest = max(map(len, rows)) - shared
    branches = torch.full((len(rows), longest), -1)
    places: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for number, row in enumerate(rows):
        own = [*row.prompt[shared:], *row.response]
        first = len(ids) + len(row.prompt) - shared - 1  # predicts the first token of the response
        places += range(first, first + len(row.response))
        targets += row.response
        owners += [number] * len(row.response)
        branches[number, : len(own)] = torch.arange(len(ids), len(ids) + len(own))
        ids += own
        positions += range(shared, shared + len(own))
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "branches": branches,
        "places": torch.tensor(places),
        "targets": torch.tensor(targets),
        "row": torch.tensor(owners),
    }


def _shared(prompts: list[list[int]]) -> int:
    """Count the tokens that all prompts have in common at their start."""
    least, most = min(prompts), max(prompts)  # what these two share, all between them share
    differ = (place for place, token in enumerate(least) if token != most[place])
    return next(differ, len(least))


def attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: Any, **given: Any
) -> tuple[torch.Tensor, None]:
    """
    Attend over a packed sequence: the shared tokens once, then each row's own to these and to themselves.

    As two calls of PyTorch's attention it costs a third of one call with a mask over the whole sequence.

    Queries, keys and values are (1, heads, tokens, size); keys and values may have fewer heads. `given`
    holds the ``branches`` of `pack`. transformers calls it in every layer.
    """
    groups, branches = query.shape[1] // key.shape[1], given["branches"]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    rows, longest = branches.shape
    own = branches >= 0
    shared = query.shape[2] - int(own.sum())
    past = torch.ones(longest, shared, dtype=torch.bool, device=own.device)
    sees = torch.cat([past, torch.ones(longest, longest, dtype=torch.bool, device=own.device).tril()], 1)

    def of_rows(states: torch.Tensor) -> torch.Tensor:
        return states[0][:, branches.clamp(min=0)].transpose(0, 1)  # (rows, heads, longest, size)

    def with_shared(states: torch.Tensor) -> torch.Tensor:
        return torch.cat([states[:, :, :shared].expand(rows, -1, -1, -1), of_rows(states)], 2)

    sdpa, scale = torch.nn.functional.scaled_dot_product_attention, given.get("scaling")
    first = sdpa(query[:, :, :shared], key[:, :, :shared], value[:, :, :shared], is_causal=True, scale=scale)
    then = sdpa(of_rows(query), with_shared(key), with_shared(value), attn_mask=sees, scale=scale)
    flat = then.transpose(1, 2)[own]  # (tokens of the rows, heads, size)
    return torch.cat([first[0].transpose(0, 1), flat])[None], None


AttentionInterface.register("shared_prefix", attend)


def token_losses(model: Any, packed: dict[str, torch.Tensor]) -> torch.Tensor:
    """
    Compute the cross entropy of each token of a response, (tokens,); logits are made for these alone.

    The model's attention must be ``shared_prefix``.
    """
    seen = {name: packed[name] for name in ("input_ids", "position_ids", "branches")}
    unused = torch.empty(1, 1, 0, 0, dtype=torch.bool)  # in place of a mask: `attend` reads the branches
    logits = model(**seen, attention_mask=unused, logits_to_keep=packed["places"], use_cache=False).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), packed["targets"], reduction="none")


def row_sums(losses: torch.Tensor, packed: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up the losses of each row's tokens; return the sums and the numbers of tokens, (rows,) each."""
    count = len(packed["branches"])
    totals = torch.zeros(count, device=losses.device).index_add(0, packed["row"], losses)
    return totals, torch.bincount(packed["row"], minlength=count)


def row_losses(model: Any, packed: dict[str, torch.Tensor]) -> torch.Tensor:
    """Compute each row's mean cross entropy over the tokens of its response, (rows,)."""
    totals, counts = row_sums(token_losses(model, packed), packed)
    return totals / counts


def epochs(rows: Sequence[Tokens], count: int, together: int, seed: int) -> Iterator[list[Tokens]]:
    """Yield the bundles of all epochs; each epoch draws its own."""
    for epoch in range(count):
        yield from bundles(rows, together, str(seed), str(epoch))
