"""
Put a better answer in a row's place where the model is sure of it, and leave every other row as it is.

The target, which will be trained on the rows, proposes and judges; no stronger model is needed. Modes:

* ``better``: after arXiv 2403.12776. The target answers each question itself and is asked
  which of the two answers is the better one. Its own comes into the row if that is surer than `margin`.
* ``own``: the target's own answer, where it surely says what the reference says; else
  the reference in the target's words, where that surely does; else the reference.

How sure it is comes from the probabilities of the letters that the answers stand behind, in both orders. An
answer that failed, a tie, a verdict that is none and an unsure one change nothing; nor does a proposal
that a validator of the recipe refuses.

Columns: ``action`` (keep or correct), ``correction`` (how sure the change is; null where none was judged),
``original_answer`` (where it was changed), ``response_source`` (self, gold_paraphrase or gold). A changed row
loses the scores of the answer that went, so this stage stands before those that measure and score.
Dropping is for `datagen.stages.filter.curate`.

Another model judges what the target proposes where `propose` and then `by_judge` stand in the recipe.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import EXAMPLES
from datagen.stage import Context, ModelStage, Outcome, lineage, mean_logprob
from datagen.stages.confidence.measure.functions import Named, call
from datagen.stages.shared import judge
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import code_of, language_of

SELF, PARAPHRASE, GOLD = "self", "gold_paraphrase", "gold"  # where a row's answer is from
VERDICT = "verdict"  # the task of the questions to the judge
PASSES = 0.5  # what a validator says of a proposal that may come into its row, at least

COLUMNS = pa.schema(
    [
        ("action", pa.string()),
        ("correction", pa.float64()),
        ("original_answer", pa.string()),
        ("response_source", pa.string()),
    ]
)

Row = dict[str, Any]


class Options(datagen.stage.Options):
    """What is proposed, and when a row changes."""

    mode: Literal["better", "own"] = Field(
        "better", description="Whether the other answer must be better, or as good"
    )
    margin: float = Field(
        0.8, ge=0.5, le=1, description="A row changes when its change is surer; 1: none does"
    )
    paraphrase: bool = Field(True, description="In mode own: try the reference in the target's words, too")
    validators: list[Named] = Field(
        [],
        description="Functions of texts (question, original, passage, and the proposed answer) that give 1 "
        "for a proposal that may come into its row",
    )
    max_tokens: int = Field(256, ge=16, description="Longest proposal, in tokens")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Have each question answered, unless that was proposed; in mode own also the reference put anew."""
    wanted = {} if "proposal" in rows.column_names else {SELF: "corrections/answer"}
    if options.mode == "own" and options.paraphrase:
        wanted[PARAPHRASE] = "corrections/paraphrase"
    for row in rows.select(["id", "question", "context", "answer"]).to_pylist():
        if row["question"] and row["answer"]:
            for source, prompt in wanted.items():
                yield context.prompt(prompt).ask(
                    row["id"],
                    task=source,
                    sampling=Sampling(options.max_tokens),
                    passage=row["context"] or "",
                    question=row["question"],
                    answer=row["answer"],
                )


