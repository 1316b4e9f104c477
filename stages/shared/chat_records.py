"""
Convert records of existing fine-tuning data to the fields of an example.

=================  ===================================================================================
layout             fields
=================  ===================================================================================
messages           ``messages`` or ``conversations``: turns with ``role`` and ``content``, or ``from``
                   and ``value`` (ShareGPT)
prompt/completion  ``prompt`` with ``completion`` or ``response``; each a text or a list of turns
preference         ``chosen`` and ``rejected``, with ``prompt`` or as two whole chats
Alpaca             ``instruction`` with ``output`` or ``response``; optional ``input``, ``system``,
                   ``context`` (Dolly)
question/answer    ``question`` with ``answer``; optional ``context``
text               ``text`` alone: a reading text
=================  ===================================================================================

A chat becomes one example: its last answer is the training target, and the turns before it are the prompt.
``system`` and ``history`` (pairs of a question and an answer) beside a chat or a pair are earlier turns of
its prompt. A record with tools or other media is rejected, since the example could not contain them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from datagen.request import Message, Reject
from datagen.rows import Row
from datagen.schema import chat

ROLES = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
KNOWN_ROLES = ("system", "user", "assistant")
QUESTIONS, ANSWERS = ("instruction", "question"), ("output", "response", "answer", "completion")
UNKNOWN = "unknown layout"
MEDIA = ("image", "images", "video", "videos", "audio", "audios")
TOOLS = ("tools", "functions", "tool_calls", "function_call")


class Example(TypedDict, total=False):
    """The fields of an example that a record gives."""

    kind: str
    prompt: list[Message]
    question: str
    context: str | None
    answer: str
    rejected: str
    text: str


def example(record: object) -> Example:
    """
    Convert a record to fields of an example: kind, prompt, question, context, answer, rejected, text.

    Raises
    ------
    Reject
        If the layout is unknown, a turn is blank or out of order, there is no answer, or the record needs
        tools or other media.
    """
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, type(record).__name__)
    fields = {
        name: value for name, value in record.items() if value is not None
    }  # tables pad missing fields with nulls
    _text_only(fields)
    if "chosen" in fields and "rejected" in fields:
        return _preference(fields)
    if "messages" in fields or "conversations" in fields:
        return _of_chat([*_before(fields), *_turns(fields.get("messages") or fields.get("conversations"))])
    answer = next((fields[name] for name in ANSWERS if name in fields), None)
    if "prompt" in fields and answer is not None:
        return _of_chat([*_before(fields), *_turns(fields["prompt"], "user"), *_turns(answer, "assistant")])
    asks = any(name in fields for name in (*QUESTIONS, "prompt"))
    if isinstance(fields.get("text"), str) and not asks:  # Alpaca's `text` repeats the whole pair
        return {"kind": "reading", "text": _text(fields["text"], "text")}
    question = question_of(fields)
    if answer is None:
        raise Reject("no answer", f"its fields are {_names(fields)}")
    context = _optional(fields, "context")
    asked = chat(question, context)
    row = _of_chat([*_before(fields), *asked, {"role": "assistant", "content": _text(answer, "answer")}])
    return row | {"question": question, "context": context}


def question_of(record: object) -> str:
    """
    Return the question of a record, with or without an answer; `input` follows its instruction.

    Raises
    ------
    Reject
        If it has no question.
    """
    if isinstance(record, str):
        return _text(record, "question")
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, type(record).__name__)
    for name in QUESTIONS:
        if record.get(name) is not None:
            parts = [_text(record[name], name), _optional(record, "input")]
            return "\n\n".join(part for part in parts if part)
    turns = record.get("messages") or record.get("conversations")
    parsed = _turns(turns) if turns is not None else _turns(record.get("prompt") or [], "user")
    questions = [turn["content"] for turn in parsed if turn["role"] == "user"]
    if questions:
        return questions[0]
    raise Reject(UNKNOWN, f"its fields are {_names(record)}")


def _text_only(fields: Row) -> None:
    """Reject a record, or a turn, with tools or other media, which an example could not contain."""
    for name in TOOLS:
        if fields.get(name):
            raise Reject("needs tools", f"it has {name}")
    for name in MEDIA:
        if fields.get(name):
            raise Reject("needs other media", f"it has {name}")


def _before(fields: Row) -> list[Message]:
    """Return the turns that fields beside the pair or chat put before it: `system` and `history`."""
    system, turns = _optional(fields, "system"), list[Message]()
    if system:
        turns.append({"role": "system", "content": system})
    history = fields.get("history") or []
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise Reject(UNKNOWN, f"history is a {type(history).__name__}")
    for pair in history:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise Reject(UNKNOWN, "history has other items than pairs of a question and an answer")
        turns += [
            {"role": role, "content": _text(text, role)}
            for role, text in zip(KNOWN_ROLES[1:], pair, strict=True)
        ]
    return turns


def _preference(record: Row) -> Example:
    before = [*_before(record), *(_turns(record["prompt"], "user") if record.get("prompt") else [])]
    chosen, rejected = (
        _of_chat([*before, *_turns(record[side], "assistant")]) for side in ("chosen", "rejected")
    )
    if chosen["prompt"] != rejected["prompt"]:
        raise Reject("two prompts", "chosen and rejected answer different prompts")
    if chosen["answer"].strip() == rejected["answer"].strip():
        raise Reject("no preference", "chosen and rejected are the same")
    return chosen | {"kind": "preference", "rejected": rejected["answer"]}


def _turns(value: object, role: str = "") -> list[Message]:
    """Read turns with either field naming; a text is one turn of `role`."""
    if isinstance(value, str) and role:
        return [{"role": role, "content": _text(value, role)}]
    if isinstance(value, str):  # CSV columns contain turns as JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Reject(UNKNOWN, f"its turns are a text that is not JSON: {error}") from error
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Reject(UNKNOWN, f"its turns are a {type(value).__name__}")
    turns = []
    for turn in value:
        if not isinstance(turn, Mapping):
            raise Reject(UNKNOWN, f"a turn is a {type(turn).__name__}")
        _text_only(turn)
        name = turn["role"] if turn.get("role") is not None else turn.get("from")
        content = turn["content"] if turn.get("content") is not None else turn.get("value")
        role_name = ROLES.get(name, name) if isinstance(name, str) else None
        if role_name not in KNOWN_ROLES:
            raise Reject("unknown role", str(name))
        turns.append({"role": role_name, "content": _text(_joined(content), role_name)})
    return turns


def _joined(content: object) -> object:
    """Join content that is a list of parts, as in OpenAI's messages, if all of them are text."""
    if not isinstance(content, Sequence) or isinstance(content, str):
        return content
    texts = []
    for part in content:
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            return content
        if part["type"] != "text":
            raise Reject("needs other media", f"a part is of type {part['type'][:40]}")
        texts.append(_text(part.get("text"), "part"))
    return "\n".join(texts)


