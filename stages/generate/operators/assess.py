"""
Quality gate for candidates: the judge estimates the probability that each is sound; low scores are dropped.

A judge may find everything sound: a small one, or the generator about its own errors. Each question is
therefore also assessed with the answer of another candidate, and a candidate is dropped unless its own answer
leads by `control`. Where all others have similar answers, there is no control.

Both probabilities are stored in the row's `metadata` as ``quality`` and ``control``, in dropped rows too. A
candidate that the judge could not assess is dropped.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.rows import Fields, Row
from datagen.schema import EXAMPLES, content_id, example_id, table_of
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.shared import judge
from datagen.stages.shared.language.rules import Languages

ASSESS, CONTROL = "assess", "control"
NEARBY = 8  # candidates among which another answer is looked for
SIMILAR = 0.5  # share of the content words of an answer from which another one may be right, too


class Options(datagen.stage.Options):
    """How candidates are judged."""

    least: float = Field(0.5, ge=0, le=1, description="Minimum probability that a candidate is sound")
    control: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Minimum lead over another candidate's answer, in probability; 0: not asked",
    )
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
    columns = ["id", "question", "context", "evidence", "answer", "lineage"]
    candidates = rows.select(columns).to_pylist()
    others = _other_answers(candidates, context) if options.control else {}
    for row in candidates:
        answers = {ASSESS: row["answer"]} | ({CONTROL: others[row["id"]]} if row["id"] in others else {})
        for task, answer in answers.items():
            yield from judge.ask(
                prompt,
                row["id"],
                *(seed, row["question"], row["answer"]),
                task=task,
                orders=options.orders,
                passage=row["context"] or row["evidence"] or "",
                question=row["question"] or "",
                answer=answer or "",
            )


def _other_answers(rows: Sequence[Row], context: Context) -> dict[str, str]:
    """Return for each row the answer of another row that shares few content words with its own."""
    ring = sorted(rows, key=lambda row: content_id("control", str(context.seed), row["id"]))
    languages = Languages(context)
    words = [set(languages.of(row).content(row["answer"] or "")) for row in ring]
    found: dict[str, str] = {}
    for place, row in enumerate(ring):
        for step in range(1, min(NEARBY, len(ring) - 1) + 1):
            other = (place + step) % len(ring)
            shared = len(words[place] & words[other])
            if words[other] and shared < SIMILAR * min(len(words[place]), len(words[other])):
                found[row["id"]] = ring[other]["answer"]
                break
    return found


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Turn the candidates that pass into examples, with the judge's score."""
    examples: list[Fields] = []
    reasons: list[str | None] = []
    details: list[str | None] = []
    figures, seen = Counter[str](), set[str]()
    for row in rows.to_pylist():
        replies = answers.of(row["id"])
        controls = [reply for reply in replies if reply.request.task == CONTROL]
        score = judge.probability(reply for reply in replies if reply.request.task == ASSESS)
        control = judge.probability(controls)
        examples.append(_example(row, score, control, [answer.completion.key for answer in replies]))
        reason: str | None = None
        detail: str | None = None
        if score is None or (controls and control is None):
            reason, detail = "not assessed", "the judge gave no probabilities"
        elif score < options.least:
            reason, detail = "assessed as unsound", f"{score:.2f} under {options.least:g}"
        elif control is not None and score - control < options.control:
            reason = "not told from a wrong answer"
            detail = f"{score:.2f}, with the answer of another candidate {control:.2f}"
        elif row["id"] in seen:
            reason, detail = "repeated", "another stage made the same candidate"
        seen.add(row["id"])
        reasons.append(reason)
        details.append(detail)
        operator = json.loads(row["metadata"] or "{}").get("operator", row["task"])
        figures.update({f"assessed_{operator}": 1, f"sound_{operator}": int(reason is None)})
    outcome = Outcome.split(table_of(EXAMPLES, examples), reasons, details)
    return Outcome(outcome.kept, outcome.dropped, figures)


def _example(row: Row, score: float | None, control: float | None, keys: list[str]) -> Fields:
    """Convert a candidate to an example. The judge wrote none of it and is not among its models."""
    lineage = row["lineage"]
    updated = lineage | {
        "requests": list(dict.fromkeys([*lineage["requests"], *keys])),
        "parents": [row["id"], *lineage["parents"]],
    }
    labels = json.loads(row["metadata"] or "{}") | {"quality": score}
    if control is not None:
        labels["control"] = control
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
