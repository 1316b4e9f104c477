"""
Write non-instructional pairs: the first half of a passage, and a model's continuation.

A base model tuned on such pairs learns to respond without any instruction in the data. So text that reads
like an instruction is detected, counted and dropped, and a continuation must not copy the second half of the
passage, which the model may have memorised.

Source: Xie et al., "Non-instructional Fine-tuning: Enabling Instruction-Following Capabilities in Pre-trained
Language Models without Instruction-Following Data", 2024.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import PassageRow
from datagen.schema import chat, fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import is_sentence, split_sentences, unwrap
from datagen.stages.shared.tokens import Ruler, ruler

PROMPT = "instructions/second_half"
GRAM = 5  # words of an n-gram


class Options(datagen.stage.Options):
    """Where passages are split, and which continuations are kept."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are used, drawn by hash")
    split: Literal["token", "sentence"] = Field(
        "sentence", description="Split at the middle token, or at the start of the sentence nearest to it"
    )
    tokenizer: str = Field(
        "",
        description="The target's tokenizer: a checkpoint folder or a tokenizer.json; unset: the middle is "
        "counted in characters",
    )
    shortest: int = Field(200, ge=1, description="Shortest half, in characters")
    max_tokens: int = Field(256, ge=16, description="Longest continuation, in the generator's tokens")
    temperature: float = Field(0.7, ge=0, description="Sampling temperature; 0: greedy")
    max_overlap: float = Field(
        0.3, ge=0, le=1, description=f"Largest share of a continuation's {GRAM}-grams found in either half"
    )


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the model to continue the first half of each sampled passage."""
    prompt, measure = context.prompt(PROMPT), ruler(options.tokenizer, context.folder)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in passages.to_pylist():
        at = split(row, options, measure, context.seed)
        if isinstance(at, int):
            yield prompt.ask(
                row["id"], task="non_instructional", sampling=sampling, half=row["text"][:at], about=str(at)
            )


def split(row: PassageRow, options: Options, measure: Ruler, seed: int) -> int | Reject:
    """Return where to split a passage, in code points, or the reason not to."""
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
    """Check the continuations. The lineage of a pair ends at the split."""
    prompt, measure = context.prompt(PROMPT), ruler(options.tokenizer, context.folder)
    builder, judged, instructional = Builder("examples", context), 0, 0
    languages = Languages(context)
    for row in passages.to_pylist():
        fields = {"kind": "instruction", "task": "continuation"}
        for answer in answers.of(row["id"]):
            judged += 1
            at = int(answer.request.about)
            half, parent = row["text"][:at], row | {"end": row["start"] + at}
            first_half = Passage(row | {"text": half}, languages.of(row))
            try:
                continuation = check(answer, first_half, row["text"][at:], prompt, options)
            except Reject as rejection:
                instructional += rejection.reason == "reads like an instruction"
                pair = {"question": half, "answer": answer.completion.text}
                builder.drop(rejection, fields | pair, parent, answer)
            else:
                pair = {"question": half, "answer": continuation, "prompt": chat(half)}
                builder.keep(fields | pair, parent, answer)
        if not answers.of(row["id"]):
            reason = split(row, options, measure, context.seed)
            assert isinstance(reason, Reject)
            builder.drop(reason, fields, row)
    return replace(builder.outcome(), figures={"judged": judged, "instructional": instructional})


def check(answer: Answer, half: Passage, rest: str, prompt: Prompt, options: Options) -> str:
    """
    Return a continuation, without a last sentence that the token limit cut off.

    Raises
    ------
    Reject
        If it is too short, a copy, a loop or an echo of the prompt, or reads like an instruction.
    """
    text = answer.completion.text.rstrip() if answer.completion.finish == "length" else answer.text
    if answer.completion.finish == "length":
        text = text[: max((start for start, _ in split_sentences(text)), default=0)].rstrip()
    grams = _grams(text)
    if not grams:
        raise Reject("too short", text)
    for pattern in prompt.fields["instructional"]:
        if match := re.search(pattern, half.text) or re.search(pattern, text):
            raise Reject("reads like an instruction", match[0])
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
