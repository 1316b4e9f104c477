"""
Convert records of existing fine-tuning data to the fields of an example.

=================  ===================================================================================
layout             fields
=================  ===================================================================================
messages           ``messages`` or ``conversations``: turns with ``role`` and ``content``, or ``from``
                   and ``value`` (ShareGPT)
prompt/completion  ``prompt`` with ``completion`` or ``response``; each a text or a list of turns
preference         ``chosen`` and ``rejected`` (OpenAI: ``preferred_output`` and
                   ``non_preferred_output``), with the prompt of any layout or as two whole chats
Alpaca             ``instruction`` with ``output`` or ``response``; optional ``input``, ``context`` (Dolly)
question/answer    ``question`` with ``answer``; optional ``context``
text               ``text`` alone: a reading text
=================  ===================================================================================

A chat becomes one example: its last answer is the training target, and the turns before it are the prompt.
Reasoning beside the target, or in tags at its start, has a field of its own; that of earlier turns is left
out, as chat templates do.
Answers that are marked as not to be trained (``weight: 0``, ``train: false``) are never the target.
``system`` and ``history`` (pairs of a question and an answer) beside a chat or a pair are earlier turns of
its prompt. A record is rejected if the example would differ from it in meaning: if it has tools or other
media, choices outside its question, or a label that marks it as bad.
"""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import TypedDict

from datagen import reasoning
from datagen.reasoning import Thought
from datagen.request import Message, Reject
from datagen.rows import Row
from datagen.schema import chat
from datagen.stages.shared.answer_marks import not_bad
from datagen.stages.shared.chat_turns import (
    KNOWN_ROLES,
    REASONING,
    UNKNOWN,
    kind_of,
    listed_turns,
    read_turns,
    role_of,
    text_of,
    text_only,
    to_last_trained,
)

QUESTIONS, ANSWERS = ("instruction", "question"), ("output", "response", "answer", "completion")
TURNS = ("messages", "conversations")
SYSTEM = ("system", "system_prompt")
PREFERENCES = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))
LAYOUTS = (
    "give it messages, or prompt and completion, or instruction and output, or question and answer, "
    "or chosen and rejected, or text"
)
CHOICES = ("choices", "options")
NO_INPUT = "<noinput>"  # Alpaca's mark of an empty input


class Example(TypedDict, total=False):
    """The fields of an example that a record gives."""

    kind: str
    prompt: list[Message]
    question: str
    context: str | None
    answer: str
    rejected: str
    text: str
    reasoning: str


def example(record: object) -> Example:
    """
    Convert a record to the fields of an example that it gives.

    Raises
    ------
    Reject
        If the layout is unknown, a turn is blank or out of order, there is no answer to train on, or the
        example would differ from the record in meaning.
    """
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, f"it is {kind_of(record)}; {LAYOUTS}")
    fields = {
        name: value for name, value in record.items() if value is not None
    }  # tables pad missing fields with nulls
    text_only(fields)
    for sides in PREFERENCES:
        if all(side in fields for side in sides):
            return _preference(fields, *sides)
    answer = next((fields[name] for name in ANSWERS if name in fields), None)
    asks = any(name in fields for name in (*TURNS, *QUESTIONS, "prompt"))
    if isinstance(fields.get("text"), str) and not asks and "role" not in fields:
        return {"kind": "reading", "text": text_of(fields["text"], "text")}
    not_bad(fields, answer)
    if any(name in fields for name in TURNS):
        listed = to_last_trained(_chat(fields))
        for turn in [turn for turn in listed if isinstance(turn, Mapping) and role_of(turn) == "assistant"][
            -1:
        ]:
            not_bad(turn, turn.get("content"))
        return _of_chat([*_before(fields), *read_turns(listed)]) | _reasoning(fields, listed)
    if "prompt" in fields and answer is not None:
        row = _of_chat(
            [*_before(fields), *read_turns(fields["prompt"], "user"), *read_turns(answer, "assistant")]
        )
        _with_choices(fields, row["prompt"])
        return row | _reasoning(fields, [] if isinstance(answer, str) else listed_turns(answer))
    question = question_of(fields)
    if answer is None:
        raise Reject("no answer", f"its fields are {_names(fields)}; {LAYOUTS}")
    context = _optional(fields, "context")
    asked = chat(question, context)
    _with_choices(fields, asked)
    row = _of_chat([*_before(fields), *asked, {"role": "assistant", "content": text_of(answer, "answer")}])
    return row | {"question": question, "context": context} | _reasoning(fields, [])


def question_of(record: object) -> str:
    """
    Return the question of a record, with or without an answer; `input` follows its instruction.

    Raises
    ------
    Reject
        If it has no question.
    """
    if isinstance(record, str):
        return text_of(record, "question")
    if not isinstance(record, Mapping):
        raise Reject(UNKNOWN, f"it is {kind_of(record)}; {LAYOUTS}")
    for name in QUESTIONS:
        if record.get(name) is not None:
            parts = [text_of(record[name], name), _optional(record, "input")]
            return "\n\n".join(part for part in parts if part)
    turns = _chat(record)
    parsed = read_turns(turns) if turns is not None else read_turns(record.get("prompt") or [], "user")
    questions = [turn["content"] for turn in parsed if turn["role"] == "user"]
    if questions:
        return questions[0]
    raise Reject(UNKNOWN, f"its fields are {_names(record)}; {LAYOUTS}")


def _chat(fields: Row) -> object:
    return next((fields[name] for name in TURNS if fields.get(name)), fields.get(TURNS[0]))


