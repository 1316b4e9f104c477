"""
Records of existing fine-tuning data as the fields of an example.

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
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.request import Message, Reject
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

Record = Mapping[str, Any]


def example(record: object) -> dict[str, Any]:
    """
    Convert a record to fields of an example: kind, prompt, question, context, answer, rejected, text.

    Raises
    ------
    Reject
        If it has no known layout, a turn is blank or out of order, or there is no answer.
    """
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, type(record).__name__)
    given = {
        name: value for name, value in record.items() if value is not None
    }  # a table fills up with nulls
    if "chosen" in given and "rejected" in given:
        return _preference(given)
    if "messages" in given or "conversations" in given:
        return _of_chat(_turns(given.get("messages") or given.get("conversations")))
    answer = next((given[name] for name in ANSWERS if name in given), None)
    if "prompt" in given and answer is not None:
        return _of_chat([*_turns(given["prompt"], "user"), *_turns(answer, "assistant")])
    asks = any(name in given for name in (*QUESTIONS, "prompt"))
    if isinstance(given.get("text"), str) and not asks:  # Alpaca's `text` repeats the whole pair
        return {"kind": "reading", "text": _said(given["text"], "text")}
    asked = question_of(given)
    if answer is None:
        raise Reject("no answer", f"its fields are {_names(given)}")
    context = _optional(given, "context")
    prompt = chat(asked, context, _optional(given, "system"))
    return _instruction(prompt, _said(answer, "answer")) | {"question": asked, "context": context}


def question_of(record: object) -> str:
    """
    Return what a record asks, whether or not it holds an answer; `input` follows its instruction.

    Raises
    ------
    Reject
        If it asks nothing.
    """
    if isinstance(record, str):
        return _said(record, "question")
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, type(record).__name__)
    for name in QUESTIONS:
        if record.get(name) is not None:
            parts = [_said(record[name], name), _optional(record, "input")]
            return "\n\n".join(part for part in parts if part)
    turns = record.get("messages") or record.get("conversations")
    read = _turns(turns) if turns is not None else _turns(record.get("prompt") or [], "user")
    asked = [turn["content"] for turn in read if turn["role"] == "user"]
    if asked:
        return asked[0]
    raise Reject(UNKNOWN, f"its fields are {_names(record)}")


def _preference(record: Record) -> dict[str, Any]:
    before = _turns(record["prompt"], "user") if record.get("prompt") else []
    chosen, rejected = (
        _of_chat([*before, *_turns(record[side], "assistant")]) for side in ("chosen", "rejected")
    )
    if chosen["prompt"] != rejected["prompt"]:
        raise Reject("two prompts", "chosen and rejected answer different prompts")
    if chosen["answer"].strip() == rejected["answer"].strip():
        raise Reject("no preference", "chosen and rejected are the same")
    return chosen | {"kind": "preference", "rejected": rejected["answer"]}


def _turns(given: object, role: str = "") -> list[Message]:
    """Read turns of either naming; a text is one turn of `role`."""
    if isinstance(given, str) and role:
        return [{"role": role, "content": _said(given, role)}]
    if isinstance(given, str):  # a column of a CSV file holds them as JSON
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise Reject(UNKNOWN, f"its turns are a text that is not JSON: {error}") from error
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise Reject(UNKNOWN, f"its turns are a {type(given).__name__}")
    turns = []
    for turn in given:
        if not isinstance(turn, Mapping):
            raise Reject(UNKNOWN, f"a turn is a {type(turn).__name__}")
        name = turn["role"] if turn.get("role") is not None else turn.get("from")
        content = turn["content"] if turn.get("content") is not None else turn.get("value")
        known = ROLES.get(name, name) if isinstance(name, str) else None
        if known not in KNOWN_ROLES:
            raise Reject("unknown role", str(name))
        turns.append({"role": known, "content": _said(content, known)})
    return turns


def _of_chat(turns: list[Message]) -> dict[str, Any]:
    """Split a chat before its last answer; turns after it, and answers before the first question, are cut."""
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


def _instruction(prompt: list[Message], answer: str) -> dict[str, Any]:
    question = prompt[-1]["content"]
    return {"kind": "instruction", "question": question, "answer": answer, "prompt": prompt}


def _said(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Reject(UNKNOWN, f"{name} is a {type(value).__name__}, not text")
    if not value.strip():
        raise Reject("blank turn", name)
    return value


def _optional(record: Record, name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _names(record: Record) -> str:
    return ", ".join(sorted(map(str, record))) or "none"
