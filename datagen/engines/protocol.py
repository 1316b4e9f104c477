"""
Parse chat completion replies, including the deviations of common servers.

A reply becomes a `Completion` with every field of the right type, or a failure (`datagen.engines.failures`).
Optional fields (usage, log probabilities, details) are dropped if they are missing or invalid. Required
fields (the text, and how it ended) are never guessed from a value of another type.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from datagen import reasoning
from datagen.answer_json import json_parts
from datagen.engines.failures import Faulty, of_error
from datagen.request import Completion, Identity, Request

MAX_TOKENS = 2**31  # a larger token count is invalid
MIN_LOGPROB = -1e6
BYTES_A_TOKEN = 3  # for estimates; low, so that a budget is rather too tight than too loose
SHOWN = 300  # characters to quote of an invalid reply
# An object takes 100 times the memory of its brackets: a body within its limit may exhaust memory.
MAX_VALUES, MAX_ITEMS, MAX_PARTS = 2_000_000, 200_000, 10_000  # of a reply, a list of tokens, an answer
LONGEST_ERROR = 100_000  # characters
END_TOKENS = 64  # characters of tokens after the answer, such as <|im_end|>
MAX_LIKELIHOOD = 1.1  # of all tokens at a position; rounded log probabilities may add up to more than 1
NOT_WORD = re.compile("[^A-Za-z0-9]+")
BYTES = re.compile(r"(?:bytes:)?(?:\\x[0-9a-fA-F]{2})+")  # a part of a character, in OpenAI's notation
SURROGATE = re.compile(r"\\u[dD][89abAB]")

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
}
CUT = {"length", "max_tokens", "max_output_tokens", "max_new_tokens", "model_length", "token_limit"}
CALLED = {"tool_calls", "tool_call", "function_call", "tool_use"}
BROKEN = {
    "error",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "insufficient_system_resource",
    "network_error",
}


def _count(value: Any) -> int | None:
    """Parse a token count, which may be a string or a float; None if it is not a count."""
    try:
        number = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < MAX_TOKENS else None


def _logprob(value: Any) -> float | None:
    """Parse a log probability; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return min(number, 0.0) if MIN_LOGPROB <= number <= 1e-3 else None  # rounding may give a little over 0


