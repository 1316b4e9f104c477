"""
The consensus of each row's answer and the other models' outputs (`datagen.stages.shared.consensus`).

A row whose answer wins keeps it. If another output wins and passes the checks of written answers, it replaces
the answer; the lineage then names the winner's model, and the scores of the old answer are removed. A winner
of another form, or one that may not replace the answer, supports it if it says the same. A row without
consensus or support, or with fewer than two other outputs, is dropped. Columns: ``consensus`` (mean ROUGE-L
of the winner with the others), ``original_answer`` (if it was replaced).
"""

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.outcome import contributors
from datagen.request import Reject
from datagen.rows import ContributorRow, Fields, Row
from datagen.schema import EXAMPLES
from datagen.stage import Columns, Context, MapStage, Outcome, Read
from datagen.stages.generate.ensemble.outputs import COLUMN
from datagen.stages.generate.operators.parents import ANOTHER_FORM, Parent, label_of_whole
from datagen.stages.shared.consensus import LEAST, consensus
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import NUMBER
from datagen.stages.shared.passage import overlap

OTHERS = 2  # minimum number of outputs of other models
SUPPORT = 0.5  # share of a winner's content words that are in the answer which it may not replace
CHECKED = "checked as a whole"

COLUMNS = pa.schema([("consensus", pa.float64()), ("original_answer", pa.string())])


class Options(datagen.stage.Options):
    """What counts as consensus."""

    least: float = Field(LEAST, ge=0, lt=1, description="ROUGE-L that every pair of outputs must exceed")


def apply(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """
    Keep the output that the others support.

    Raises
    ------
    UserError
        If there are no outputs, or two outputs of a row come from the same model.
    """
    if COLUMN not in rows.column_names:
        raise UserError(
            f"stages.{context.stage}: the rows have no outputs of other models; put two another_output "
            "stages with different roles before it, such as second: {use: another_output, role: second}"
        )
    languages, after = Languages(context), list[Fields]()
    reasons: list[str | None] = []
    details: list[str | None] = []
    for row in rows.to_pylist():
        try:
            after.append(_voted(row, languages.of(row), options, context))
        except Reject as why:
            after.append(row)
            reasons.append(why.reason)
            details.append(why.detail)
        else:
            reasons.append(None)
            details.append(None)
    own = [rows.schema.field(name) for name in rows.column_names if name not in COLUMNS.names]
    return Outcome.split(pa.Table.from_pylist(after, pa.schema([*own, *COLUMNS])), reasons, details)


def _voted(row: Row, language: Language, options: Options, context: Context) -> Fields:
    outputs = row[COLUMN] or []
    models = [(output["model"], output["revision"]) for output in outputs]
    if len(set(models)) < len(models):  # an own stage made them; `datagen.recipe.voters` checks recipes
        raise UserError(
            f"stages.{context.stage}: two outputs come from the model {models[-1][0]}; a consensus needs "
            "different models, so give each another_output stage a role with its own model"
        )
    writer = (row["lineage"]["model"], row["lineage"]["revision"])
    outputs = [output for output in outputs if (output["model"], output["revision"]) != writer]
    if len(outputs) < OTHERS:
        raise Reject("too few outputs", f"{len(outputs)} of other models, not {OTHERS}")
    texts = [row["answer"], *(output["text"] for output in outputs)]
    agreement = consensus(texts, language, options.least)
    if agreement.winner is None:
        raise Reject("no consensus", f"ROUGE-L {agreement.score:.3f} of two of {len(texts)} outputs")
    if agreement.winner == 0:
        return {**row, "consensus": agreement.score, "original_answer": row.get("original_answer")}
    output = outputs[agreement.winner - 1]
    parent = Parent(row, language)
    try:
        return _replaced(row, output, parent) | {"consensus": agreement.score}
    except Reject as why:
        if why.reason not in (CHECKED, ANOTHER_FORM) or not _says_the_same(output["text"], parent):
            raise
    return {**row, "consensus": agreement.score, "original_answer": row.get("original_answer")}


def _says_the_same(text: str, parent: Parent) -> bool:
    """Check whether an output supports the answer, by its content words."""
    content = parent.language.content
    return bool(content(text)) and overlap(content(text), content(parent.answer)) >= SUPPORT


def _replaced(row: Row, output: Row, parent: Parent) -> Fields:
    if label := label_of_whole(row):
        raise Reject(CHECKED, f"its {label} would not hold for another answer")
    answer = parent.check_answer(parent.question, output["text"], "")
    numbers, others = ({*NUMBER.findall(text)} for text in (parent.answer, answer))
    if numbers and others and not numbers & others:  # one of them is wrong
        raise Reject("another number than the answer", f"{parent.answer} -> {answer}")
    lineage = row["lineage"]
    model: ContributorRow = {
        "model": output["model"],
        "revision": output["revision"],
        "licence": output["licence"],
    }
    updated = lineage | {
        "model": output["model"],
        "revision": output["revision"],
        "models": contributors(lineage["models"], [model]),
        "requests": list(dict.fromkeys([*lineage["requests"], output["request"]])),
    }
    return {name: row[name] for name in EXAMPLES.names} | {
        "answer": answer,
        "evidence": parent.material or None,
        "logprob": output["logprob"],
        "lineage": updated,
        COLUMN: row[COLUMN],
        "original_answer": row.get("original_answer") or row["answer"],
    }


def columns(options: Options) -> Columns:
    """Return the outputs to compare, and the result."""
    return Columns([Read(COLUMN, number=False)], COLUMNS)


stage = MapStage(
    name="consensus",
    summary="keep the output that several models agree on",
    takes="examples",
    gives="examples",
    apply=apply,
    columns=columns,
    options=Options,
    kinds=("instruction",),
)
