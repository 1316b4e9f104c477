"""
Write reading texts: a passage followed by exercises about it, as one plain text for continued pre-training.

A model writes the exercises as structured output. Each sampled passage draws a few tasks by weight
(`datagen.stages.exercises.task`); the passage comes first in each request, so that requests share its prefix
(TransformLLM, arXiv 2410.21479; instruction pre-training, arXiv 2406.14491). Each exercise is checked, and
the sound ones are combined with the verbatim passage into one text. The metadata of a row lists its exercises
with the request, model and sampling of each.

There are two kinds of dropped rows: one for each exercise that failed its checks, and one for each passage
without a text ("no sound exercise", with the reasons; "outside the sample"). With `raw_without_exercises`, a
passage whose exercises all failed becomes a text without exercises, as in instruction pre-training.

With a token target, passages are sampled by hash, as many as fit the target at `expected` tokens of text per
token of passage. Each passage has a share of the target proportional to its length; exercises that exceed it
are left out. So the target is an upper bound, and the texts do not depend on partitions.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TypeAlias

import pyarrow as pa
from pydantic import Field, model_validator

from datagen.request import Answer, Answers, Reject
from datagen.rows import PassageRow
from datagen.stage import Builder, Context, ModelStage, Outcome, Partitions
from datagen.stages.exercises.declared import Declaration
from datagen.stages.exercises.pair import Pair, Written
from datagen.stages.exercises.pool import Pool
from datagen.stages.exercises.rounds import ask, count_rounds, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import Exercise, alone, bind
from datagen.stages.shared.render.metadata import Listed, listed, metadata
from datagen.stages.shared.segment.headings import heads
from datagen.stages.shared.token_budget import OVER_TARGET, Reader, TokenTarget, lots, over_target, take_lots
from datagen.stages.shared.tokens import ruler

# Weighted for the bundled generator; docs/written.md lists the share of its exercises that is sound.
TASKS: dict[str, float | Declaration] = {
    "marked_question": 4.0,
    "true_false": 1.0,
    # Noisy, unbalanced or mostly rejected with a small generator: for a larger one.
    "extractive_question": 0.0,
    "closed_book_question": 0.0,
    "definition": 0.0,
    "multiple_choice": 0.0,
    "inference": 0.0,
    "summary": 0.0,
    "terms": 0.0,
    # Rules cannot check whether these are correct: for a generator that you trust.
    "explanation": 0.0,
    "irac": 0.0,
    "continuation": 0.0,  # the stage mine writes the same exercise
}


Sound: TypeAlias = tuple[Exercise, list[Answer]]
Failed: TypeAlias = tuple[Reject, str, list[Answer]]


class Options(Pool, TokenTarget):
    """The exercises, the passages to write them about, and the layout of the texts."""

    tasks: dict[str, float | Declaration] = Field(
        default_factory=lambda: dict[str, float | Declaration](TASKS),
        description="Exercises with their weights, or a list: names, package.module:task, ./file.py:task, "
        "./file.yaml, or a declaration of your own (docs/written.md). Default: the tasks of the profile",
    )
    per_passage: int = Field(3, ge=0, description="Exercises per passage, drawn by weight; 0: all")
    layouts: str = Field("reading/layouts", description="Prompt file with the layouts of the texts")
    structure: bool = Field(
        False, description="Start each text with its position in the document's heading tree"
    )
    tokenizer: str = Field(
        "",
        description="The target's tokenizer, to count tokens: bundled, a checkpoint folder, a tokenizer.json "
        "or tokenizer.model, or a Hub id; unset: characters are counted",
    )
    keep_raw: bool = Field(True, description="Texts include their passage; false: only the exercises")
    raw_without_exercises: bool = Field(
        False, description="Keep a sampled passage without sound exercises as a text without exercises"
    )
    max_total_tokens: int | None = Field(
        None,
        ge=0,
        description="Maximum tokens of all texts together, including those that trainers add: passages are "
        "drawn by hash until the target is reached; replaces share",
    )
    expected: float = Field(
        1.5,
        ge=1,
        description="With max_total_tokens: expected tokens of text per token of passage; more are allowed "
        "if the target has room",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if self.max_total_tokens is not None and self.share < 1:
            raise ValueError("max_total_tokens needs a tokenizer and determines the share: remove share")
        if self.raw_without_exercises and not self.keep_raw:
            raise ValueError("raw_without_exercises keeps passages, but keep_raw: false removes them")
        return self


def prepare(partitions: Partitions, options: Options, context: Context) -> Options:
    """Compute the share of the passages that fits the token target, and the room of each passage."""
    target = options.max_total_tokens
    if target is None:
        return options
    read_lots = partial(_lots, options=options, context=context)
    taken = take_lots(partitions, read_lots, target / options.expected, context)
    room = target / taken.length if taken.length else options.expected
    share = max(math.nextafter(taken.last, 1), 0.0)
    return options.model_copy(update={"share": share, "expected": room})


def _lots(reader: Reader, options: Options, context: Context) -> pa.Table:
    passages = reader(["id", "text"])
    lengths = ruler(options.tokenizer, context.folder).trained(passages["text"].to_pylist())
    return lots([options.lot(name, context.seed) for name in passages["id"].to_pylist()], lengths)


class _Writer:
    """Combines passages and exercises into texts, within their shares of the token target."""

    def __init__(self, rows: Sequence[PassageRow], options: Options, context: Context) -> None:
        self._options, self._seed = options, context.seed
        self._style = context.prompt(options.layouts).fields
        self._heads = heads(rows, self._style, context.seed) if options.structure else {}
        self._measure = ruler(options.tokenizer, context.folder)

    def text(self, row: PassageRow, exercises: Sequence[Exercise]) -> tuple[str, int]:
        """
        Write a text with as many exercises as fit.

        Returns
        -------
        text, number
            The text and the number of its exercises; "" and 0 if none fits.
        """
        head = self._heads.get(row["id"], "")
        for number in range(len(exercises), 0, -1):
            chosen = exercises[:number]
            if self._options.keep_raw:
                text = bind(row, chosen, self._style, self._seed, head)
            else:
                text = alone(row, chosen, self._style, self._seed)
            if self.fits(row, text):
                return text, number
        return "", 0

    def raw(self, row: PassageRow) -> str:
        """Write a text without exercises: the passage, below its position if that is shown and fits."""
        text = bind(row, (), self._style, self._seed, self._heads.get(row["id"], ""))
        return text if self.fits(row, text) else row["text"]

    def fits(self, row: PassageRow, text: str) -> bool:
        """Return whether a text is within its passage's share of the token target."""
        if self._options.max_total_tokens is None:
            return True
        passage, length = self._measure.trained([row["text"], text])
        return length <= self._options.expected * passage


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the exercises about each passage and combine the sound ones into a text."""
    layouts, languages = context.prompt(options.layouts), Languages(context)
    builder = Builder("examples", context, layouts.name, layouts.hash)
    bound, figures = [], Counter[str]()
    rows = passages.to_pylist()
    writer = _Writer(rows, options, context)
    for row in rows:
        passage = Passage(row, languages.of(row))
        written = list(read_answers(answers.of(row["id"]), passage, options, context))
        figures.update(yields(written))
        sound, failed = _sort(written, row)
        text, fitting = writer.text(row, [exercise for exercise, _ in sound])
        for exercise, drafts in sound[fitting:]:
            failed.append((Reject(OVER_TARGET, "its text would be too long"), exercise.task, drafts))
        for reason, task, drafts in failed:
            draft = drafts[0].completion.text if drafts else None
            builder.drop(reason, {"kind": "reading", "task": task, "answer": draft}, row, *drafts)
        result = {"kind": "reading", "task": "comprehension"}
        if fitting:
            at = text.index(row["text"]) if options.keep_raw else -1
            entries = [_listed(exercise, drafts, row, at, context) for exercise, drafts in sound[:fitting]]
            result |= {"text": text, "metadata": metadata(entries, options.domain)}
            builder.keep(result, row, *(answer for _, drafts in sound[:fitting] for answer in drafts))
            bound.append(row["text"])
        elif failed and options.raw_without_exercises:
            builder.keep(result | {"text": writer.raw(row), "metadata": metadata((), options.domain)}, row)
            bound.append(row["text"])
        elif sound:
            builder.drop(Reject(OVER_TARGET, "no exercise fits next to the passage"), result, row)
        elif failed:
            counts = Counter(reason.reason for reason, _, _ in failed)
            detail = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
            builder.drop(Reject("no sound exercise", detail), result, row)
        else:
            builder.drop(_unasked(passage, options, context), result, row)
    measure = ruler(options.tokenizer, context.folder)
    sampled = [row["text"] for row in rows if options.sampled(row["id"], context.seed)]
    outcome = measure.account(builder.outcome(), passages["text"].to_pylist(), bound, sampled=sampled)
    return replace(outcome, figures={**outcome.figures, **figures})


def _sort(written: Iterable[Written], row: PassageRow) -> tuple[list[Sound], list[Failed]]:
    """Separate sound exercises from failed and repeated ones."""
    sound: dict[str, Sound] = {}
    failed: list[Failed] = []
    for task, drafts, pair in written:
        if isinstance(pair, Reject):
            failed.append((pair, task, drafts))
        elif pair["question"] in sound:
            failed.append((Reject("repeated", pair["question"]), task, drafts))
        else:
            sound[pair["question"]] = _exercise(task, pair, row), drafts
    return list(sound.values()), failed


def _exercise(task: str, pair: Pair, row: PassageRow) -> Exercise:
    evidence = pair["evidence"] or ""
    at = row["text"].find(evidence) if evidence else -1
    spans = ((at, at + len(evidence)),) if at >= 0 else ()
    return Exercise(task, pair["question"], pair["answer"], spans)


def _listed(
    exercise: Exercise, drafts: Sequence[Answer], row: PassageRow, at: int, context: Context
) -> Listed:
    """List an exercise with its provenance; an exercise without a model has no request."""
    if not drafts:
        return listed(exercise, row, at, prompt="", seed=context.seed)
    request, completion = drafts[0].request, drafts[0].completion
    origin = {
        "prompt": request.prompt,
        "prompt_hash": request.prompt_hash,
        "request": completion.key,
        "model": completion.model,
        "revision": completion.revision,
        "sampling": asdict(request.sampling),
        "sample": request.sample,
        "seed": context.seed,
    }
    return listed(exercise, row, at, **origin)


def _unasked(passage: Passage, options: Options, context: Context) -> Reject:
    lot = options.lot(passage.row["id"], context.seed)
    if options.max_total_tokens is not None and lot >= options.share:
        return over_target(lot, options.share)
    return unasked(passage, options, context)


stage = ModelStage(
    name="comprehend",
    summary="write exercises about passages and combine them into reading texts",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    rounds=count_rounds,
    read=read,
    prepare=prepare,
    options=Options,
)
