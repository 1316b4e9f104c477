"""
Write reading texts: a passage followed by exercises about it, as one plain text for continued pre-training.

A model writes the exercises: each sampled passage is asked a few tasks, drawn by weight from the pool that
`datagen.stages.exercises.task` describes, as structured output, with the passage first so that requests share
its prefix (TransformLLM, arXiv 2410.21479; instruction pre-training, arXiv 2406.14491). Each exercise is
checked, and the sound ones are bound into one text with the passage verbatim. A row's metadata lists its
exercises with the request, model and sampling behind each.

Dropped rows are of two kinds: one for each exercise that failed its check, and one for each passage without
a text ("no sound exercise", with the reasons; "outside the sample"). With `raw_without_exercises` a passage
that was asked in vain becomes a text of its own, as instruction pre-training has it.

With a token target, passages draw lots, and only as many are asked as the target has room for at `expected`
tokens of text for each token of a passage. Each has a share of the target by its length, and exercises that
do not fit into it are left out: so the target is a bound, and the texts do not depend on partitions.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator

from datagen.request import Answer, Answers, Reject
from datagen.stage import Builder, Context, ModelStage, Outcome, Partitions
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.rounds import Pool, ask, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import Exercise, alone, bind
from datagen.stages.shared.render.metadata import Listed, listed, metadata
from datagen.stages.shared.segment.headings import heads
from datagen.stages.shared.token_budget import OVER_TARGET, Reader, TokenTarget, lots, over_target, take_lots
from datagen.stages.shared.tokens import ruler

# Weighted for the bundled generator; docs/written.md says what was sound of what it wrote.
TASKS = {
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

    tasks: dict[str, float] = Field(
        default_factory=lambda: dict(TASKS),
        description="Exercises with their weights, or a list: names, package.module:task or ./file.py:task",
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
        description="The target's, for the account of tokens: bundled, a checkpoint's folder, a "
        "tokenizer.json or tokenizer.model, or a hub's id; left out, characters are counted",
    )
    keep_raw: bool = Field(True, description="Texts have their passage; false: the exercises alone")
    raw_without_exercises: bool = Field(
        False, description="A passage that was asked and has no sound exercise becomes a text by itself"
    )
    max_total_tokens: int | None = Field(
        None,
        ge=0,
        description="Tokens of all texts together, at most, with those that trainers add: passages are asked "
        "by lot as long as there is room; in place of share",
    )
    expected: float = Field(
        1.5,
        ge=1,
        description="With max_total_tokens: tokens of a text to expect for each token of its passage; more "
        "are allowed if the target has room",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if self.max_total_tokens is not None and self.share < 1:
            raise ValueError("max_total_tokens needs a tokenizer, and sets the share itself: leave share out")
        if self.raw_without_exercises and not self.keep_raw:
            raise ValueError("raw_without_exercises keeps passages, and keep_raw: false leaves them out")
        return self


def prepare(partitions: Partitions, options: Options, context: Context) -> Options:
    """Find the share of the passages that the target has room for, and what room each has."""
    target = options.max_total_tokens
    if target is None:
        return options
    look = partial(_lots, options=options, context=context)
    taken = take_lots(partitions, look, target / options.expected, context)
    room = target / taken.length if taken.length else options.expected
    share = max(math.nextafter(taken.last, 1), 0.0)
    return options.model_copy(update={"share": share, "expected": room})


def _lots(reader: Reader, options: Options, context: Context) -> pa.Table:
    passages = reader(["id", "text"])
    lengths = ruler(options.tokenizer, context.folder).trained(passages["text"].to_pylist())
    return lots([options.lot(name, context.seed) for name in passages["id"].to_pylist()], lengths)


class _Writer:
    """Binds the exercises of passages into texts, within their shares of the token target."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], options: Options, context: Context) -> None:
        self._options, self._seed = options, context.seed
        self._style = context.prompt(options.layouts).fields
        self._heads = heads(rows, self._style, context.seed) if options.structure else {}
        self._measure = ruler(options.tokenizer, context.folder)

    def text(self, row: Mapping[str, Any], exercises: Sequence[Exercise]) -> tuple[str, int]:
        """
        Bind as many exercises as fit.

        Returns
        -------
        text, number
            The text with that many of the exercises; "" and 0 where not one fits.
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

    def fits(self, row: Mapping[str, Any], text: str) -> bool:
        """Tell whether a text is within the share that its passage has of the target."""
        if self._options.max_total_tokens is None:
            return True
        passage, length = self._measure.trained([row["text"], text])
        return length <= self._options.expected * passage


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the exercises about each passage and bind the sound ones into a text."""
    layouts, languages = context.prompt(options.layouts), Languages(context)
    built = Builder("examples", context, layouts.name, layouts.hash)
    bound_in, figures = [], Counter[str]()
    rows = passages.to_pylist()
    writer = _Writer(rows, options, context)
    for row in rows:
        passage = Passage(row, languages.of(row))
        sound: dict[str, tuple[Exercise, list[Answer]]] = {}
        failed: Counter[str] = Counter()
        written = list(read_answers(answers.of(row["id"]), passage, options, context))
        figures.update(yields(written))

        def reject(
            why: Reject,
            task: str,
            behind: Sequence[Answer],
            row: Mapping[str, Any] = row,
            failed: Counter[str] = failed,
        ) -> None:
            failed[why.reason] += 1
            said = behind[0].completion.text if behind else None
            built.drop(why, {"kind": "reading", "task": task, "answer": said}, row, *behind)

        for task, behind, pair in written:
            if isinstance(pair, Reject):
                reject(pair, task, behind)
            elif pair["question"] in sound:
                reject(Reject("repeated", pair["question"]), task, behind)
            else:
                sound[pair["question"]] = _exercise(task, pair, row), behind
        text, fitting = writer.text(row, [exercise for exercise, _ in sound.values()])
        for exercise, behind in list(sound.values())[fitting:]:
            reject(Reject(OVER_TARGET, "its text would be too long"), exercise.task, behind)
        kept = list(sound.values())[:fitting]
        draft = {"kind": "reading", "task": "comprehension"}
        if kept:
            at = text.index(row["text"]) if options.keep_raw else -1
            entries = [_listed(exercise, behind, row, at, context) for exercise, behind in kept]
            said = {"text": text, "metadata": metadata(entries, options.domain)}
            built.keep(draft | said, row, *(answer for _, behind in kept for answer in behind))
            bound_in.append(row["text"])
        elif failed and options.raw_without_exercises:
            built.keep(draft | {"text": row["text"], "metadata": metadata((), options.domain)}, row)
            bound_in.append(row["text"])
        elif sound:
            built.drop(Reject(OVER_TARGET, "no exercise fits beside the passage"), draft, row)
        elif failed:
            seen = ", ".join(f"{count} {reason}" for reason, count in failed.most_common())
            built.drop(Reject("no sound exercise", seen), draft, row)
        else:
            built.drop(_unasked(passage, options, context), draft, row)
    measure = ruler(options.tokenizer, context.folder)
    sampled = [row["text"] for row in rows if options.sampled(row["id"], context.seed)]
    outcome = measure.account(built.outcome(), passages["text"].to_pylist(), bound_in, sampled=sampled)
    return replace(outcome, figures={**outcome.figures, **figures})


def _exercise(task: str, pair: Pair, row: Mapping[str, Any]) -> Exercise:
    evidence = pair["evidence"] or ""
    at = row["text"].find(evidence) if evidence else -1
    spans = ((at, at + len(evidence)),) if at >= 0 else ()
    return Exercise(task, pair["question"], pair["answer"], spans)


def _listed(
    exercise: Exercise, behind: Sequence[Answer], row: Mapping[str, Any], at: int, context: Context
) -> Listed:
    """List an exercise with what it was written by; one that no model wrote has no request."""
    if not behind:
        return listed(exercise, row, at, prompt="", seed=context.seed)
    request, completion = behind[0].request, behind[0].completion
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
