"""
Chat control tokens: strings that a tokenizer reads as the end of a turn, a role or a tool call.

A document that contains one could end its turn and pose as the system; a training row that contains one
teaches a model to do the same. `defuse` breaks them up in every value that a prompt inserts, and the hand-off
drops rows that contain one. `FAMILIES` covers common chat templates; `datagen.engines.special_tokens` adds
the tokens of a model's own tokenizer.
"""

import re
from functools import cache

# Family -> pattern, in the syntax that `re` and RE2 share. Tokens that also occur in ordinary text, such as
# Mistral's [ARGS] and [PREFIX], are matched only for models whose tokenizer declares them.
FAMILIES = {
    # ChatML, Llama 3 and 4, Phi, Qwen, GLM, Kimi, Granite, Cohere, Harmony: <|im_end|>, <|start|>; and
    # DeepSeek and Hunyuan, whose bars are full-width.
    "bars": r"<[|｜][^<>|｜\s]{1,60}[|｜]>|</?｜[^<>\s]{1,80}>",
    "Gemma": r"<(?:start|end)_(?:of_(?:turn|image|audio)|function_(?:call|declaration|response))>"
    r"|<\|[a-z_]{2,40}>|<[a-z_]{2,40}\|>",
    "sentence": r"</?s>|<(?:bos|eos|BOS_TOKEN|EOS_TOKEN|EOP_TOKEN|sop|eop|eoh|eoa)>"
    r"|<(?:beginning|begin|end)_of_(?:sentence|text)>",
    "Llama 2": r"<</?SYS>>",
    "Mistral": r"\[/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CONTENT|CALL_ID"
    r"|THINK|MODEL_SETTINGS|BEGIN_AUDIO|IMG_BREAK|IMG_END)\]",
    "reasoning and tools": r"</?(?:think|thinking|tool_call|tool_calls|tool_response|tool_outputs"
    r"|function_call|arg_key|arg_value)>",
    "GLM": r"\[[gs]MASK\]",
    "Kimi": r"◁/?[a-z_]{1,40}▷",
    "EXAONE": r"\[\|[a-z_]{1,40}\|\]",
    "Seed and MiniMax": r"</?(?:seed|minimax):[a-z_]{1,40}>|\]~!?b[\[\]]|\[e~\[",
    "Nemotron and Baichuan": r"<(?:SPECIAL|extra_id|reserved|TOKENS_UNUSED)_\d{1,4}>",
}
COMMON = "|".join(FAMILIES.values())
BREAK = "\u2060"  # a word joiner: no width, no meaning


@cache
def control_tokens(own: frozenset[str] = frozenset()) -> re.Pattern[str]:
    """Compile the pattern of all control tokens: a model's `own`, longest first, then the common ones."""
    literal = [re.escape(token) for token in sorted(own, key=lambda token: (-len(token), token))]
    return re.compile("|".join([*literal, COMMON]))


FENCES = re.compile("~{3,}")


def break_up(text: str, own: frozenset[str] = frozenset()) -> str:
    """
    Break up the control tokens in a text, so that a tokenizer reads them as text.

    Inserts a word joiner (U+2060) after the first character, which leaves the text readable.
    """
    return control_tokens(own).sub(_broken, text)


def defuse(value: object) -> object:
    """
    Break up control tokens and prompt fences in an inserted value.

    A document can then end neither its fence nor its turn.
    """
    return FENCES.sub(_broken, break_up(value)) if isinstance(value, str) else value


def _broken(match: re.Match[str]) -> str:
    return f"{match[0][0]}{BREAK}{match[0][1:]}"
