"""
Validate each example by doing it again: one column a validator, which decides nothing.

A validator asks a model for something that a right row determines, and compares what comes back with the
row. It needs no gold answer. Validators tend to prune what is hard; the report's histograms show whether
the limits that `datagen.stages.filter.curate` sets on their columns do.

* ``solve``: the question is answered again from its passage. How well that agrees with the answer.
* ``regenerate``: a question is written again for the answer. How much of its words the two questions share.

One of your own is named as ``package.module:name`` or ``./file.py:name``. A validator that needs no model,
such as one that runs the answer's code, is a function of the stage measure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field
from rapidfuzz import fuzz

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.import_string import load
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import EXAMPLES
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import code_of, language_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Validator:
    """
    One way to do a row again.

    Parameters
    ----------
    name
        Its column.
    ask
        Writes the request about a row; None for a row that it cannot judge.
    score
        Says from 0 to 1 how well what came back agrees with the row.
    """

    name: str
    ask: Callable[[Row, Context], Request | None]
    score: Callable[[Row, str], float]


def _solve(row: Row, context: Context) -> Request | None:
    if not (passage := row["context"] or row["evidence"]):
        return None
    return passage_qa.ask(
        context.prompt(passage_qa.PROMPT), row["id"], task="", question=row["question"], passage=passage
    )


def _question(row: Row, context: Context) -> Request | None:
    if not (passage := row["context"] or row["evidence"]):
        return None
    return context.prompt("instructions/marked_question").ask(
        row["id"],
        task="",
        sampling=Sampling(64, stop=("\n",)),
        heading=(row["lineage"] or {}).get("title") or "",
        passage=passage,
        sentence=row["evidence"] or passage,
        answer=row["answer"],
    )


def _shared(row: Row, said: str) -> float:
    """Indel similarity of the words, which is their ROUGE-L F1."""
    language = language_of(code_of(row))
    return fuzz.ratio(*(matching.words(text, language=language) for text in (said, row["question"]))) / 100


def _alike(row: Row, said: str) -> float:
    language = language_of(code_of(row))
    return matching.likeness(said, row["answer"], row["question"], language=language)


BUILT_IN = {
    "solve": Validator("solve", _solve, _alike),
    "regenerate": Validator("regenerate", _question, _shared),
}


class Options(datagen.stage.Options):
    """How rows are done again."""

    validators: list[str] = Field(
        ["solve"],
        min_length=1,
        description="solve, regenerate, package.module:validator or ./file.py:validator",
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Write each validator's request about each row."""
    validators = _found(options, context.folder)
    for row in rows.to_pylist():
        if row["question"] and row["answer"]:
            for validator in validators:
                if request := validator.ask(row, context):
                    yield replace(request, row=row["id"], task=validator.name)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add a column a validator; every row stays. Null where nothing was asked or the engine failed."""
    for validator in _found(options, context.folder):
        scores = [_score(validator, row, answers.of(row["id"])) for row in rows.to_pylist()]
        rows = rows.append_column(validator.name, pa.array(scores, pa.float64()))
    return Outcome.all_kept(rows)


def _score(validator: Validator, row: Row, given: list[Answer]) -> float | None:
    for answer in given:
        if answer.request.task == validator.name:
            try:
                return validator.score(row, answer.text)
            except Reject:
                return None
    return None


def _found(options: Options, folder: Path) -> list[Validator]:
    """
    Find the validators.

    Raises
    ------
    UserError
        When one is none, or would take another column's name.
    """
    found = [BUILT_IN[use] if use in BUILT_IN else load(use, folder) for use in options.validators]
    for use, validator in zip(options.validators, found, strict=True):
        if not isinstance(validator, Validator):
            raise UserError(
                f"{use!r} is a {type(validator).__name__}, not a validator "
                "(see stages/confidence/validate.py)"
            )
    names = [validator.name for validator in found]
    if taken := [name for name in names if name in EXAMPLES.names or names.count(name) > 1]:
        raise UserError(
            f"validators: there is a column {taken[0]!r} already; give the validator another name"
        )
    return found


stage = ModelStage(
    name="validate",
    summary="do each example again and say how well the two agree",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