def _of_chat(turns: list[Message]) -> Example:
    """Split a chat before its last answer; drop turns after it and answers before the first question."""
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    system = turns[:1] if turns and turns[0]["role"] == "system" else []
    rest = turns[len(system) :]
    while rest and rest[0]["role"] == "assistant" and len(rest) > 1:
        rest = rest[1:]
    if len(rest) < 2:
        raise Reject("no answer", f"{len(rest)} turns")
    roles = [turn["role"] for turn in rest]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise Reject("roles out of order", ", ".join(roles))
    return _instruction([*system, *rest[:-1]], rest[-1]["content"])


def _instruction(prompt: list[Message], answer: str) -> Example:
    question = prompt[-1]["content"]
    return {"kind": "instruction", "question": question, "answer": answer, "prompt": prompt}


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Reject(UNKNOWN, f"{name} is a {type(value).__name__}, not text")
    if not value.strip():
        raise Reject("blank turn", name)
    return value


def _optional(record: Row, name: str) -> str | None:
    value = record.get(name)
    if value and not isinstance(value, str):
        raise Reject(UNKNOWN, f"{name} is a {type(value).__name__}, not text")
    return value if isinstance(value, str) and value.strip() else None


def _names(record: Row) -> str:
    return ", ".join(sorted(map(str, record))) or "none"
