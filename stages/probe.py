"""
Find out what the target knows: it answers each question without the passage.

One greedy answer and some samples are compared with the answer from the passage
(`datagen.stages.text.matching`).
All right: the target **knows**; all wrong: it does **not know**; anything between, or answers that
partly agree, is **ambiguous** and teaches nothing (WACK's knowledge test, arXiv 2410.22071, with
R-Tuning's greedy answer, arXiv 2311.09677). A label holds for one target and revision, which is in the
row's id and lineage: another target makes other rows.

Only questions that can be asked this way are probed. One that speaks of "the passage" or that fits
another passage as well ("What happens if no argument is given?") cannot be answered without it, yes and
no are right half of the time by chance, and a long explanation cannot be compared by its words: such rows
are dropped, each with its reason.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator

import datagen.stage
from datagen.records import EXAMPLES, content_id
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.text.checks import stands_alone
from datagen.stages.text.matching import essence, likeness
from datagen.stages.text.passage import Words, words_for
from datagen.stages.text.postings import Postings


class Options(datagen.stage.Options):
    """What counts as knowing."""

    samples: int = Field(3, ge=0, description="Answers drawn besides the greedy one")
    temperature: float = Field(0.7, gt=0, description="Temperature of the samples")
    max_tokens: int = Field(48, ge=4, description="Most tokens of an answer; a cut-off one counts")
    right: float = Field(0.8, gt=0.5, le=1, description="An answer at least so like the passage's is right")
    wrong: float = Field(0.3, ge=0, lt=0.5, description="An answer at most so like the passage's is wrong")
    longest: int = Field(8, ge=1, description="Words that an answer may add to its question to be compared")
    skip: tuple[str, ...] = Field(
        ("explanation", "summary", "terms", "true_false", "yes_no"),
        description="Tasks that cannot be asked without their passage",
    )
    prompt: str = Field("refusals/closed_book", description="What the target is asked")

    @model_validator(mode="after")
    def _band(self) -> "Options":
        if self.right - self.wrong < 0.1:
            raise ValueError("leave at least 0.1 between wrong: and right: for answers that are neither")
        return self


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask every question that can stand alone, once greedily and `samples` times at a temperature."""
    prompt, language = context.prompt(options.prompt), words_for(context)
    probed = rows.select(["id", "task", "question", "answer", "context"]).to_pylist()
    passages = _passages(probed, language)
    for row in probed:
        if _unfit(row, options, language, passages):
            continue
        for sample in range(1 + options.samples):
            sampling = Sampling(options.max_tokens, temperature=options.temperature if sample else 0.0)
            yield prompt.ask(
                row["id"], task="closed_book", sampling=sampling, sample=sample, question=row["question"]
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Compare the answers with the passage's and label the row."""
    builder = Builder("probes", context)
    target, language = context.models[stage.role], words_for(context)
    probed = rows.to_pylist()
    passages = _passages(probed, language)
    for parent in probed:
        row = {name: parent.get(name) for name in EXAMPLES.names if name not in ("id", "lineage", "logprob")}
        row["id"] = content_id(parent["id"], target.name, target.revision)
        given = answers.of(parent["id"])
        try:
            if unfit := _unfit(parent, options, language, passages):
                raise unfit
            said = [_said(answer) for answer in given]
        except Reject as why:
            builder.drop(why, row, parent, *given)
            continue
        matches = [likeness(text, parent["answer"], parent["question"], language.stop) for text in said]
        row |= {
            "target_answer": said[0],
            "match": matches[0],
            "label": _label(matches, options),
            "logprob": mean_logprob(given[:1]),
        }
        builder.keep(row, parent, *given)
    return builder.outcome()


_GUESSED = re.compile(r"\s*(?:yes|no|true|false|maybe|both|neither)\b[\s.!]*", re.IGNORECASE)


def _passages(probed: Sequence[Mapping[str, Any]], language: Words) -> Postings:
    return Postings((row["context"] for row in probed if row["context"]), language)


def _unfit(row: Mapping[str, Any], options: Options, language: Words, passages: Postings) -> Reject | None:
    """Say why a question cannot be asked closed-book, if so."""
    question, answer = row["question"] or "", row["answer"] or ""
    if row["task"] in options.skip:
        return Reject("needs its context", f"task {row['task']}")
    try:
        stands_alone(question, language, asks=True)
    except Reject as why:
        return Reject("needs its context", why.detail)
    if row["context"] and (others := passages.fits_others(question, row["context"])):
        return Reject("needs its context", f"its words stand in {others} other passages too: {question}")
    if _GUESSED.fullmatch(answer) or (question and likeness(question, answer) == 1):
        return Reject("answer can be guessed", answer)
    if (added := len(essence(answer, question, language.stop))) > options.longest:
        return Reject("answer too long to compare", f"{added} words more than its question")
    return None


def _said(answer: Answer) -> str:
    """
    Give what the target said, which may have been cut off.

    What is left of a cut-off answer ends with its last complete sentence, if it has one.
    """
    completion = answer.completion
    if completion.finish == "error":
        raise Reject("engine error", completion.error)
    text = completion.text.strip()
    if completion.finish == "length" and (whole := re.match(r".*[.!?。！？](?=\s)", text, re.DOTALL)):
        return whole[0]
    return text


def _label(matches: list[float], options: Options) -> str:
    if all(match >= options.right for match in matches):
        return "known"
    if all(match <= options.wrong for match in matches):
        return "unknown"
    return "ambiguous"


stage = ModelStage(
    name="probe",
    summary="ask the target each question without the passage",
    takes="examples",
    gives="probes",
    ask=ask,
    read=read,
    role="target",
    options=Options,
    kinds=("instruction",),
)
