"""Count a row's tokens, and those that are trained, with the target's tokenizer and chat template."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np

from datagen.control_tokens import control_tokens
from datagen.engines.identity import resolve
from datagen.engines.special_tokens import special_tokens
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.stage import Context
from datagen.stages.handoff.token_counts import WordCounter, is_by_word
from datagen.stages.shared.language.pieces import Counts
from datagen.stages.shared.load_once import load_once
from datagen.stages.shared.pretrained import PretrainedTokenizer, load_tokenizer

Conversation = Sequence[Mapping[str, str]]

UNBOUNDED = 10**9  # tokenizers without a maximum length report 10**30


@dataclass(frozen=True)
class Ruler:
    """
    The tokenizer to count with, and the limits for rows.

    Parameters
    ----------
    model
        Folder or hub id of the tokenizer; "" if tokens cannot be counted.
    longest
        Maximum tokens per row; None for no limit.
    name
        Name of the model in the recipe.
    control
        Control tokens of common families and of the recipe's models, which no row may contain.
    """

    model: str
    longest: int | None
    name: str
    control: re.Pattern[str] = field(default_factory=control_tokens)

    @property
    def tokenizer(self) -> "Tokenizer | None":
        """The tokenizer, loaded once per process; None if tokens cannot be counted."""
        return _load(self.model) if self.model else None


class Tokenizer:
    """
    Counts tokens as trainers do, by TRL's rules for text and for prompt and completion.

    Parameters
    ----------
    tokenizer
        A tokenizer of transformers.
    """

    def __init__(self, tokenizer: PretrainedTokenizer) -> None:
        self._tokenizer = tokenizer
        self.has_template = bool(tokenizer.chat_template)
        fast = getattr(tokenizer, "backend_tokenizer", None)  # only those of the library tokenizers have it
        self._words: WordCounter | None = None
        if fast is not None and is_by_word(fast) and not tokenizer.split_special_tokens:
            self._words = WordCounter(fast)
            self._added = fast.num_special_tokens_to_add(False)

    @property
    def longest(self) -> int | None:
        """The tokenizer's maximum length, if it has one."""
        stated: int = self._tokenizer.model_max_length
        return stated if stated < UNBOUNDED else None

    def of_texts(self, texts: Sequence[str]) -> Counts:
        """Count the tokens of texts, each with the end token that trainers add."""
        return self._count(texts, special=True) + 1

    def of_chats(
        self, prompts: Sequence[Conversation], answers: Sequence[str]
    ) -> tuple[Counts, Counts, list[str | None]]:
        """
        Count the tokens of chats and of their answers.

        Returns
        -------
        tokens, trained, problems
            For each chat: all tokens; tokens of the answer and its end; why the template cannot render it.
        """
        prompts_only, whole, problems = (
            [""] * len(prompts),
            [""] * len(prompts),
            list[str | None]([None] * len(prompts)),
        )
        for place, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            try:
                prompts_only[place], whole[place] = self.render(prompt, answer)
            except Exception as error:  # a template may raise anything: jinja2's errors, its own, TypeError
                problems[place] = f"the chat template cannot render it: {error}"
                continue
            if not whole[place].startswith(prompts_only[place]):
                problems[place] = "the chat template renders the prompt differently before an answer"
        tokens = self._count(whole)
        return tokens, tokens - self._count(prompts_only), problems

    def render(self, prompt: Conversation, answer: str) -> tuple[str, str]:
        """Render the prompt before an answer, and the whole chat; as plain text without a template."""
        messages = [dict(message) for message in prompt]
        if not self.has_template:
            before = "\n\n".join(message["content"] for message in messages) + "\n\n"
            return before, before + answer + (self._tokenizer.eos_token or "")
        render = self._tokenizer.apply_chat_template
        chat = [*messages, {"role": "assistant", "content": answer}]
        return render(messages, tokenize=False, add_generation_prompt=True), render(chat, tokenize=False)

    def _count(self, texts: Sequence[str], special: bool = False) -> Counts:
        if not texts:
            return np.zeros(0, np.int64)
        if self._words:
            return self._words.count(texts) + (self._added if special else 0)
        # Not verbose: it would warn of texts that are too long, which are dropped with a reason.
        ids = self._tokenizer(list(texts), add_special_tokens=special, verbose=False)["input_ids"]
        return np.array([len(tokens) for tokens in ids], np.int64)


def ruler(model: str, longest: int | None, context: Context) -> Ruler:
    """
    Choose the tokenizer and the length limit.

    Parameters
    ----------
    model
        Model with the tokenizer: ``bundled``, a folder or a hub id; "": the recipe's target.
    longest
        Maximum tokens per row; None: the target's ``max_model_len``, limited by its tokenizer's maximum.
    context
        The running stage: its name and the recipe.

    Raises
    ------
    UserError
        If a tokenizer or a length is requested but not available.
    """
    target, control = context.models.role("target"), control_tokens(special_tokens(context.models))
    spec = VllmModel(model=model) if model else target
    if not isinstance(spec, VllmModel) or not find_spec("transformers"):
        if model or longest:
            raise UserError(
                f"{context.stage}: tokens cannot be counted without a tokenizer. Name one in {context.stage}"
                ".tokenizer (a folder, a hub id, or bundled) and install datagen[cpu] or datagen[gpu]"
            )
        return Ruler("", None, spec.model, control)
    candidate = Ruler(resolve(spec), longest, spec.model)
    try:
        stated = candidate.tokenizer.longest if candidate.tokenizer else None
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{context.stage}: the tokenizer of {spec.model!r} cannot be loaded ({reason}). "
            f"Name another in {context.stage}.tokenizer: a folder with a checkpoint, a hub id, or bundled"
        ) from error
    if longest is None:
        limits = [stated, None if model else spec.max_model_len]
        longest = min((limit for limit in limits if limit), default=None)
    return Ruler(candidate.model, longest, spec.model, control)


def target_length(options: object, context: Context) -> str:
    """Return what the ruler depends on beyond options and models: a model's identity has no length limit."""
    target = context.models.role("target")
    return str(target.max_model_len) if isinstance(target, VllmModel) else ""


@load_once
def _load(model: str) -> Tokenizer:
    return Tokenizer(load_tokenizer(model))
