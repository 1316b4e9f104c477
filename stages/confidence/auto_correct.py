"""
Replace an answer with a better one where the model is certain of it, and leave every other row unchanged.

The target, which will be trained on the rows, both proposes and judges; no stronger model is needed. Modes:

* ``better``: after arXiv 2403.12776. The target answers each question and is asked which of the two answers
  is better. Its own answer replaces the row's if the certainty exceeds `margin`.
* ``own``: the target's own answer if it is certainly equivalent to the reference; else the reference
  paraphrased by the target, if that is; else the reference.

Certainty is the probability of the letters that denote the answers, averaged over both orders. A failed
answer, a tie, an invalid or uncertain verdict, and a proposal that one of the recipe's validators rejects
change nothing.

Columns: ``action`` (keep or correct), ``correction`` (certainty of the change; null where none was judged),
``original_answer`` (of changed rows), ``response_source`` (self, gold_paraphrase or gold), which the report
counts. A changed row loses the scores of its old answer, so this stage belongs before those that measure and
score.
Dropping rows is up to `datagen.stages.filter.curate`.

To have another model judge the target's proposals, use `propose` and then `by_judge` in the recipe.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Fields, Row
from datagen.schema import EXAMPLES
from datagen.stage import Columns, Context, ModelStage, Outcome, lineage, mean_logprob
from datagen.stages.confidence.measure.functions import Named, call
from datagen.stages.shared import judge
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import code_of, language_of

SELF, PARAPHRASE, GOLD = "self", "gold_paraphrase", "gold"  # sources of a row's answer
VERDICT = "verdict"  # task of the requests to the judge
PASSES = 0.5  # minimum value of a validator for an accepted proposal

COLUMNS = pa.schema(
    [
        ("action", pa.string()),
        ("correction", pa.float64()),
        ("original_answer", pa.string()),
        ("response_source", pa.string()),
    ]
)


class Options(datagen.stage.Options):
    """What is proposed, and when a row changes."""

    mode: Literal["better", "own"] = Field(
        "better", description="Whether the proposed answer must be better than the reference, or equivalent"
    )
    margin: float = Field(
        0.8, ge=0.5, le=1, description="Certainty that a change must exceed; 1: no row changes"
    )
    paraphrase: bool = Field(True, description="In mode own: also propose a paraphrase of the reference")
    validators: list[Named] = Field(
        [],
        description="Functions of texts (question, original, passage, and the proposed answer) that return 1 "
        "for an acceptable proposal",
    )
    max_tokens: int = Field(256, ge=16, description="Maximum length of a proposal, in tokens")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """
    Request an answer to each question, unless it has a proposal.

    In mode own also request a paraphrase of the reference.
    """
    prompts = {} if "proposal" in rows.column_names else {SELF: "corrections/answer"}
    if options.mode == "own" and options.paraphrase:
        prompts[PARAPHRASE] = "corrections/paraphrase"
    for row in rows.select(["id", "question", "context", "answer"]).to_pylist():
        if row["question"] and row["answer"]:
            for source, prompt in prompts.items():
                yield context.prompt(prompt).ask(
                    row["id"],
                    task=source,
                    sampling=Sampling(options.max_tokens),
                    passage=row["context"] or "",
                    question=row["question"],
                    answer=row["answer"],
                )


def ask_judge(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each proposal that differs from the row's answer."""
    for row in rows.to_pylist():
        for source, proposal in _proposals(row, answers.of(row["id"])).items():
            if not _same(proposal, row):
                yield from _question(row, source, proposal, options, context)


