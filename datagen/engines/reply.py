"""
The fields of a chat completion reply, including the deviations of common servers.

Every field has the right type after parsing. Optional fields (usage, log probabilities, details) are dropped
if they are missing or invalid. Required fields (the text, and how it ended) are never guessed from a value of
another type.
"""

import json
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from datagen.engines.error_body import error_in, error_text
from datagen.engines.failures import Faulty, of_error

MAX_TOKENS = 2**31  # a larger token count is invalid
MIN_LOGPROB = -1e6
SHOWN = 300  # characters to quote of an invalid reply
# An object takes 100 times the memory of its brackets: a body within its limit may exhaust memory.
MAX_VALUES, MAX_ITEMS, MAX_PARTS = 2_000_000, 200_000, 10_000  # of a reply, a list of tokens, an answer
HTML = re.compile(r"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
SURROGATE = re.compile(r"\\u[dD][89abAB]")


def _count(value: object) -> int | None:
    """Parse a token count, which may be a string or a float; None if it is not a count."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < MAX_TOKENS else None


def _logprob(value: object) -> float | None:
    """Parse a log probability; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return min(number, 0.0) if MIN_LOGPROB <= number <= 1e-3 else None  # rounding may give a little over 0


def _dict(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    """Return a list of objects; empty if any item is not an object, or there are too many."""
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        return []
    return value if all(isinstance(item, dict) for item in value) else []


def _first(value: object) -> object:
    """Return a list without all answers but the first, because requests ask for one."""
    return value[:1] if isinstance(value, list) else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    """Return the arguments of a call as JSON text; some servers send the object itself."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else _text(value)


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
    thinking: object = None
    reasoning: object = None

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

    arguments: Annotated[str, BeforeValidator(_arguments)] = ""


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
    function_call: Annotated[Function, BeforeValidator(_dict)] = Function()  # before there were tool calls

    @property
    def calls(self) -> list[str]:
        """The arguments of each call, as JSON text."""
        calls = [call.function.arguments for call in self.tool_calls]
        return calls or [self.function_call.arguments][: bool(self.function_call.arguments)]

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
    error: object = None


class Reply(Wire):
    """A complete reply."""

    model: Lenient = ""
    choices: Annotated[tuple[Choice, ...], BeforeValidator(_first)] = Field(min_length=1)
    usage: Annotated[Usage, BeforeValidator(_dict)] = Usage()


def _answer_text(part: Part) -> str:
    return (part.text or "") if part.is_answer else ""


def _thought(part: Part) -> str:
    return (part.text or "") if part.type in ("thinking", "reasoning", "reasoning_text") else ""


def _joined(value: object) -> str:
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
        value = from_json(text)
    except ValueError:
        value = _loose(text)
    if error := error_in(value):
        raise of_error(error, f"an error in a reply with status 200: {error_text(error)}")
    try:
        reply = Reply.model_validate(value)
    except ValidationError as why:
        first_error = why.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first_error["loc"]))
        raise Faulty(f"not a chat completion ({where}: {first_error['msg']}): {text[:SHOWN]}") from None
    except RecursionError:
        raise Faulty(f"not a chat completion (nested too deeply): {text[:SHOWN]}") from None
    if error := reply.choices[0].error:
        raise of_error(error, f"an error in a reply with status 200: {error_text(error)}")
    return reply


def _loose(text: str) -> object:
    """Parse what is not quite JSON: unescaped line breaks, unpaired surrogates, very long integers."""
    try:
        value = json.loads(text, parse_int=_integer, strict=False)
    except (ValueError, RecursionError):
        if text.startswith(("data:", "event:", ":")):
            raise Faulty("an event stream, which was not requested") from None
        if HTML.match(text):
            raise Faulty(f"an HTML page, perhaps of a proxy or a login: {text[:SHOWN]!r}") from None
        raise Faulty(f"not JSON: {text[:SHOWN]!r}") from None
    return _with_whole_characters(value) if SURROGATE.search(text) else value


def _integer(digits: str) -> float:
    """Parse an integer; a very long one as float, because `int` refuses thousands of digits."""
    return int(digits) if len(digits) < 64 else float(digits)


def _with_whole_characters(value: object) -> object:
    """Replace unpaired surrogates, which Arrow tables cannot store, with "?"."""
    try:
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Faulty("not a chat completion (nested too deeply)") from None