def _dict(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Any:
    """Return a list of objects; empty if any item is not an object, or there are too many."""
    valid = isinstance(value, list) and len(value) <= MAX_ITEMS
    return value if valid and all(isinstance(item, dict) for item in value) else []


def _first(value: Any) -> Any:
    """Return a list without all answers but the first, because requests ask for one."""
    return value[:1] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


Count = Annotated[int | None, BeforeValidator(_count)]
Logprob = Annotated[float | None, BeforeValidator(_logprob)]
Lenient = Annotated[str, BeforeValidator(_text)]


class Wire(BaseModel):
    """A part of a reply; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Details(Wire):
    """Details of the usage."""

    cached_tokens: Count = None
    reasoning_tokens: Count = None


class Usage(Wire):
    """Token counts from the server."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[Details, BeforeValidator(_dict)] = Details()
    completion_tokens_details: Annotated[Details, BeforeValidator(_dict)] = Details()


class Likely(Wire):
    """One of the most likely tokens at a position."""

    token: Lenient = ""
    logprob: Logprob = None


class Position(Likely):
    """A token of the answer."""

    top_logprobs: Annotated[tuple[Likely, ...], BeforeValidator(_list)] = ()


class Logprobs(Wire):
    """Log probabilities per token."""

    content: Annotated[tuple[Position, ...], BeforeValidator(_list)] = ()


class Part(Wire):
    """A part of a multi-part answer: text, reasoning, a refusal, or something else."""

    type: Lenient = ""
    text: str | None = None
    refusal: Lenient = ""
    thinking: Any = None
    reasoning: Any = None

    @property
    def is_answer(self) -> bool:
        """Whether its text belongs to the answer."""
        return self.type in ("text", "output_text", "")

    @property
    def thought(self) -> str:
        """Its reasoning, which may itself be multi-part."""
        return _joined(self.thinking) or _joined(self.reasoning)


class Function(Wire):
    """The function of a tool call."""

    arguments: Lenient = ""


class ToolCall(Wire):
    """A tool call requested by the model."""

    function: Annotated[Function, BeforeValidator(_dict)] = Function()


class Message(Wire):
    """The message of the model."""

    content: str | Annotated[tuple[Part | str, ...], Field(max_length=MAX_PARTS)] | None = None
    refusal: Lenient = ""
    reasoning_content: Lenient = ""
    reasoning: Lenient = ""
    tool_calls: Annotated[tuple[ToolCall, ...], BeforeValidator(_list)] = ()

    @property
    def text(self) -> str:
        """The answer, including reasoning between tags."""
        if not isinstance(self.content, tuple):
            return self.content or ""
        return "".join(part if isinstance(part, str) else _answer_text(part) for part in self.content)

    @property
    def has_text(self) -> bool:
        """Whether there is an answer, which may be empty; parts may hold images only."""
        if not isinstance(self.content, tuple):
            return self.content is not None
        return any(
            isinstance(part, str) or (part.is_answer and part.text is not None) for part in self.content
        )

    @property
    def declined(self) -> str:
        """The model's refusal, if it refused to answer."""
        parts = self.content if isinstance(self.content, tuple) else ()
        return self.refusal or "".join(part.refusal for part in parts if isinstance(part, Part))

    @property
    def thought(self) -> str:
        """The reasoning that the server returned separately from the answer."""
        parts = self.content if isinstance(self.content, tuple) else ()
        thoughts = (part.thought or _thought(part) for part in parts if isinstance(part, Part))
        return self.reasoning_content or self.reasoning or "\n".join(filter(None, thoughts))


class Choice(Wire):
    """One of the answers; requests ask for only one."""

    message: Message
    finish_reason: Lenient = ""
    logprobs: Annotated[Logprobs, BeforeValidator(_dict)] = Logprobs()
    error: Any = None


class Reply(Wire):
    """A complete reply."""

    choices: Annotated[tuple[Choice, ...], BeforeValidator(_first)] = Field(min_length=1)
    usage: Annotated[Usage, BeforeValidator(_dict)] = Usage()


def _answer_text(part: Part) -> str:
    return (part.text or "") if part.is_answer else ""


def _thought(part: Part) -> str:
    return (part.text or "") if part.type in ("thinking", "reasoning", "reasoning_text") else ""


def _joined(value: Any) -> str:
    """Join a text that may be a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = (part.get("text") if isinstance(part, dict) else part for part in value)
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def read_reply(text: str) -> Reply:
    """
    Parse the body of a reply with status 200.

    Raises
    ------
    Failure
        If it contains an error, or is not a chat completion.
    """
    if text.count(",") > MAX_VALUES:
        raise Faulty(f"not a chat completion (more than {MAX_VALUES:,} values): {text[:SHOWN]}")
    try:
        value = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        if text.startswith(("data:", "event:", ":")):
            raise Faulty("an event stream, which was not requested") from None
        raise Faulty(f"not JSON: {text[:SHOWN]!r}") from None
    if isinstance(value, dict) and (error := _error_in(value)):
        raise of_error(error, f"an error in a reply with status 200: {_error_text(error)}")
    try:
        reply = Reply.model_validate(_with_whole_characters(value) if SURROGATE.search(text) else value)
    except ValidationError as why:
        first_error = why.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first_error["loc"]))
        raise Faulty(f"not a chat completion ({where}: {first_error['msg']}): {text[:SHOWN]}") from None
    except RecursionError:
        raise Faulty(f"not a chat completion (nested too deeply): {text[:SHOWN]}") from None
    if error := reply.choices[0].error:
        raise of_error(error, f"an error in a reply with status 200: {_error_text(error)}")
    return reply


def _integer(digits: str) -> float:
    """Parse an integer; a very long one as float, because `int` refuses thousands of digits."""
    return int(digits) if len(digits) < 64 else float(digits)


def _error_in(value: Mapping[str, Any]) -> Any:
    """Return a reply's error; None if it has choices and no error."""
    if error := value.get("error"):
        return error
    if value.get("choices"):
        return None
    named = (value.get(name) for name in ("detail", "message", "msg", "errors", "code"))
    return value if any(part and not isinstance(part, dict) for part in named) else None


def _error_text(error: Any) -> str:
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)[:SHOWN]


