"""
Convert chat completion replies (`datagen.engines.reply`) to completions.

A reply becomes a `Completion`, or a failure (`datagen.engines.failures`).
"""

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from datagen import reasoning
from datagen.answer_json import json_parts
from datagen.engines.failures import Faulty
from datagen.engines.reply import Choice, Likely, Message, Position, Reply
from datagen.request import Completion, Identity, Request

BYTES_A_TOKEN = 3  # for estimates; low, so that a budget is rather too tight than too loose
TEMPLATE_TOKENS = (
    4_096  # that a server may add to a prompt: roles, a system prompt, instructions for a schema
)
MAX_HIDDEN = 2**17  # tokens of reasoning that a server may count but not return
END_TOKENS = 64  # characters of tokens after the answer, such as <|im_end|>
MAX_LIKELIHOOD = 1.1  # of all tokens at a position; rounded log probabilities may add up to more than 1
NOT_WORD = re.compile("[^A-Za-z0-9]+")
BYTES = re.compile(r"(?:bytes:)?(?:\\x[0-9a-fA-F]{2})+")  # a part of a character, in OpenAI's notation

Counts: TypeAlias = tuple[int | None, int | None]  # tokens of the prompt and the completion, where known

# Reasons for the end of an answer, as servers write them.
STOPPED = {
    "stop",
    "eos",
    "eos_token",
    "stop_sequence",
    "stop_token",
    "end_turn",
    "end",
    "complete",
    "completed",
    "stop_string",
    "stop_str",
    "end_of_sequence",
}
CUT = {
    "length",
    "max_length",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "model_length",
    "token_limit",
}
CALLED = {"tool_calls", "tool_call", "function_call", "tool_use"}
ENDED = {*STOPPED, *CUT, *CALLED, ""}
BROKEN = {
    "error",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "insufficient_system_resource",
    "network_error",
    "server_error",
    "internal_error",
    "interrupted",
    "timeout",
}
ENUM = re.compile(r"^finish_?reason[._]")  # how some servers write the name of a constant


def completion_of(
    reply: Reply,
    request: Request,
    key: str,
    model: Identity,
    opened: bool = False,
    counts: Counts | None = None,
) -> Completion:
    """
    Convert a reply to a completion.

    `opened` means that the chat template writes the opening reasoning tag, so that a truncated text without
    any tag is reasoning. `counts` are the `reported` tokens; by default those within the request's limit.

    Raises
    ------
    Failure
        If the server broke off or sent no text.
    """
    choice, message = reply.choices[0], reply.choices[0].message
    cut = _plain(choice.finish_reason) in CUT
    thought = reasoning.split(message.text, opened and cut and not message.thought)
    reasoned = "\n\n".join(filter(None, (message.thought.strip(), thought.reasoning)))
    text = thought.answer
    prompt_tokens, completion_tokens = _tokens(reply, request, text, reasoned, counts)
    if request.schema is not None and not text.strip() and not cut:
        text = _misplaced(message, reasoned)
    hidden = reply.usage.completion_tokens_details.reasoning_tokens or 0
    unanswered = not text.strip() and bool(reasoned or thought.cut or hidden)
    finish, error = _end(choice, text, unanswered, request, completion_tokens)
    positions = _of_answer(choice.logprobs.content, text, bool(reasoned), request)
    logprobs = tuple(position.logprob for position in positions)
    choices: tuple[float, ...] = ()
    if request.choices:
        top = positions[0].top_logprobs if positions else ()
        if top and _likelihood(top) < MAX_LIKELIHOOD:
            choices = scores([(entry.token, entry.logprob or 0.0) for entry in top], request.choices)
        finish = "stop"  # max_tokens is 1, so the server reports "length"
        error = error or ("" if choices else "the server returned no valid logprobs, so it cannot choose")
        choices = () if error else choices
    return Completion(
        key=key,
        text=text,
        finish="error" if error else finish,
        model=model.name,
        revision=model.revision,
        prompt_tokens=prompt_tokens,
        cached_tokens=min(reply.usage.prompt_tokens_details.cached_tokens or 0, prompt_tokens),
        completion_tokens=completion_tokens,
        logprobs=() if None in logprobs else tuple(value or 0.0 for value in logprobs),
        choices=choices,
        error=error,
        reasoning=reasoned,
    )


def _end(
    choice: Choice, text: str, unanswered: bool, request: Request, completion_tokens: int
) -> tuple[Literal["stop", "length"], str]:
    """
    Determine how an answer ended, and the error if there is no answer.

    Raises
    ------
    Faulty
        If the server broke off, or sent no text.
    """
    reason, message = _plain(choice.finish_reason), choice.message
    if reason in BROKEN:
        raise Faulty(f"the server broke off: {choice.finish_reason}")
    finish: Literal["stop", "length"] = "length" if reason in CUT else "stop"
    if not reason and request.sampling.max_tokens <= completion_tokens and not request.choices:
        finish = "length"  # no reason given, but the limit is reached
    if message.declined:
        return finish, f"the model refused: {message.declined}"
    if reason not in ENDED:
        return finish, f"the server stopped: {choice.finish_reason}"
    if unanswered or (not text.strip() and finish == "length" and not request.choices):
        return finish, reasoning.reasoning_only(finish, completion_tokens)
    if text.strip() or request.choices:
        return finish, ""
    if message.tool_calls or message.calls or reason in CALLED:
        return finish, "the model called a tool instead of answering"
    if message.has_text:
        return finish, ""
    raise Faulty("the reply contains no text")


