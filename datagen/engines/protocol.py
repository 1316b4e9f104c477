"""
The chat completions protocol as servers speak it: what counts as a completion, and what else a reply is.

A reply becomes a `Completion` whose every field has its type, or a failure (`datagen.engines.failures`). What
an answer can do without is left out where it is missing or wrong: usage, log probabilities, details. What
it cannot do without, its text and how it ended, is never guessed from something of another type.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from datagen import reasoning
from datagen.answer_json import json_parts
from datagen.engines.failures import Faulty, of_error
from datagen.request import Completion, Identity, Request

MOST_TOKENS = 2**31  # of one completion; what is more is no count
LEAST_LOGPROB = -1e6
BYTES_A_TOKEN = 3  # where a server does not count; on the low side, so that a budget is rather too tight
SHOWN = 300  # characters of a reply that is none

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
    """Take a number of tokens, also as text or with a fraction of zero; None where it is no count."""
    try:
        number = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < MOST_TOKENS else None


def _logprob(value: Any) -> float | None:
    """Take a log probability; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return min(number, 0.0) if LEAST_LOGPROB <= number <= 1e-3 else None  # rounding may give a little over 0


def _dict(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Any:
    """Take a list of objects whole; where one is something else, none of it is known."""
    whole = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return value if whole else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


Count = Annotated[int | None, BeforeValidator(_count)]
Logprob = Annotated[float | None, BeforeValidator(_logprob)]
Lenient = Annotated[str, BeforeValidator(_text)]


class Wire(BaseModel):
    """A part of a reply; fields that we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Details(Wire):
    """Part of the usage."""

    cached_tokens: Count = None
    reasoning_tokens: Count = None


class Usage(Wire):
    """Tokens, as the server counts them."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[Details, BeforeValidator(_dict)] = Details()
    completion_tokens_details: Annotated[Details, BeforeValidator(_dict)] = Details()


class Likely(Wire):
    """One of the likeliest tokens of a position."""

    token: Lenient = ""
    logprob: Logprob = None


class Position(Likely):
    """A token of the answer."""

    top_logprobs: Annotated[tuple[Likely, ...], BeforeValidator(_list)] = ()


class Logprobs(Wire):
    """Log probabilities, token by token."""

    content: Annotated[tuple[Position, ...], BeforeValidator(_list)] = ()


class Part(Wire):
    """A part of an answer that comes in parts: text, reasoning, a refusal, or something else."""

    type: Lenient = ""
    text: str | None = None
    refusal: Lenient = ""
    thinking: Any = None
    reasoning: Any = None

    @property
    def is_answer(self) -> bool:
        """Whether its text is the answer's."""
        return self.type in ("text", "output_text", "")

    @property
    def thought(self) -> str:
        """What it holds of reasoning, which may be in parts again."""
        return _joined(self.thinking) or _joined(self.reasoning)


class Function(Wire):
    """What a tool is called with."""

    arguments: Lenient = ""


class ToolCall(Wire):
    """A tool that the model would call."""

    function: Annotated[Function, BeforeValidator(_dict)] = Function()


class Message(Wire):
    """What the model said."""

    content: str | tuple[Part | str, ...] | None = None
    refusal: Lenient = ""
    reasoning_content: Lenient = ""
    reasoning: Lenient = ""
    tool_calls: Annotated[tuple[ToolCall, ...], BeforeValidator(_list)] = ()

    @property
    def text(self) -> str:
        """The answer, with what stands in it of reasoning between marks."""
        if not isinstance(self.content, tuple):
            return self.content or ""
        said = (part if isinstance(part, str) else _spoken(part) for part in self.content)
        return "".join(said)

    @property
    def has_text(self) -> bool:
        """Whether there is an answer, which may be the empty text; parts may hold images alone."""
        if not isinstance(self.content, tuple):
            return self.content is not None
        return any(
            isinstance(part, str) or (part.is_answer and part.text is not None) for part in self.content
        )

    @property
    def declined(self) -> str:
        """What the model said in place of an answer."""
        parts = self.content if isinstance(self.content, tuple) else ()
        return self.refusal or "".join(part.refusal for part in parts if isinstance(part, Part))

    @property
    def thought(self) -> str:
        """The reasoning that came apart from the answer."""
        parts = self.content if isinstance(self.content, tuple) else ()
        apart = (part.thought or _thought(part) for part in parts if isinstance(part, Part))
        return self.reasoning_content or self.reasoning or "\n".join(filter(None, apart))


class Choice(Wire):
    """One of the answers; only one is asked for."""

    message: Message
    finish_reason: Lenient = ""
    logprobs: Annotated[Logprobs, BeforeValidator(_dict)] = Logprobs()
    error: Any = None


class Reply(Wire):
    """A whole reply."""

    choices: tuple[Choice, ...] = Field(min_length=1)
    usage: Annotated[Usage, BeforeValidator(_dict)] = Usage()


def _spoken(part: Part) -> str:
    return (part.text or "") if part.is_answer else ""


def _thought(part: Part) -> str:
    return (part.text or "") if part.type in ("thinking", "reasoning", "reasoning_text") else ""


def _joined(value: Any) -> str:
    """Join a text that may be in parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = (part.get("text") if isinstance(part, dict) else part for part in value)
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def read_reply(text: str) -> Reply:
    """
    Read the body of a reply of status 200.

    Raises
    ------
    Failure
        When it holds an error, or is no chat completion.
    """
    try:
        value = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        if text.startswith(("data:", "event:", ":")):
            raise Faulty("a stream of events, which was not asked for") from None
        raise Faulty(f"not JSON: {text[:SHOWN]!r}") from None
    if isinstance(value, dict) and (error := _error_in(value)):
        raise of_error(error, f"an error in a reply of status 200: {_written(error)}")
    try:
        reply = Reply.model_validate(_with_whole_characters(value))
    except ValidationError as why:
        first = why.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Faulty(f"not a chat completion ({where}: {first['msg']}): {text[:SHOWN]}") from None
    except RecursionError:
        raise Faulty(f"not a chat completion (nested too deep): {text[:SHOWN]}") from None
    if error := reply.choices[0].error:
        raise of_error(error, f"an error in a reply of status 200: {_written(error)}")
    return reply


def _integer(digits: str) -> float:
    """Read an integer; Python refuses one of thousands of digits."""
    return int(digits) if len(digits) < 64 else float(digits)


def _error_in(value: Mapping[str, Any]) -> Any:
    """Find the error that a reply tells of; None where it has choices and none."""
    if error := value.get("error"):
        return error
    if value.get("choices"):
        return None
    return value if any(value.get(name) for name in ("detail", "message", "msg", "errors", "code")) else None


def _written(error: Any) -> str:
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)[:SHOWN]


def _with_whole_characters(value: Any) -> Any:
    """Put "?" for half a surrogate pair, which is no character and has no place in a table."""
    try:
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Faulty("not a chat completion (nested too deep)") from None


def completion_of(
    reply: Reply, request: Request, key: str, model: Identity, opened: bool = False
) -> Completion:
    """
    Take a reply as a completion.

    `opened` says that the model's template opens the reasoning, so that a text which was cut off without
    any mark is reasoning.

    Raises
    ------
    Failure
        When the model gave no answer: the server broke off, filtered it, or it never came to one.
    """
    choice, message = reply.choices[0], reply.choices[0].message
    thought = reasoning.split(
        message.text, opened and choice.finish_reason.lower() in CUT and not message.thought
    )
    apart = "\n\n".join(filter(None, (message.thought.strip(), thought.reasoning)))
    text = thought.answer
    prompt_tokens, completion_tokens = _tokens(reply, request, text, apart)
    if request.schema is not None and not text.strip() and choice.finish_reason.lower() not in CUT:
        text = _misplaced(message, apart)
    hidden = reply.usage.completion_tokens_details.reasoning_tokens or 0
    unanswered = not text.strip() and bool(apart or thought.cut or hidden)
    finish, error = _end(choice, text, unanswered, request, completion_tokens)
    positions = _of_answer(choice.logprobs.content, text, bool(apart))
    logprobs = tuple(position.logprob for position in positions)
    choices: tuple[float, ...] = ()
    if request.choices:
        top = positions[0].top_logprobs if positions else ()
        if top and all(entry.logprob is not None for entry in top):
            choices = scores([(entry.token, entry.logprob or 0.0) for entry in top], request.choices)
        finish = "stop"  # one token was all that was asked for
        error = error or ("" if choices else "the server gave no logprobs, so it cannot choose")
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
        reasoning=apart,
    )


def _end(
    choice: Choice, text: str, unanswered: bool, request: Request, completion_tokens: int
) -> tuple[Literal["stop", "length"], str]:
    """
    Say how an answer ended, and why it is none where it is none.

    Raises
    ------
    Faulty
        When the server broke off, or sent nothing.
    """
    said, message = choice.finish_reason.lower(), choice.message
    if said in BROKEN:
        raise Faulty(f"the server broke off: {choice.finish_reason}")
    finish: Literal["stop", "length"] = "length" if said in CUT else "stop"
    if not said and request.sampling.max_tokens <= completion_tokens and not request.choices:
        finish = "length"  # it does not say, but the limit is reached
    if message.declined:
        return finish, f"the model refused: {message.declined}"
    if said not in {*STOPPED, *CUT, *CALLED, ""}:
        return finish, f"the server stopped: {choice.finish_reason}"
    if unanswered or (not text.strip() and finish == "length" and not request.choices):
        return finish, reasoning.reasoning_only(finish, completion_tokens)
    if text.strip() or request.choices or message.has_text:
        return finish, ""
    if message.tool_calls or said in CALLED:
        return finish, "the model called a tool in place of an answer"
    raise Faulty("the reply holds no text")


def _misplaced(message: Message, thought: str) -> str:
    """Find JSON where servers put an answer by mistake: in the only tool call, or in the reasoning."""
    if len(message.tool_calls) == 1:
        return message.tool_calls[0].function.arguments
    return next(json_parts(thought), "")


def _tokens(reply: Reply, request: Request, text: str, thought: str) -> tuple[int, int]:
    """Count the tokens read and written: by the server, else by its log probabilities, else by length."""
    prompt, written = reply.usage.prompt_tokens, reply.usage.completion_tokens
    if prompt is None:
        prompt = estimate(*(message["content"] for message in request.messages))
    if written is None:
        written = len(reply.choices[0].logprobs.content) or estimate(text, thought)
    return prompt, written


def counted(reply: Reply) -> bool:
    """Say whether the server told its tokens."""
    return reply.usage.prompt_tokens is not None and reply.usage.completion_tokens is not None


def estimate(*texts: str) -> int:
    """Estimate the tokens of texts by their length in UTF-8."""
    return sum(math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN) for text in texts)


def _of_answer(positions: Sequence[Position], text: str, thought: bool) -> Sequence[Position]:
    """Leave out the tokens of the reasoning; all where it cannot be told which are the answer's."""
    if not thought:
        return positions
    answer = text.strip()
    seen = ""
    for at in range(len(positions) - 1, -1, -1):
        seen = positions[at].token + seen
        if len(seen) > len(answer) + 64:
            break
        if answer and seen.lstrip().startswith(answer):
            return positions[at:]
    return ()


def scores(top: Sequence[tuple[str, float]], labels: Sequence[str]) -> tuple[float, ...]:
    """
    Read the log probability of each label from the likeliest first tokens.

    The protocol gives tokens as text, so a token counts for the one label that begins with it, spaces
    aside. A label that none of the tokens begins gets minus infinity.
    """
    sums = dict.fromkeys(labels, 0.0)
    for said, logprob in top:
        token = said.strip()
        begun = [label for label in labels if token and label.startswith(token)]
        if len(begun) == 1:
            sums[begun[0]] += math.exp(logprob)
    return tuple(math.log(sums[label]) if sums[label] else -math.inf for label in labels)


def message_in(text: str) -> str:
    """Find the message in a server's error, which is JSON of many shapes; else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    while isinstance(value, dict):
        value = next((value[name] for name in ("error", "message", "detail", "msg") if value.get(name)), None)
    return value if isinstance(value, str) else text