def _with_whole_characters(value: Any) -> Any:
    """Replace unpaired surrogates, which Arrow tables cannot store, with "?"."""
    try:
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Faulty("not a chat completion (nested too deeply)") from None


def completion_of(
    reply: Reply, request: Request, key: str, model: Identity, opened: bool = False
) -> Completion:
    """
    Convert a reply to a completion.

    `opened` means that the chat template writes the opening reasoning tag, so that a truncated text without
    any tag is reasoning.

    Raises
    ------
    Failure
        If the server broke off or sent no text.
    """
    choice, message = reply.choices[0], reply.choices[0].message
    thought = reasoning.split(
        message.text, opened and choice.finish_reason.lower() in CUT and not message.thought
    )
    reasoned = "\n\n".join(filter(None, (message.thought.strip(), thought.reasoning)))
    text = thought.answer
    prompt_tokens, completion_tokens = _tokens(reply, request, text, reasoned)
    if request.schema is not None and not text.strip() and choice.finish_reason.lower() not in CUT:
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
    reason, message = choice.finish_reason.lower(), choice.message
    if reason in BROKEN:
        raise Faulty(f"the server broke off: {choice.finish_reason}")
    finish: Literal["stop", "length"] = "length" if reason in CUT else "stop"
    if not reason and request.sampling.max_tokens <= completion_tokens and not request.choices:
        finish = "length"  # no reason given, but the limit is reached
    if message.declined:
        return finish, f"the model refused: {message.declined}"
    if reason not in {*STOPPED, *CUT, *CALLED, ""}:
        return finish, f"the server stopped: {choice.finish_reason}"
    if unanswered or (not text.strip() and finish == "length" and not request.choices):
        return finish, reasoning.reasoning_only(finish, completion_tokens)
    if text.strip() or request.choices:
        return finish, ""
    if message.tool_calls or reason in CALLED:
        return finish, "the model called a tool instead of answering"
    if message.has_text:
        return finish, ""
    raise Faulty("the reply contains no text")


def _misplaced(message: Message, thought: str) -> str:
    """Find JSON where servers misplace an answer: in the only tool call, or in the reasoning."""
    if len(message.tool_calls) == 1:
        return message.tool_calls[0].function.arguments
    return next(json_parts(thought), "")


def _tokens(reply: Reply, request: Request, text: str, thought: str) -> tuple[int, int]:
    """Count prompt and completion tokens: from the usage, else from log probabilities, else by length."""
    prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
    if not prompt:
        prompt = estimate(*(message["content"] for message in request.messages))
    if not completion:
        completion = len(reply.choices[0].logprobs.content) or estimate(text, thought)
    return prompt, completion


def counted(reply: Reply) -> bool:
    """Check whether the server reported its token counts; some report 0 for every request."""
    return bool(reply.usage.prompt_tokens) and reply.usage.completion_tokens is not None


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
    spelled = NOT_WORD.sub("", BYTES.sub("", "".join(position.token for position in positions)))
    letters = NOT_WORD.sub("", text)
    return bool(positions) and letters in spelled and len(spelled) <= len(letters) + END_TOKENS


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


def message_in(text: str) -> str:
    """Extract the message from a server's error JSON of any common shape; else return the text."""
    if len(text) > LONGEST_ERROR:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    while isinstance(value, dict):
        value = next((value[name] for name in ("error", "message", "detail", "msg") if value.get(name)), None)
    return value if isinstance(value, str) else text
