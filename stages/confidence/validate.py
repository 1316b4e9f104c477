"""
Validate each example by regenerating part of it: one column per validator. No row is dropped.

A validator asks a model for something that a right row determines, and compares the completion with the
row. It needs no gold answer. Validators tend to remove hard rows; the report's histograms show whether the
limits that `datagen.stages.filter.curate` sets on their columns do.

* ``solve``: answers the question again from its passage. The score is the agreement with the answer.
* ``regenerate``: generates a question for the answer. The score is the word overlap of both questions.

Name a validator of your own as ``package.module:name`` or ``./file.py:name``. A validator that needs no
model, such as one that runs the code in an answer, is a function of the measure stage.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from pydantic import Field
from rapidfuzz import fuzz

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.import_string import load
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Row
from datagen.schema import EXAMPLES
from datagen.stage import Columns, Context, ModelStage, Outcome, scores
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import code_of, language_of


@dataclass(frozen=True)
class Validator:
    """
    A way to regenerate part of a row.

    Parameters
    ----------
    name
        Its column.
    ask
        Creates the request for a row; None for a row that it cannot validate.
    score
        Returns from 0 to 1 how well the completion agrees with the row.
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


def _regenerate(row: Row, context: Context) -> Request | None:
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


def _question_overlap(row: Row, completion: str) -> float:
    """Indel similarity of the words, which equals their ROUGE-L F1."""
    language = language_of(code_of(row))
    texts = (completion, row["question"])
    return fuzz.ratio(*(matching.words(text, language=language) for text in texts)) / 100


def _answer_agreement(row: Row, completion: str) -> float:
    language = language_of(code_of(row))
    return matching.likeness(completion, row["answer"], row["question"], language=language)


BUILT_IN = {
    "solve": Validator("solve", _solve, _answer_agreement),
    "regenerate": Validator("regenerate", _regenerate, _question_overlap),
}


class Options(datagen.stage.Options):
    """How rows are validated."""

    validators: list[str] = Field(
        ["solve"],
        min_length=1,
        description="solve, regenerate, package.module:validator or ./file.py:validator",
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Create each validator's request for each row."""
    validators = _load(options, context.folder)
    for row in rows.to_pylist():
        if row["question"] and row["answer"]:
            for validator in validators:
                if request := validator.ask(row, context):
                    yield replace(request, row=row["id"], task=validator.name)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add a column per validator; no row is dropped. Null where nothing was asked or the engine failed."""
    for validator in _load(options, context.folder):
        scores = [_score(validator, row, answers.of(row["id"])) for row in rows.to_pylist()]
        rows = rows.append_column(validator.name, pa.array(scores, pa.float64()))
    return Outcome.all_kept(rows)


def _score(validator: Validator, row: Row, answers: list[Answer]) -> float | None:
    for answer in answers:
        if answer.request.task == validator.name:
            try:
                return validator.score(row, answer.text)
            except Reject:
                return None
    return None


def _load(options: Options, folder: Path) -> list[Validator]:
    """
    Load the validators.

    Raises
    ------
    UserError
        When one is not a `Validator`, or its column name is taken.
    """
    validators = []
    for use in options.validators:
        validator = BUILT_IN[use] if use in BUILT_IN else load(use, folder)
        if not isinstance(validator, Validator):
            raise UserError(
                f"{use!r} is a {type(validator).__name__}, not a validator "
                "(see stages/confidence/validate.py)"
            )
        validators.append(validator)
    names = [validator.name for validator in validators]
    if taken := [name for name in names if name in EXAMPLES.names or names.count(name) > 1]:
        raise UserError(f"validators: the column {taken[0]!r} already exists; rename the validator")
    return validators


def columns(options: Options) -> Columns | None:
    """Return the scores; None if a validator of the user's has the name of one."""
    built_in = all(use in BUILT_IN for use in options.validators)
    return Columns(makes=scores(*options.validators)) if built_in else None


stage = ModelStage(
    name="validate",
    summary="regenerate part of each example and measure the agreement",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    columns=columns,
    options=Options,
    kinds=("instruction",),
)