def _with_choices(fields: Row, prompt: Sequence[Message]) -> None:
    """Reject a pair whose choices are in a field of their own, unless its prompt repeats them."""
    shown = "\n".join(turn["content"] for turn in prompt)
    for name in CHOICES:
        if any(text not in shown for text in _texts(fields.get(name))):
            raise Reject(
                "choices left out", f"its {name} are not in its prompt; write them into the question"
            )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def _reasoning(fields: Row, turns: Sequence[object]) -> Example:
    """Return the reasoning beside a record's last answer, in a field or in parts of its own; {} without."""
    answers = [turn for turn in turns if isinstance(turn, Mapping) and role_of(turn) == "assistant"]
    for place in (*answers[-1:], fields):
        content = place.get("content")
        parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
        texts = [place.get(name) for name in REASONING]
        texts += [
            part.get("text") or part.get(part["type"]) for part in parts if part.get("type") in REASONING
        ]
        if text := "\n".join(text for text in texts if isinstance(text, str) and text.strip()):
            return {"reasoning": text}
    return {}


def _before(fields: Row) -> list[Message]:
    """Return the turns that fields beside the pair or chat put before it: `system` and `history`."""
    named = (_optional(fields, name) for name in SYSTEM)
    system, turns = next(filter(None, named), None), list[Message]()
    if system:
        turns.append({"role": "system", "content": system})
    history = fields.get("history") or []
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise Reject(UNKNOWN, f"history is a {type(history).__name__}")
    for pair in history:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise Reject(UNKNOWN, "history has other items than pairs of a question and an answer")
        turns += [
            {"role": role, "content": text_of(text, role)}
            for role, text in zip(KNOWN_ROLES[1:], pair, strict=True)
        ]
    return turns


def _preference(record: Row, chosen: str, rejected: str) -> Example:
    asked, sides = _asked(record), [read_turns(record[side], "assistant") for side in (chosen, rejected)]
    if all("user" in (turn["role"] for turn in side) for side in sides):  # whole chats
        if any(turn not in side for turn in asked for side in sides):
            raise Reject("two prompts", f"its prompt is not a turn of {chosen} and {rejected}")
        asked = []
    elif not asked:
        raise Reject("no question", f"{chosen} and {rejected} are answers; give it a prompt, or whole chats")
    better, worse = (_of_chat([*_before(record), *asked, *side]) for side in sides)
    if better["prompt"] != worse["prompt"]:
        raise Reject("two prompts", f"{chosen} and {rejected} answer different prompts")
    if better["answer"].strip() == worse["answer"].strip():
        raise Reject("no preference", f"{chosen} and {rejected} are the same")
    return better | {"kind": "preference", "rejected": worse["answer"]}


def _asked(record: Row) -> list[Message]:
    """Return the prompt of a preference, which may have any layout; none if its sides are whole chats."""
    if isinstance(record.get("input"), Mapping):  # OpenAI's layout
        text_only(record["input"])
        return _asked(record["input"])
    if _chat(record):
        return read_turns(_chat(record))
    if record.get("prompt"):
        return read_turns(record["prompt"], "user")
    if any(record.get(name) for name in QUESTIONS):
        asked = chat(question_of(record), _optional(record, "context"))
        _with_choices(record, asked)
        return asked
    return []


def _of_chat(chat: list[Message]) -> Example:
    """Split a chat before its last answer; drop turns after it and answers before the first question."""
    turns = chat
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    system = turns[:1] if turns and turns[0]["role"] == "system" else []
    rest = turns[len(system) :]
    while rest and rest[0]["role"] == "assistant" and len(rest) > 1:
        rest = rest[1:]
    if len(rest) < 2:
        found = ", ".join(turn["role"] for turn in chat) or "none"
        raise Reject("no answer", f"its turns are {found}; it needs a turn of user, then one of assistant")
    roles = [turn["role"] for turn in rest]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        remedy = "join successive turns of one role, and put one of system first"
        raise Reject("roles out of order", f"{', '.join([*roles[:9], *['...'][: len(roles) > 9]])}; {remedy}")
    return _instruction([*system, *rest[:-1]], rest[-1]["content"])


def _instruction(prompt: list[Message], answer: str) -> Example:
    thought = _thought(answer)
    plain: list[Message] = [
        turn | {"content": _thought(turn["content"]).answer} if turn["role"] == "assistant" else turn
        for turn in prompt
    ]
    row: Example = {"kind": "instruction", "question": prompt[-1]["content"], "answer": thought.answer}
    return row | {"prompt": plain} | ({"reasoning": thought.reasoning} if thought.reasoning else {})


def _thought(text: str) -> Thought:
    """Split an answer that starts with reasoning in tags, or has such an end tag at the end of a line."""
    if not (reasoning.begins(text) or reasoning.ends_in(text)):
        return Thought("", text, False)
    thought = reasoning.split(text)
    if not thought.answer.strip():
        raise Reject("no answer", "an answer consists of reasoning alone, or its reasoning does not end")
    return thought


def _optional(record: Row, name: str) -> str | None:
    value = record.get(name)
    if value is not None and value != value:  # NaN is the empty cell of pandas
        return None
    if value and not isinstance(value, str):
        raise Reject(UNKNOWN, f"{name} is {kind_of(value)}; write it as text")
    return value if isinstance(value, str) and value.strip() not in ("", NO_INPUT) else None


def _names(record: Row) -> str:
    return shorten(", ".join(sorted(map(str, record))), 100, placeholder=" ...") or "none"
