"""
Separate a reasoning model's chain of thought from its answer.

Servers with a reasoning parser return the two separately. Other servers, and in-process vLLM, leave the
reasoning in the text between tags that depend on the model family. Chat templates often write the opening
tag, so the text may contain a closing tag only.
"""

import re
from collections import deque
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
AROUND = (  # tags that some models put around the answer
    ("<answer>", "</answer>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
)
_OPEN = re.compile(r"\s*(?:" + "|".join(re.escape(open_) for open_, _ in PAIRS) + ")", re.IGNORECASE)
_NESTED = re.compile("|".join(re.escape(open_) for open_, _ in PAIRS), re.IGNORECASE)
_CLOSE = re.compile("|".join(re.escape(close) for _, close in PAIRS), re.IGNORECASE)
_LAST = re.compile(rf"(?m)(?:{_CLOSE.pattern})\s*$", re.IGNORECASE)
_START = re.compile(f"[{re.escape(''.join({tag[0] for pair in PAIRS for tag in pair}))}]")  # of any tag
_TURN = "<|end|><|start|>assistant"  # gpt-oss writes it between the two


class Thought(NamedTuple):
    """Reasoning and answer; `cut` if the text ends within the reasoning."""

    reasoning: str
    answer: str
    cut: bool


def split(text: str, opened: bool = False) -> Thought:
    """
    Split a generated text into reasoning and answer.

    Parameters
    ----------
    text
        The whole generated text.
    opened
        Whether the prompt opened the reasoning, so that the text starts within it.
    """
    if not (opened or _START.search(text)):  # the rule; to look for every tag takes ten times as long
        return Thought("", text, False)
    thoughts: list[str] = []
    at = 0
    while (opening := _OPEN.match(text, at)) or opened:  # some models think more than once
        begin = opening.end() if opening else at
        opened = False
        close = _closing(text, begin)
        thoughts.append(text[begin : close.start() if close else None])
        if close is None:
            return Thought(_joined(thoughts), "", True)
        at = close.end()
    if not thoughts:
        for close in deque(_CLOSE.finditer(text), maxlen=1):  # opened by an unknown chat template
            thoughts, at = [text[: close.start()]], close.end()
    return Thought(_joined(thoughts), _unwrapped(text[at:]) if thoughts else text, False)


def _closing(text: str, begin: int) -> re.Match[str] | None:
    """Find the tag that closes reasoning; nested reasoning may have closing tags too."""
    last, open_ = None, 1
    for close in _CLOSE.finditer(text, begin):
        open_ += len(_NESTED.findall(text, last.end() if last else begin, close.start())) - 1
        last = close
        if not open_:
            break
    return last


def begins(text: str) -> bool:
    """Check whether a text starts with an opening reasoning tag."""
    return _OPEN.match(text) is not None


def ends_in(text: str) -> bool:
    """Check whether a text has a closing reasoning tag at the end of a line, as if its start had been cut."""
    return _LAST.search(text) is not None


def opens(prompt: str) -> bool:
    """Check whether a rendered prompt ends with an opening reasoning tag."""
    end = prompt.rstrip()[-64:].lower()
    return any(end.endswith(open_.lower()) for open_, _ in PAIRS[:-1])


def reasoning_only(finish: str, tokens: int) -> str:
    """Return the error message for a completion that has reasoning but no answer."""
    ended = "was cut off inside its reasoning" if finish == "length" else "ended with its reasoning"
    return (
        f"unanswered: the model {ended} after {tokens} tokens. Give it a larger max_tokens, or set thinking"
    )


def _joined(thoughts: Iterable[str]) -> str:
    stripped = (thought.strip().removesuffix(_TURN).strip() for thought in thoughts)
    return "\n\n".join(filter(None, stripped))


def _unwrapped(answer: str) -> str:
    """Remove the tags around the answer."""
    text = answer.strip().removesuffix("<|return|>")
    for before, after in AROUND:
        if text.startswith(before):
            return text[len(before) :].removesuffix(after).strip()
    return text
