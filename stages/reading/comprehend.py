"""
Write reading texts: a passage followed by exercises about it, as one plain text for continued pre-training.

A model writes the exercises: each sampled passage is asked a few tasks, drawn by weight from the pool
that `datagen.stages.exercises.task` describes, as structured output, with the passage first so that
they share its prefix (TransformLLM, arXiv 2410.21479; instruction pre-training, arXiv 2406.14491). Each
exercise is checked, and the sound ones are bound into one text with the passage verbatim.

Dropped rows are of two kinds: one for each exercise that failed its check, and one for each passage
that is left without a text ("no sound exercise", with the reasons; "outside the sample"). So a passage
leaves either one text or one dropped row without an answer, and besides one row for each failed
exercise.

Where there is a target of tokens, passages draw lots, and only those are asked about whose texts are expected
to reach the target: no model is called for the others.
"""

import math
from collections import Counter
from dataclasses import replace
from functools import partial

import pyarrow as pa
from pydantic import Field, model_validator

from datagen.request import Answer, Answers, Reject
from datagen.stage import Builder, Context, ModelStage, Outcome, Partitions
from datagen.stages.exercises.declared import Declaration
from datagen.stages.exercises.rounds import Pool, ask, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import Exercise, bind
from datagen.stages.shared.segment.headings import heads
from datagen.stages.shared.token_budget import Reader, TokenTarget, last_lot, lots, over_target
from datagen.stages.shared.tokens import ruler

# Weighted for the bundled generator; docs/written.md says what was sound of what it wrote.
TASKS: dict[str, float | Declaration] = {
    "marked_question": 4.0,
    "true_false": 1.0,
    # Mostly noise, one-sided, or hardly one that passes the checks: for a larger generator.
    "extractive_question": 0.0,
    "closed_book_question": 0.0,
    "definition": 0.0,
    "multiple_choice": 0.0,
    "inference": 0.0,
    "summary": 0.0,
    "terms": 0.0,
    # No rule tells a right one of these from a wrong one: for a generator that is trusted.
    "explanation": 0.0,
    "irac": 0.0,
    "continuation": 0.0,  # the stage mine asks the same
}


class Options(Pool, TokenTarget):
    """Which exercises are written about which passages, and how they are laid out."""

    tasks: dict[str, float | Declaration] = Field(
        default_factory=lambda: dict(TASKS),
        description="Exercises with their weights, or a list: names, package.module:task, ./file.py:task, "
        "./file.yaml, or one of your own written here (docs/written.md). Left out: those of the profile",
    )
    per_passage: int = Field(
        3, ge=0, description="Exercises asked of each passage, drawn by weight; 0: all of them"
    )
    layouts: str = Field("reading/layouts", description="The prompt file with the words around the passage")
    structure: bool = Field(
        False, description="Open each text with its place in its document's tree of headings"
    )
    tokenizer: str = Field(
        "",
        description="The target's, for the account of tokens: a checkpoint's folder or a tokenizer.json; "
        "left out, characters are counted",
    )
    max_total_tokens: int | None = Field(
        None,
        ge=0,
        description="Tokens of all texts together: by lot, as many passages are asked about as are expected "
        "to give them; in place of share",
    )
    expected: float = Field(
        1.25,
        gt=0,
        description="Tokens of text that a token of a passage is expected to give, for that: an earlier "
        "run's text_tokens by its sampled_tokens",
    )

    @model_validator(mode="after")
    def _drawn(self) -> "Options":
        if self.max_total_tokens is not None and self.share < 1:
            raise ValueError("max_total_tokens needs a tokenizer, and sets the share itself: leave share out")
        return self


def prepare(partitions: Partitions, options: Options, context: Context) -> Options:
    """Find the share of the passages whose texts are expected to reach the target."""
    if options.max_total_tokens is None:
        return options
    look = partial(_lots, options=options, context=context)
    last = last_lot(partitions, look, options.max_total_tokens / options.expected, context)
    return options.model_copy(update={"share": max(math.nextafter(last, 1), 0.0)})


def _lots(reader: Reader, options: Options, context: Context) -> pa.Table:
    passages = reader(["id", "text"])
    lengths = ruler(options.tokenizer, context.folder).lengths(passages["text"].to_pylist())
    return lots([options.lot(name, context.seed) for name in passages["id"].to_pylist()], lengths)


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the exercises about each passage and bind the sound ones into a text."""
    layouts, seed, languages = context.prompt(options.layouts), context.seed, Languages(context)
    built, style = Builder("examples", context, layouts.name, layouts.hash), layouts.fields
    bound_in, figures = [], Counter[str]()
    rows = passages.to_pylist()
    head = heads(rows, style, seed) if options.structure else {}
    for row in rows:
        passage = Passage(row, languages.of(row))
        exercises: dict[str, Exercise] = {}
        used: list[Answer] = []
        failed: Counter[str] = Counter()
        written = list(read_answers(answers.of(row["id"]), passage, options, context))
        figures.update(yields(written))
        for task, behind, pair in written:
            if not isinstance(pair, Reject) and pair["question"] in exercises:
                pair = Reject("repeated", pair["question"])
            if isinstance(pair, Reject):
                failed[pair.reason] += 1
                said = behind[0].completion.text if behind else None
                built.drop(pair, {"kind": "reading", "task": task, "answer": said}, row, *behind)
            else:
                exercises[pair["question"]] = Exercise(task, pair["question"], pair["answer"])
                used += behind
        text = {"kind": "reading", "task": "comprehension"}
        if exercises:
            bound = bind(row, list(exercises.values()), style, seed, head.get(row["id"], ""))
            built.keep(text | {"text": bound}, row, *used)
            bound_in.append(row["text"])
        elif failed:
            seen = ", ".join(f"{count} {reason}" for reason, count in failed.most_common())
            built.drop(Reject("no sound exercise", seen), text, row)
        else:
            built.drop(_unasked(passage, options, context), text, row)
    measure = ruler(options.tokenizer, context.folder)
    sampled = [row["text"] for row in rows if options.sampled(row["id"], context.seed)]
    outcome = measure.account(built.outcome(), passages["text"].to_pylist(), bound_in, sampled=sampled)
    return replace(outcome, figures={**outcome.figures, **figures})


def _unasked(passage: Passage, options: Options, context: Context) -> Reject:
    drawn = options.lot(passage.row["id"], context.seed)
    if options.max_total_tokens is not None and drawn >= options.share:
        return over_target(drawn, options.share)
    return unasked(passage, options, context)


stage = ModelStage(
    name="comprehend",
    summary="write exercises about passages and bind them into reading texts",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    read=read,
    prepare=prepare,
    options=Options,
)
