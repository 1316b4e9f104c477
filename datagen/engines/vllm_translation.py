"""
Translation between requests and vLLM: the arguments of a request, and the completion in its output.

Structured output uses vLLM's guided decoding, and choices are scored by token id.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from datagen.json_types import JsonObject
from datagen.reasoning import Thought, begins, reasoning_only, split
from datagen.request import Completion, Identity, Request

if TYPE_CHECKING:  # its import takes seconds
    from vllm.outputs import RequestOutput


def sampling_arguments(
    request: Request, label_ids: Sequence[Sequence[int]] = (), thinking: str | int | None = None
) -> JsonObject:
    """
    Translate a request to vLLM's ``SamplingParams``, except for the schema.

    `label_ids` holds the first token ids of each label of a request with choices. `thinking` is the model's
    setting; a thinking budget is added to the answer's token limit.
    """
    sampling = request.sampling
    arguments: JsonObject = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "stop": list(sampling.stop),
        "skip_clone": True,
    }
    if request.choices:
        ids = [token for label in label_ids for token in label]
        return arguments | {"max_tokens": 1, "logprob_token_ids": ids}
    if request.given:  # vLLM recomputes the prompt, because its prefix cache holds no probabilities
        return arguments | {"max_tokens": 1, "prompt_logprobs": 0, "flat_logprobs": True}
    thinking_tokens = thinking if isinstance(thinking, int) else 0
    if thinking_tokens:
        arguments["thinking_token_budget"] = thinking_tokens
    max_tokens = sampling.max_tokens + thinking_tokens
    return arguments | {"max_tokens": max_tokens, "logprobs": 0, "flat_logprobs": True}


def label_tokens(
    encode: Callable[[str], Sequence[int]], prefix: str, labels: Sequence[str]
) -> list[tuple[int, ...]]:
    """
    Find the token ids that each label can start with, with and without a leading space.

    Which of the two a model writes depends on its tokenizer, so both count. Tokens that several labels can
    start with are excluded.

    `encode` is the tokenizer without special tokens, `prefix` the end of the prompt.

    Raises
    ------
    ValueError
        If a label has no distinct first token.
    """
    ids = [{continuation(encode, prefix, start + label)[0] for start in ("", " ")} for label in labels]
    distinct = [
        tuple(sorted(mine - set().union(*(other for other in ids if other is not mine)))) for mine in ids
    ]
    for label, tokens in zip(labels, distinct, strict=True):
        if not tokens:
            raise ValueError(f"the choice {label!r} begins with the same token as another of {list(labels)}")
    return distinct


def continuation(encode: Callable[[str], Sequence[int]], prefix: str, text: str) -> list[int]:
    """
    Tokenize a text as the model would generate it after a prompt.

    `prefix` is the end of the prompt. Its tokens are fixed when generation starts, so they never merge with
    the text's.
    """
    head, joined = list(encode(prefix)), list(encode(prefix + text))
    return joined[len(head) :] if joined[: len(head)] == head else list(encode(text))


def completion_of(
    output: "RequestOutput",
    request: Request,
    key: str,
    model: Identity,
    label_ids: Sequence[Sequence[int]] = (),
    given_tokens: int = 0,
    opened: bool = False,
    decode: Callable[[Sequence[int]], str] | None = None,
) -> Completion:
    """
    Translate vLLM's finished ``RequestOutput``.

    `label_ids` are the first tokens of each of the request's choices, `given_tokens` the number of tokens at
    the prompt's end that are the text to score. `opened` means that the prompt ended within the reasoning;
    `decode` is the tokenizer's, used to locate the answer among the tokens.

    Log probabilities are from the model's distribution before temperature and penalties; with a schema,
    from that distribution restricted to the tokens that the schema allows.
    """
    answer = output.outputs[0]
    positions = answer.logprobs  # flat, except for a choice
    text = answer.text
    sampled: tuple[float, ...]
    finish = answer.finish_reason if answer.finish_reason in ("stop", "length") else "error"
    scored: tuple[float, ...] = ()
    if request.choices or request.given:
        finish = "stop" if finish == "length" else finish  # max_tokens is 1
    thought, error = Thought("", text, False), ""
    if finish == "error":
        error = f"vLLM stopped: {answer.finish_reason}"
    if (request.choices or request.given) and (opened or begins(text)):
        error = reasoning_only("length", len(answer.token_ids))  # the scored token is part of the reasoning
        scored, sampled = (), ()
    elif request.choices:
        first = {token: entry.logprob for token, entry in positions[0].items()}
        scored = tuple(_log_sum([first.get(token, -math.inf) for token in ids]) for ids in label_ids)
        sampled = (first[answer.token_ids[0]],)
    elif request.given:
        prompt = output.prompt_logprobs  # flat
        text, sampled = request.given, tuple(prompt.logprobs[-given_tokens:])
    else:
        thought = split(text, opened)
        text = thought.answer
        begin = _answer_begins(answer.token_ids, text, decode) if thought.reasoning else 0
        sampled = tuple(positions.logprobs[begin:])
        if not error and (thought.cut or (thought.reasoning and not text.strip())):
            error = reasoning_only(finish, len(answer.token_ids))
    return Completion(
        key=key,
        text=text,
        finish="error" if error else finish,
        model=model.name,
        revision=model.revision,
        prompt_tokens=len(output.prompt_token_ids or ()),
        cached_tokens=output.num_cached_tokens or 0,
        completion_tokens=len(answer.token_ids),
        logprobs=sampled,
        choices=scored,
        error=error,
        reasoning=thought.reasoning,
    )


def _answer_begins(tokens: Sequence[int], answer: str, decode: Callable[[Sequence[int]], str] | None) -> int:
    """Return the index of the first token of an answer at the end; the length if it cannot be located."""
    if decode is None or not answer:
        return len(tokens)
    last, first = len(tokens), 0
    while first < last:  # bisect for the shortest suffix that contains the answer
        middle = (first + last + 1) // 2
        if answer in decode(tokens[middle:]):
            first = middle
        else:
            last = middle - 1
    return first


def _log_sum(values: Sequence[float]) -> float:
    """Add probabilities in log space."""
    top = max(values)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in values))
