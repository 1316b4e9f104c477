"""
Quality gate for candidates: the judge estimates the probability that each is sound; low scores are dropped.

The probability is stored in the row's `metadata` as ``quality``, in dropped rows too. A candidate that the
judge could not assess is dropped.
"""

import json
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.rows import Fields, Row
from datagen.schema import EXAMPLES, example_id, table_of
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.shared import judge


class Options(datagen.stage.Options):
    """How candidates are judged."""

    least: float = Field(0.5, ge=0, le=1, description="Minimum probability that a candidate is sound")
    orders: int = Field(
        2, ge=1, le=2, description="Orders in which the judge sees its options; 2 cancels position bias"
    )
    prompt: PromptSource = Field(
        "judges/sound_pair",
        description="Prompt for the judge, whose first option means sound: a file, or the prompt itself",
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the judge about each candidate."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    for row in rows.select(["id", "question", "context", "evidence", "answer"]).to_pylist():
        yield from judge.ask(
            prompt,
            row["id"],
            *(seed, row["question"], row["answer"]),
            task="assess",
            orders=options.orders,
            passage=row["context"] or row["evidence"] or "",
            question=row["question"] or "",
            answer=row["answer"] or "",
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Turn the candidates that pass into examples, with the judge's score."""
    examples: list[Fields] = []
    reasons: list[str | None] = []
    details: list[str | None] = []
    figures = Counter[str]()
    for row in rows.to_pylist():
        replies = answers.of(row["id"])
        score = judge.probability(replies)
        examples.append(_example(row, score, [answer.completion.key for answer in replies]))
        if score is None:
            reason, detail = "not assessed", "the judge gave no probabilities"
        elif score < options.least:
            reason, detail = "assessed as unsound", f"{score:.2f} under {options.least:g}"
        else:
            reason, detail = None, None
        reasons.append(reason)
        details.append(detail)
        operator = json.loads(row["metadata"] or "{}").get("operator", row["task"])
        figures.update({f"assessed_{operator}": 1, f"sound_{operator}": int(reason is None)})
    outcome = Outcome.split(table_of(EXAMPLES, examples), reasons, details)
    return Outcome(outcome.kept, outcome.dropped, figures)


def _example(row: Row, score: float | None, keys: list[str]) -> Fields:
    """Convert a candidate to an example. The judge wrote none of it and is not among its models."""
    lineage = row["lineage"]
    updated = lineage | {
        "requests": list(dict.fromkeys([*lineage["requests"], *keys])),
        "parents": [row["id"], *lineage["parents"]],
    }
    labels = json.loads(row["metadata"] or "{}") | {"quality": score}
    example = {**row, "lineage": updated, "metadata": json.dumps(labels, ensure_ascii=False)}
    return {**example, "id": example_id(example)}


stage = ModelStage(
    name="assess",
    summary="have the judge assess each candidate and keep the sound ones",
    takes="candidates",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