def ask_judge(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each proposal that is another answer than the row has."""
    for row in rows.to_pylist():
        for source, proposal in _proposals(row, answers.of(row["id"])).items():
            if not _same(proposal, row):
                yield from _question(row, source, proposal, options, context)


def _question(row: Row, source: str, proposal: str, options: Options, context: Context) -> Iterator[Request]:
    texts = {"question": row["question"], "answer": row["answer"], "given": proposal}
    prompt = context.prompt("judges/better" if options.mode == "better" else "judges/same_answer")
    if options.mode == "better":  # the letters stand for the answers themselves
        prompt = replace(prompt, fields=prompt.fields | {"options": [proposal, row["answer"]]})
    texts["passage"] = row["context"] or row["evidence"] or ""
    draw = (str(context.seed), source, row["question"], row["answer"])
    for request in judge.ask(prompt, row["id"], *draw, task=VERDICT, **texts):
        yield replace(request, about=source)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Change the rows that a proposal may come into; every row stays."""
    before = rows.to_pylist()
    changes = [_change(row, answers.of(row["id"]), options) for row in before]
    sound = _validated(before, changes, options, context)
    own = [name for name in rows.column_names if name not in COLUMNS.names]
    after = [
        _changed(row, change, answers.of(row["id"]), context) if passed else row | change.told(row)
        for row, change, passed in zip(before, changes, sound, strict=True)
    ]
    schema = pa.schema([*(rows.schema.field(name) for name in own), *COLUMNS])
    return Outcome.all_kept(pa.Table.from_pylist(after, schema=schema))


@dataclass(frozen=True)
class Change:
    """What may come into a row: where it is from, its text, and how sure it is; no text: nothing."""

    source: str = GOLD
    text: str | None = None
    sure: float | None = None

    def told(self, row: Row) -> Row:
        """Say in a row's columns that it stays as it is."""
        kept = {"action": "keep", "original_answer": row.get("original_answer")}
        return kept | {"correction": self.sure, "response_source": GOLD if self.text else self.source}


def _change(row: Row, given: Sequence[Answer], options: Options) -> Change:
    """Choose the first proposal that is sure enough; the reference where none is."""
    surest = None
    for source, proposal in _proposals(row, given).items():
        if _same(proposal, row):
            return Change(source)
        verdicts = (one for one in given if one.request.task == VERDICT and one.request.about == source)
        sure = judge.probability(verdicts)
        if sure is not None and sure > options.margin:
            return Change(source, proposal, sure)
        surest = max((one for one in (surest, sure) if one is not None), default=None)
    return Change(sure=surest)


def _proposals(row: Row, given: Sequence[Answer]) -> dict[str, str]:
    """Take what was proposed for a row: where it is from -> text. What failed or was cut off is left out."""
    found = {SELF: row["proposal"]} if row.get("proposal") else {}
    for answer in given:
        if answer.request.task != VERDICT:
            with suppress(Reject):
                found[answer.request.task] = answer.text
    return {source: found[source] for source in (SELF, PARAPHRASE) if found.get(source)}


def _same(one: str, row: Row) -> bool:
    other, language = row["answer"], language_of(code_of(row))
    return one.split() == other.split() or (
        bool(words := matching.words(one, language=language))
        and words == matching.words(other, language=language)
    )


def _validated(
    rows: Sequence[Row], changes: Sequence[Change], options: Options, context: Context
) -> list[bool]:
    """Tell of each row whether it changes: there is a text to change to, and no validator refuses it."""
    passed = np.array([change.text is not None for change in changes], bool)
    texts = {
        "question": [row["question"] for row in rows],
        "original": [row["answer"] for row in rows],
        "passage": [row["context"] or row["evidence"] for row in rows],
        "answer": [change.text for change in changes],
    }
    places = np.flatnonzero(passed)
    proposed = {name: pa.array(column, pa.string()).take(places) for name, column in texts.items()}
    for validator in options.validators if len(places) else ():
        found = call(validator, proposed | {"said": proposed["answer"]}, context.folder)
        passed[places] &= found.fill_null(0).to_numpy() >= PASSES
    result: list[bool] = passed.tolist()
    return result


def _changed(row: Row, change: Change, given: Sequence[Answer], context: Context) -> Row:
    """Put the change into its row; the scores of the answer that went go with it."""
    behind = [one for one in given if change.source in (one.request.task, one.request.about)]
    traced = lineage(row, context.stage, behind, licence=context.model.licence) | {
        "parents": row["lineage"]["parents"]
    }
    return {name: row[name] for name in EXAMPLES.names} | {
        "answer": change.text,
        "logprob": mean_logprob(behind[:1]),
        "lineage": traced,
        "action": "correct",
        "correction": change.sure,
        "original_answer": row.get("original_answer") or row["answer"],
        "response_source": change.source,
    }


def read_proposals(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the target's own answers as a column; null where it failed."""
    after = [
        row
        | {"proposal": _proposals({}, given := answers.of(row["id"])).get(SELF)}
        | {"lineage": row["lineage"] | {"requests": lineage(row, context.stage, given)["requests"]}}
        for row in rows.to_pylist()
    ]
    return Outcome.all_kept(
        pa.Table.from_pylist(after, rows.schema.append(pa.field("proposal", pa.string())))
    )


stage = ModelStage(
    name="auto_correct",
    summary="put a better answer in a row's place where the target is sure of it",
    takes="examples",
    gives="examples",
    ask=ask,
    follow=ask_judge,
    read=read,
    role="target",
    options=Options,
    kinds=("instruction",),
)
by_judge = replace(
    stage, summary="put a proposed answer in a row's place where the judge is sure", role="judge"
)
propose = replace(
    stage, name="propose", summary="have the target answer each question", follow=None, read=read_proposals
)
