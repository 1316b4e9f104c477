"""
Tell whether an answer can be relied on by comparing it with answers that are known to be right or wrong.

The judge is shown a row and one of a few reference pairs, known to be right or wrong, each answer with its
own question and passage, and says which is the better one (after arXiv 2402.12146, whose rounds of
filtering are not included). Comparing asks less of a weak model than judging, and five references are
enough. The row and the reference change places, and the letters' probabilities are averaged.

``meta_rank``: to be better than a right reference counts for a row by its probability, to be worse than a
wrong one counts against it; the mean over the references, from -1 to 1. Above 0 the paper accepts.
(The paper's weights are not published; these are the plainest that keep its border at 0.)

The references are a file of labels, as `datagen label` writes them: JSON lines with ``question``, ``answer``,
``verdict`` (right, wrong or skip) and, where there is one, ``context``, the passage. They are part of every
request, so that another file asks again.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.schema import content_id
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge


class Options(Undecided):
    """What rows are compared with."""

    references: str = Field(description="A .jsonl file of labelled pairs, relative to the recipe")
    compared: int = Field(
        5,
        ge=2,
        description="References that each row is compared with, right and wrong in turn, drawn by hash",
    )
    orders: int = Field(2, ge=1, le=2, description="Orders of row and reference asked; 2 cancels a bias")
    prompt: PromptSource = Field(
        "judges/better_answer",
        description="What the judge is asked; its first option: the row. A file, or the prompt itself",
    )


class Reference(BaseModel):
    """A pair that is known to be right or wrong. A label that is neither, or of no pair, is no reference."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["right", "wrong", "skip"]
    question: str | None = None
    answer: str | None = None
    context: str | None = None

    @property
    def id(self) -> str:
        """The hash of what it says."""
        return content_id(self.verdict, self.question, self.answer, self.context)


def references(options: Options, context: Context) -> list[Reference]:
    """
    Choose the references: right and wrong ones in turn, by hash, as many as are compared.

    Raises
    ------
    UserError
        When the file cannot be read, or lacks right or wrong ones.
    """
    path, seed = context.folder / options.references, str(context.seed)
    known = sorted(_read(path), key=lambda one: content_id("reference", seed, one.id))
    right, wrong = ([one for one in known if one.verdict == side] for side in ("right", "wrong"))
    if not (right and wrong):
        raise UserError(
            f"meta_rank.references: of {len(known)} pairs in {path}, {len(right)} are right and {len(wrong)} "
            "wrong; it takes both, since a row is measured between them"
        )
    in_turn = chain.from_iterable(zip_longest(right, wrong))
    return [one for one in in_turn if one is not None][: options.compared]


def _read(path: Path) -> list[Reference]:
    """Read the labels of pairs; of two on one pair the later counts."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"meta_rank.references: {path} cannot be read: {error}") from error
    known: dict[tuple[str, str], Reference] = {}
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                label = Reference.model_validate_json(line)
                if label.question and label.answer:
                    known[label.question, label.answer] = label
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "a pair"
            raise UserError(f"meta_rank.references: {path}:{number}: {where}: {first['msg']}") from None
    return list(known.values())


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each row and each reference, in both orders."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    known = references(options, context)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer"):
        judged = row | {"context": row["context"] or row["evidence"]}
        for reference in known:
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
    """Add the column; every row stays."""
    known = references(options, context)
    return scored(rows, {"meta_rank": [_reliability(row, answers, known) for row in rows["id"].to_pylist()]})


def _reliability(row: str, answers: Answers, known: Sequence[Reference]) -> float | None:
    """Add up how a row compares; None where a comparison failed."""
    told: dict[str, list[Any]] = {}
    for answer in answers.of(row):
        told.setdefault(answer.request.about, []).append(answer)
    total = 0.0
    for reference in known:
        better = judge.probability(told.get(reference.id, []))
        if better is None:
            return None
        total += better if reference.verdict == "right" else better - 1
    return total / len(known)


stage = ModelStage(
    name="meta_rank",
    summary="have the judge compare each answer with some that are known to be right or wrong",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
    kinds=KINDS,
)
