"""
Pack rows into token sequences in which rows about one passage share the computation of their common prefix.

A sequence holds the common prefix once, followed by each row's own tokens. A row attends to the prefix and to
itself, and its positions continue from the prefix, so the loss equals that of separate rows. There is no
padding.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from transformers import AttentionInterface

from datagen.training.tokens import Tokens

LanguageModel: TypeAlias = Any  # a model of transformers, or one with an adapter by PEFT

# Largest number of scores per head for which `_attention` keeps them for the backward pass: 2 MB in bfloat16.
KEPT_SCORES = 2**20


def pack(rows: Sequence[Tokens]) -> dict[str, torch.Tensor]:
    """
    Pack rows with a common prefix into one sequence.

    Returns
    -------
    dict
        ``input_ids`` and ``position_ids``, (1, tokens); ``branches``, (rows, longest row), the indices of
        each row's own tokens, padded with -1; ``places``, the indices that predict a response token;
        ``targets``, these tokens; ``row``, the numbers of their rows.
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
    """Count the tokens of the common prefix of all prompts."""
    first, last = min(prompts), max(prompts)  # all prompts between these two share their common prefix
    differing = (position for position, token in enumerate(first) if token != last[position])
    return next(differing, len(first))


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _: object,
    *,
    branches: torch.Tensor,
    scaling: float | None = None,
    **__: object,
) -> tuple[torch.Tensor, None]:
    """
    Attend over a packed sequence: the prefix to itself, then each row's own tokens to prefix and row.

    Two parts cost a third of one with a mask over the whole sequence.

    Queries, keys and values are (1, heads, tokens, size); keys and values may have fewer heads. `branches`
    are those of `pack`. transformers calls this function in every layer.
    """
    groups = query.shape[1] // key.shape[1]
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

    scale = scaling or query.shape[-1] ** -0.5
    first = _attention(query[:, :, :shared], key[:, :, :shared], value[:, :, :shared], None, scale)
    then = _attention(of_rows(query), with_shared(key), with_shared(value), sees, scale)
    flat = then.transpose(1, 2)[own]  # (tokens of the rows, heads, size)
    return torch.cat([first[0].transpose(0, 1), flat])[None], None


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sees: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """
    Scaled dot-product attention, (rows, heads, queries, size); `sees` is (queries, keys), None if causal.

    On a CPU, PyTorch's fused attention uses no matrix units in its backward pass. Plain products make a
    training step twice as fast there, but keep all scores, so long sequences are left to the fused one.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    if query.device.type != "cpu" or queries * keys > KEPT_SCORES:
        fused = torch.nn.functional.scaled_dot_product_attention
        return fused(query, key, value, attn_mask=sees, is_causal=sees is None, scale=scale)
    if sees is None:
        sees = torch.ones(queries, keys, dtype=torch.bool).tril()
    scores = (query * scale) @ key.transpose(-1, -2)
    return torch.softmax(scores.masked_fill(~sees, -torch.inf), -1) @ value


AttentionInterface.register("shared_prefix", attend)


def token_losses(model: LanguageModel, packed: dict[str, torch.Tensor]) -> torch.Tensor:
    """
    Return the cross entropy of each response token, (tokens,); logits are computed only for these.

    The model's attention must be ``shared_prefix``.
    """
    inputs = {name: packed[name] for name in ("input_ids", "position_ids", "branches")}
    unused = torch.empty(1, 1, 0, 0, dtype=torch.bool)  # a dummy mask: `attend` builds its own
    output = model(**inputs, attention_mask=unused, logits_to_keep=packed["places"], use_cache=False)
    return torch.nn.functional.cross_entropy(output.logits[0].float(), packed["targets"], reduction="none")


def row_sums(losses: torch.Tensor, packed: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum the losses of each row's tokens; return the sums and the numbers of tokens, (rows,) each."""
    count = len(packed["branches"])
    totals = torch.zeros(count, device=losses.device).index_add(0, packed["row"], losses)
    return totals, torch.bincount(packed["row"], minlength=count)


def row_losses(model: LanguageModel, packed: dict[str, torch.Tensor]) -> torch.Tensor:
    """Compute each row's mean cross entropy over the tokens of its response, (rows,)."""
    totals, counts = row_sums(token_losses(model, packed), packed)
    return totals / counts
