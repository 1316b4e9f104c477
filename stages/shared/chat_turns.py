"""
The turns of a chat in records of existing fine-tuning data: their layouts, roles and contents.

Turns with tools or other media are rejected, because the rows of a data set are text only.
"""

import json
from collections.abc import Mapping, Sequence

from datagen.request import Message, Reject
from datagen.rows import Row

ROLES = {
    "developer": "system",
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
KNOWN_ROLES = ("system", "user", "assistant")
TOOL_ROLES = ("tool", "function", "function_call", "function_response", "observation", "ipython")
UNKNOWN = "unknown layout"
MEDIA = ("image", "images", "video", "videos", "audio", "audios")
PLACEHOLDERS = frozenset({"<image>", "<video>", "<audio>"})  # a line of a turn that stands for a file
TOOLS = ("tools", "functions", "tool_calls", "function_call")
ZERO = ("0", "0.0", "False")
OFF = ("false", "0", "0.0", "no")  # of a flag, as JSON, or as text of a table
REASONING = ("reasoning_content", "reasoning", "thinking")


def text_only(fields: Row) -> None:
    """Reject a record, or a turn, with tools or other media, which an example could not contain."""
    for name in TOOLS:
        if fields.get(name):
            raise Reject("needs tools", f"it has {name}; remove the turns that use them and the field")
    for name in MEDIA:
        if fields.get(name):
            raise Reject("needs other media", f"it has {name}; rows are text only")


def to_last_trained(turns: object) -> Sequence[object]:
    """Cut a chat after its last answer to train on, if any answer is marked as not to be trained."""
    listed = listed_turns(turns)
    answers = [
        (at, turn)
        for at, turn in enumerate(listed)
        if isinstance(turn, Mapping) and role_of(turn) == "assistant"
    ]
    trained = [at for at, turn in answers if _is_trained(turn)]
    if len(trained) == len(answers):
        return listed
    if not trained:
        raise Reject("no answer to train on", "all its answers have weight 0, or train: false")
    return listed[: trained[-1] + 1]


def _is_trained(turn: Row) -> bool:
    return str(turn.get("weight")) not in ZERO and str(turn.get("train")).lower() not in OFF


def listed_turns(value: object) -> Sequence[object]:
    """List raw turns: given as a list, as JSON, as one turn, or as an object of lists (Hugging Face)."""
    if isinstance(value, str):  # CSV columns contain turns as JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Reject(UNKNOWN, f"its turns are a text that is not JSON: {error}") from error
    if isinstance(value, Mapping):
        lists = list(value.values())
        if lists and all(isinstance(part, list) and len(part) == len(lists[0]) for part in lists):
            return [dict(zip(value, parts, strict=True)) for parts in zip(*lists, strict=True)]
        return [value]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Reject(UNKNOWN, f"its turns are {kind_of(value)}, not a list")
    return value


def role_of(turn: Row) -> str | None:
    """Return the role of a turn: system, user, assistant, or its own name in lower case."""
    name = turn["role"] if turn.get("role") is not None else turn.get("from")
    return ROLES.get(name.lower(), name.lower()) if isinstance(name, str) else None


def read_turns(value: object, role: str = "") -> list[Message]:
    """Read turns with either field naming; a text is one turn of `role`."""
    if isinstance(value, str) and role:
        return [{"role": role, "content": text_of(value, role)}]
    turns = list[Message]()
    for turn in listed_turns(value):
        if not isinstance(turn, Mapping):
            raise Reject(UNKNOWN, f"a turn is {kind_of(turn)}, not an object with role and content")
        text_only(turn)
        name = role_of(turn)
        if name in TOOL_ROLES:
            raise Reject("needs tools", f"it has a turn of {name}; remove the turns that use tools")
        if name not in KNOWN_ROLES:
            raise Reject("unknown role", f"{name}; the roles are {', '.join(KNOWN_ROLES)}")
        content = turn["content"] if turn.get("content") is not None else turn.get("value")
        text = text_of(_joined(content), name)
        ends = text.strip().split("\n")
        if name == "user" and {ends[0].strip(), ends[-1].strip()} & PLACEHOLDERS:
            raise Reject("needs other media", "a turn stands for a file, such as <image>; rows are text only")
        turns.append({"role": name, "content": text})
    return turns


def _joined(content: object) -> object:
    """Join content that is a list of parts, as in OpenAI's messages, if all of them are text."""
    if not isinstance(content, Sequence) or isinstance(content, str):
        return content
    texts = []
    for part in content:
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            return content
        if part["type"] in REASONING:
            continue
        if part["type"] != "text":
            raise Reject("needs other media", f"a part is of type {part['type'][:40]}")
        texts.append(text_of(part.get("text"), "part"))
    return "\n".join(texts)


def text_of(value: object, name: str) -> str:
    """Return a text that is not blank; reject another value."""
    if not isinstance(value, str):
        raise Reject(UNKNOWN, f"{name} is {kind_of(value)}; write it as text")
    if not value.strip():
        raise Reject("blank turn", f"{name} is empty")
    return value


def kind_of(value: object) -> str:
    """Describe a JSON value, for messages."""
    match value:
        case None:
            return "null"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
    return "a list"