def _question(row: Row, source: str, proposal: str, options: Options, context: Context) -> Iterator[Request]:
    texts = {"question": row["question"], "answer": row["answer"], "given": proposal}
    prompt = context.prompt("judges/better" if options.mode == "better" else "judges/same_answer")
    if options.mode == "better":  # the letters denote the answers themselves
        prompt = replace(prompt, fields=prompt.fields | {"options": [proposal, row["answer"]]})
    texts["passage"] = row["context"] or row["evidence"] or ""
    draw = (str(context.seed), source, row["question"], row["answer"])
    for request in judge.ask(prompt, row["id"], *draw, task=VERDICT, **texts):
        yield replace(request, about=source)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Change the rows that have an accepted proposal; no row is dropped."""
    before = rows.to_pylist()
    changes = [_change(row, answers.of(row["id"]), options) for row in before]
    accepted = _validated(before, changes, options, context)
    after = [
        _changed(row, change, answers.of(row["id"]), context) if passed else {**row, **change.unapplied(row)}
        for row, change, passed in zip(before, changes, accepted, strict=True)
    ]
    kept = [field for field in rows.schema if field.name not in COLUMNS.names]
    schema = pa.schema([*kept, *COLUMNS])
    sources = Counter(f"answers from {row['response_source']}" for row in after)
    return replace(Outcome.all_kept(pa.Table.from_pylist(after, schema=schema)), figures=sources)


@dataclass(frozen=True)
class Change:
    """A proposed answer: its source, its text (None: no change), and the certainty."""

    source: str = GOLD
    text: str | None = None
    certainty: float | None = None

    def unapplied(self, row: Row) -> Fields:
        """Return the columns of a row that keeps its answer."""
        columns = {"action": "keep", "original_answer": row.get("original_answer")}
        return columns | {
            "correction": self.certainty,
            "response_source": GOLD if self.text else self.source,
        }


def _change(row: Row, answers: Sequence[Answer], options: Options) -> Change:
    """Choose the first proposal with sufficient certainty; the reference if there is none."""
    highest = None
    for source, proposal in _proposals(row, answers).items():
        if _same(proposal, row):
            return Change(source)
        certainty = judge.probability(
            answer for answer in answers if answer.request.task == VERDICT and answer.request.about == source
        )
        if certainty is not None and certainty > options.margin:
            return Change(source, proposal, certainty)
        highest = max((value for value in (highest, certainty) if value is not None), default=None)
    return Change(certainty=highest)


def _proposals(row: Row, answers: Sequence[Answer]) -> dict[str, str]:
    """Collect the proposals for a row: source -> text. Failed and truncated ones are excluded."""
    proposals = {SELF: row["proposal"]} if row.get("proposal") else {}
    for answer in answers:
        if answer.request.task != VERDICT:
            with suppress(Reject):
                proposals[answer.request.task] = answer.text
    return {source: proposals[source] for source in (SELF, PARAPHRASE) if proposals.get(source)}


def _same(proposal: str, row: Row) -> bool:
    answer, language = row["answer"], language_of(code_of(row))
    return proposal.split() == answer.split() or (
        bool(words := matching.words(proposal, language=language))
        and words == matching.words(answer, language=language)
    )


def _validated(
    rows: Sequence[Row], changes: Sequence[Change], options: Options, context: Context
) -> list[bool]:
    """Return whether each row changes: it has a proposal, and no validator rejects it."""
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
        values = call(validator, proposed | {"said": proposed["answer"]}, context.folder)
        passed[places] &= values.fill_null(0).to_numpy() >= PASSES
    return [bool(value) for value in passed]


def _changed(row: Row, change: Change, answers: Sequence[Answer], context: Context) -> Fields:
    """Apply the change to its row; the scores of the old answer are removed."""
    used = [answer for answer in answers if change.source in (answer.request.task, answer.request.about)]
    return {name: row[name] for name in EXAMPLES.names} | {
        "answer": change.text,
        "logprob": mean_logprob(used[:1]),
        "lineage": {
            **lineage(row, context.stage, used, licence=context.model.licence),
            "parents": row["lineage"]["parents"],
        },
        "action": "correct",
        "correction": change.certainty,
        "original_answer": row.get("original_answer") or row["answer"],
        "response_source": change.source,
    }


def read_proposals(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the target's own answers as a column; null where it failed."""
    after = [
        row
        | {"proposal": _proposals({}, row_answers := answers.of(row["id"])).get(SELF)}
        | {"lineage": row["lineage"] | {"requests": lineage(row, context.stage, row_answers)["requests"]}}
        for row in rows.to_pylist()
    ]
    return Outcome.all_kept(
        pa.Table.from_pylist(after, rows.schema.append(pa.field("proposal", pa.string())))
    )


stage = ModelStage(
    name="auto_correct",
    summary="replace an answer with a better one where the target is certain of it",
    takes="examples",
    gives="examples",
    ask=ask,
    follow=ask_judge,
    read=read,
    role="target",
    options=Options,
    columns=lambda _: Columns(makes=COLUMNS),
    kinds=("instruction",),
)
by_judge = replace(
    stage, summary="replace an answer with the proposed one where the judge is certain", role="judge"
)
propose = replace(
    stage,
    name="propose",
    summary="have the target answer each question",
    follow=None,
    read=read_proposals,
    columns=lambda _: Columns(makes=pa.schema([("proposal", pa.string())])),
)
