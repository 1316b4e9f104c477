"""
Reasoning models write a chain of thought before their answer; here the two are told apart.

Servers with a reasoning parser send them apart. Others, and vLLM in process, leave the thought in the text
between marks of the model's family. Chat templates often open the thought themselves, so its end may come
without a beginning.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

PAIRS = (
    ("<think>", "</think>"),  # DeepSeek R1, Qwen 3, GLM, and most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
)
AROUND = (  # marks that some models put around the answer itself
    ("<answer>", "</answer>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
)
_OPEN = re.compile(r"\s*(?:" + "|".join(re.escape(open_) for open_, _ in PAIRS) + ")", re.IGNORECASE)
_CLOSE = re.compile("|".join(re.escape(close) for _, close in PAIRS), re.IGNORECASE)
_TURN = "<|end|><|start|>assistant"  # gpt-oss writes it between the two


class Thought(NamedTuple):
    """Reasoning and answer; `cut` where the text ends within the reasoning."""

    reasoning: str
    answer: str
    cut: bool


def split(text: str, opened: bool = False) -> Thought:
    """
    Split what a model wrote into its reasoning and its answer.

    Parameters
    ----------
    text
        All that was written.
    opened
        Whether the prompt ended within the reasoning, so that the text begins there.
    """
    thoughts: list[str] = []
    at = 0
    while (opening := _OPEN.match(text, at)) or opened:  # some models think more than once
        begin = opening.end() if opening else at
        opened = False
        close = _CLOSE.search(text, begin)
        thoughts.append(text[begin : close.start() if close else None])
        if close is None:
            return Thought(_joined(thoughts), "", True)
        at = close.end()
    if not thoughts:
        for close in _CLOSE.finditer(text):  # opened by a template that we do not know
            thoughts, at = [text[: close.start()]], close.end()
    return Thought(_joined(thoughts), _unwrapped(text[at:]) if thoughts else text, False)


def begins(text: str) -> bool:
    """Say whether a text begins with the mark of a reasoning."""
    return _OPEN.match(text) is not None


def opens(prompt: str) -> bool:
    """Say whether a rendered prompt ends within the reasoning."""
    end = prompt.rstrip()[-64:].lower()
    return any(end.endswith(open_.lower()) for open_, _ in PAIRS[:-1])


def reasoning_only(finish: str, tokens: int) -> str:
    """Say that a completion has reasoning and no answer."""
    ended = "was cut off inside its reasoning" if finish == "length" else "ended with its reasoning"
    return (
        f"unanswered: the model {ended} after {tokens} tokens. Give it a larger max_tokens, or set thinking"
    )


def _joined(thoughts: Iterable[str]) -> str:
    stripped = (thought.strip().removesuffix(_TURN).strip() for thought in thoughts)
    return "\n\n".join(filter(None, stripped))


def _unwrapped(answer: str) -> str:
    """Take off the marks around the answer."""
    text = answer.strip().removesuffix("<|return|>")
    for before, after in AROUND:
        if text.startswith(before):
            return text[len(before) :].removesuffix(after).strip()
    return text
