"""
Make non-instructional pairs: the first half of a passage, and how a model goes on.

A base model that is tuned on such pairs learns to respond with no instruction in the data. So what reads like
an instruction is looked for, counted and left out; and a continuation must not be the text's own second half,
which the model may know by heart.

Source: Xie et al., "Non-instructional Fine-tuning: Enabling Instruction-Following Capabilities in Pre-trained
Language Models without Instruction-Following Data", 2024.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import chat, fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import is_sentence, split_sentences, unwrap
from datagen.stages.shared.tokens import Ruler, ruler

PROMPT = "instructions/second_half"
GRAM = 5  # words that are compared at a time


class Options(datagen.stage.Options):
    """Where a passage is split, and what a continuation must be."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are halved, drawn by hash")
    split: Literal["token", "sentence"] = Field(
        "sentence", description="At the middle token, or where a sentence of prose begins that is nearest"
    )
    tokenizer: str = Field(
        "",
        description="The target's: a checkpoint's folder or a tokenizer.json; left out, characters count",
    )
    shortest: int = Field(200, ge=1, description="Characters of a half, at least")
    max_tokens: int = Field(256, ge=16, description="Longest continuation, in the generator's tokens")
    temperature: float = Field(0.7, ge=0, description="0: always the likeliest continuation")
    max_overlap: float = Field(
        0.3, ge=0, le=1, description=f"Share of a continuation's {GRAM}-grams that one half holds, at most"
    )


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Show the model the first half of each sampled passage."""
    prompt, measure = context.prompt(PROMPT), ruler(options.tokenizer, context.folder)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in passages.to_pylist():
        at = split(row, options, measure, context.seed)
        if isinstance(at, int):
            yield prompt.ask(
                row["id"], task="non_instructional", sampling=sampling, half=row["text"][:at], about=str(at)
            )


def split(row: Mapping[str, Any], options: Options, measure: Ruler, seed: int) -> int | Reject:
    """Find where a passage is split, in code points, or say why it is not."""
    text = row["text"]
    if fraction("non_instructional", row["id"], str(seed)) >= options.share:
        return Reject("outside the sample")
    at = measure.middle(text)
    if options.split == "sentence":
        prose = (start for start, end in split_sentences(text) if is_sentence(unwrap(text[start:end])))
        at = min(prose, key=lambda start: abs(start - at), default=0)
    at = len(text[:at].rstrip())
    if min(at, len(text[at:].strip())) < options.shortest:
        return Reject("too short to halve", f"split at {at} of {len(text)} characters")
    return at


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the continuations. A pair's lineage ends where the text was split."""
    prompt, measure = context.prompt(PROMPT), ruler(options.tokenizer, context.folder)
    built, judged, instructional = Builder("examples", context), 0, 0
    languages = Languages(context)
    for row in passages.to_pylist():
        fields = {"kind": "instruction", "task": "continuation"}
        for answer in answers.of(row["id"]):
            judged += 1
            at = int(answer.request.about)
            half, parent = row["text"][:at], row | {"end": row["start"] + at}
            shown = Passage(row | {"text": half}, languages.of(row))
            try:
                goes_on = check(answer, shown, row["text"][at:], prompt, options)
            except Reject as why:
                instructional += why.reason == "reads like an instruction"
                said = {"question": half, "answer": answer.completion.text}
                built.drop(why, fields | said, parent, answer)
            else:
                said = {"question": half, "answer": goes_on, "prompt": chat(half)}
                built.keep(fields | said, parent, answer)
        if not answers.of(row["id"]):
            why_not = split(row, options, measure, context.seed)
            assert isinstance(why_not, Reject)
            built.drop(why_not, fields, row)
    return replace(built.outcome(), figures={"judged": judged, "instructional": instructional})


def check(answer: Answer, half: Passage, rest: str, prompt: Prompt, options: Options) -> str:
    """
    Return a continuation without a sentence that the token limit cut.

    Raises
    ------
    Reject
        When it is none, a copy, a loop or an echo of the prompt, or reads like an instruction.
    """
    text = answer.completion.text.rstrip() if answer.completion.finish == "length" else answer.text
    if answer.completion.finish == "length":
        text = text[: max((start for start, _ in split_sentences(text)), default=0)].rstrip()
    grams = _grams(text)
    if not grams:
        raise Reject("too short", text)
    for pattern in prompt.fields["instructional"]:
        if found := re.search(pattern, half.text) or re.search(pattern, text):
            raise Reject("reads like an instruction", found[0])
    checks.clean(text, half, "\n".join(message["content"] for message in prompt.render(half="")))
    for reason, other in (("copies the second half", rest), ("repeats the first half", half.text)):
        copied = len(grams & _grams(other)) / len(grams)
        if copied > options.max_overlap:
            raise Reject(reason, f"{copied:.2f} of its {GRAM}-grams")
    return text


def _grams(text: str) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[at : at + GRAM]) for at in range(len(words) - GRAM + 1)}


stage = ModelStage(
    name="non_instructional",
    summary="pair the first half of passages with a model's continuation (non-instructional data)",
    takes="passages",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
