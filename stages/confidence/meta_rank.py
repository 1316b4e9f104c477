"""
Judge an answer by comparing it with answers that are known to be right or wrong.

The judge sees a row and one of a few reference pairs, known to be right or wrong, each answer with its own
question and passage, and chooses the better one (after arXiv 2402.12146, without its rounds of filtering).
Comparing is easier for a weak model than judging, and five references suffice. Row and reference swap
places, and the letters' probabilities are averaged.

``meta_rank``: the probability of being better than a right reference counts for a row, that of being worse
than a wrong one against it; the mean over the references, from -1 to 1. The paper accepts rows above 0.
(The paper's weights are not published; these are the simplest that keep its threshold at 0.)

The references are a label file, as written by `datagen label`: JSON lines with ``question``, ``answer``,
``verdict`` (right, wrong or skip) and optionally ``context``, the passage. They are part of every request,
so a changed file repeats the requests.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.paths import regular
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Request
from datagen.schema import content_id
from datagen.stage import Columns, Context, ModelStage, Outcome, scores
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge


class Options(Undecided):
    """The references, and how rows are compared with them."""

    references: str = Field(description="A .jsonl file of labelled pairs, relative to the recipe")
    compared: int = Field(
        5,
        ge=2,
        description="References per row, alternately right and wrong, sampled by hash",
    )
    orders: int = Field(
        2, ge=1, le=2, description="Orders of row and reference asked; 2 cancel position bias"
    )
    prompt: PromptSource = Field(
        "judges/better_answer",
        description="Prompt of the judge, whose first option is the row; a file or the prompt itself",
    )


class Reference(BaseModel):
    """A labelled pair. Only pairs that are right or wrong serve as references."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["right", "wrong", "skip"]
    question: str | None = None
    answer: str | None = None
    context: str | None = None

    @property
    def id(self) -> str:
        """The hash of its content."""
        return content_id(self.verdict, self.question, self.answer, self.context)


def references(options: Options, context: Context) -> list[Reference]:
    """
    Choose the references: alternately right and wrong ones, sampled by hash.

    Raises
    ------
    UserError
        When the file cannot be read, or has no right or no wrong pairs.
    """
    path, seed = context.folder / options.references, str(context.seed)
    labels = sorted(_read(path), key=lambda label: content_id("reference", seed, label.id))
    right, wrong = ([label for label in labels if label.verdict == side] for side in ("right", "wrong"))
    if not (right and wrong):
        raise UserError(
            f"meta_rank.references: of {len(labels)} pairs in {path}, {len(right)} are right and "
            f"{len(wrong)} wrong; at least one of each is required"
        )
    alternating = chain.from_iterable(zip_longest(right, wrong))
    return [label for label in alternating if label is not None][: options.compared]


def _read(path: Path) -> list[Reference]:
    """Read the labelled pairs; the last label of a pair counts."""
    try:
        lines = regular(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"meta_rank.references: cannot read {path}: {error}") from error
    labels: dict[tuple[str, str], Reference] = {}
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                label = Reference.model_validate_json(line)
                if label.question and label.answer:
                    labels[label.question, label.answer] = label
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "a pair"
            raise UserError(f"meta_rank.references: {path}:{number}: {field}: {first['msg']}") from None
    return list(labels.values())


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Compare each row with each reference, in both orders."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    chosen = references(options, context)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer"):
        judged = {**row, "context": row["context"] or row["evidence"]}
        for reference in chosen:
            yield from judge.ask(
                prompt,
                row["id"],
                *(seed, row["question"], row["answer"], reference.id),
                task="meta_rank",
                orders=options.orders,
                about=reference.id,
                shown={"row": judged, "reference": reference.model_dump()},
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the score column; no row is dropped."""
    chosen = references(options, context)
    return scored(rows, {"meta_rank": [_reliability(row, answers, chosen) for row in rows["id"].to_pylist()]})


def _reliability(row: str, answers: Answers, chosen: Sequence[Reference]) -> float | None:
    """Average a row's comparisons; None if one failed."""
    by_reference: dict[str, list[Answer]] = {}
    for answer in answers.of(row):
        by_reference.setdefault(answer.request.about, []).append(answer)
    total = 0.0
    for reference in chosen:
        better = judge.probability(by_reference.get(reference.id, []))
        if better is None:
            return None
        total += better if reference.verdict == "right" else better - 1
    return total / len(chosen)


def columns(options: Options) -> Columns:
    """Return what is read, and the score."""
    return Columns(options.reads(), scores("meta_rank"))


stage = ModelStage(
    name="meta_rank",
    summary="have the judge compare each answer with answers known to be right or wrong",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    columns=columns,
    options=Options,
    kinds=KINDS,
)