@lru_cache(64)
def _plain(reason: str) -> str:
    """Return the reason for the end in one notation: "stop" for `Stop`, `FinishReason.STOP` and the like."""
    return ENUM.sub("", reason.strip().lower().replace("-", "_"))


def _misplaced(message: Message, thought: str) -> str:
    """Find JSON where servers misplace an answer: in the only tool call, or in the reasoning."""
    if len(message.calls) == 1:
        return message.calls[0]
    return next(json_parts(thought), "")


def _tokens(
    reply: Reply, request: Request, text: str, thought: str, counts: Counts | None
) -> tuple[int, int]:
    """Count prompt and completion tokens: from the usage, else from log probabilities, else by length."""
    prompt, completion = counts or reported(reply, request)
    if not prompt:
        prompt = estimate(*(message["content"] for message in request.messages))
    if not completion:
        completion = len(reply.choices[0].logprobs.content) or estimate(text, thought)
    return prompt, completion


def reported(reply: Reply, request: Request, limit: int | None = None) -> Counts:
    """
    Return the prompt and completion tokens that the server reports; None for a missing or impossible count.

    A token takes at least a byte, so texts bound the counts. In addition, a template may add to the prompt,
    and a server need not return all tokens: at most those that the request allows, and reasoning. `limit` is
    the maximum number of tokens of the answer, as sent to the server; by default the request's.
    """
    usage, message = reply.usage, reply.choices[0].message
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    more = END_TOKENS + min(usage.completion_tokens_details.reasoning_tokens or 0, MAX_HIDDEN)
    allowed = request.sampling.max_tokens if limit is None else limit
    # Most counts are possible for texts of any size, so that these need not be measured.
    if prompt is not None and prompt > TEMPLATE_TOKENS:
        sent = _size(*(each["content"] for each in request.messages), json.dumps(request.schema))
        prompt = _at_most(sent + TEMPLATE_TOKENS, prompt)
    if completion is not None and completion > allowed + more:
        received = _size(message.text, message.thought, message.declined, *message.calls)
        completion = _at_most(received + more, completion)
    return prompt, completion


def is_other_model(named: str, asked: str) -> bool:
    """Check whether a server names another model, apart from a version or folder in the name."""
    if named in ("", asked):
        return False
    one, other = (NOT_WORD.sub("", name.rstrip("/").rsplit("/", 1)[-1]).lower() for name in (named, asked))
    return one not in other and other not in one


def _at_most(limit: int, count: int) -> int | None:
    return count if count <= limit else None


def _size(*texts: str) -> int:
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def estimate(*texts: str) -> int:
    """Estimate the number of tokens of texts from their length in UTF-8."""
    return sum(math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN) for text in texts)


def _of_answer(
    positions: Sequence[Position], text: str, thought: bool, request: Request
) -> Sequence[Position]:
    """Return the positions of the answer without the reasoning; none if they cannot be identified."""
    if not thought:
        return positions if request.choices or _spells(positions, text) else ()
    answer = text.strip()
    suffix = ""
    for at in range(len(positions) - 1, -1, -1):
        suffix = positions[at].token + suffix
        if len(suffix) > len(answer) + END_TOKENS:
            break
        if answer and suffix.lstrip().startswith(answer):
            return positions[at:]
    return ()


def _spells(positions: Sequence[Position], text: str) -> bool:
    """
    Check that tokens are those of a text: a server may return too few, or those of the prompt, too.

    Compares letters and digits of ASCII, because servers write tokens with parts of a character in their own
    ways; a text without any needs a token.
    """
    if not positions:
        return False
    spelled = NOT_WORD.sub("", BYTES.sub("", "".join(position.token for position in positions)))
    letters = NOT_WORD.sub("", text)
    return letters in spelled and len(spelled) <= len(letters) + END_TOKENS


def _likelihood(top: Sequence[Likely]) -> float:
    """Add up the likelihoods of tokens; infinite if one is missing."""
    return sum(math.inf if entry.logprob is None else math.exp(entry.logprob) for entry in top)


def scores(top: Sequence[tuple[str, float]], labels: Sequence[str]) -> tuple[float, ...]:
    """
    Compute the log probability of each label from the most likely first tokens.

    The protocol returns tokens as text, so a token counts for the one label that starts with it, ignoring
    white space. A label that starts with none of the tokens gets minus infinity.
    """
    sums = dict.fromkeys(labels, 0.0)
    for text, logprob in top:
        token = text.strip()
        matching = [label for label in labels if token and label.startswith(token)]
        if len(matching) == 1:
            sums[matching[0]] += math.exp(logprob)
    return tuple(math.log(sums[label]) if sums[label] else -math.inf for label in labels)
