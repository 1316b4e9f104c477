"""
Decide which proposals replace the pairs of their rows.

The student's scores are ratios of perplexities (arXiv 2402.10110). With Q a question and A its answer,

* instruction-following difficulty ``ifd`` = ppl(A | Q) / ppl(A): how little the question helps the answer;
* reversed ``rifd`` = ppl(Q | A, "guess the question") / ppl(Q): how little the answer reveals the question.

A proposed question is accepted if the new pair has the higher ``ifd``, a proposed answer if it has the lower
``rifd``. After the answers, a rewritten pair must have both below 1; otherwise the original pair is restored.
Nothing is accepted if a score could not be measured.

With ``mode: all`` every sound proposal is accepted without asking the student (Reflection-Tuning without
selection, arXiv 2310.11716).
"""

import json
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Message, Request
from datagen.rows import Fields, Row
from datagen.schema import EXAMPLES, MESSAGES, chat
from datagen.stage import Columns, Context, ModelStage, Outcome, Read
from datagen.stages.confidence.difficulty import loss_of
from datagen.stages.confidence.recycle.reflect import Part

COLUMNS = pa.schema(
    [
        ("question_decision", pa.string()),  # rewritten, kept, unsound or original (restored)
        ("answer_decision", pa.string()),
        ("ifd_before", pa.float64()),  # of the student, before and after the question's proposal
        ("ifd_after", pa.float64()),
        ("rifd_before", pa.float64()),  # before and after the answer's proposal
        ("rifd_after", pa.float64()),
        ("question_before", pa.string()),  # null if nothing was rewritten
        ("answer_before", pa.string()),
        ("evidence_before", pa.string()),
        ("prompt_before", MESSAGES),
        ("lineage_before", EXAMPLES.field("lineage").type),
    ]
)
KEPT = ("question_proposal", "answer_proposal", "outputs", "original_answer")  # not measures of the pair
ASSESSED = ("quality", "control")  # labels of `assess` about the old pair
PAIR = ("question", "answer", "evidence", "prompt", "lineage")


class Options(datagen.stage.Options):
    """When a proposal is accepted."""

    mode: Literal["student", "all"] = Field(
        "student", description="Accept proposals that improve the student's score, or every sound one"
    )
    guess: str = Field("recycle/guess", description="Prompt for guessing the question from the answer")


@dataclass(frozen=True)
class Pair:
    """A question and its answer, as the student sees them."""

    question: str
    answer: str
    material: str
    before: list[Message]  # the messages before the answer

    def scored(self, guess: Prompt, *names: str) -> dict[str, tuple[list[Message], str]]:
        """Return the student's input for each score: the messages and the text to measure."""
        system = self.before[0]["content"] if self.before[0]["role"] == "system" else None
        guess_messages = guess.render(answer=self.answer)
        inputs = {
            "asked": (self.before, self.answer),
            "alone": (chat("", system=system), self.answer),
            "guessed": (guess_messages, self.question),
            "unprompted": (chat(""), self.question),
        }
        return {name: inputs[name] for name in names}


def own_pair(row: Row) -> Pair:
    """Return the current pair of a row."""
    return Pair(row["question"], row["answer"], row["context"] or row["evidence"] or "", row["prompt"])


def proposed_pair(row: Row, part: Part, context: Context) -> Pair | None:
    """
    Return the proposed pair; None if there is no sound one.

    Raises
    ------
    UserError
        If the rows have no column of proposals.
    """
    if f"{part}_proposal" not in row:
        raise UserError(f"{context.stage}: there are no proposals; put reflect_{part}s before this stage")
    proposal = row[f"{part}_proposal"]
    if not proposal or proposal["reason"]:
        return None
    *before, last = row["prompt"]
    content = last["content"].removesuffix(row["question"]) + proposal["question"]
    messages = [*before, last | {"content": content}]
    return Pair(proposal["question"], proposal["answer"], own_pair(row).material, messages)


@dataclass(frozen=True)
class Measure:
    """
    The score that decides about a proposal.

    Parameters
    ----------
    name
        Prefix of its columns.
    above, below
        The inputs whose perplexities it is the ratio of: keys of `Pair.scored`.
    improves
        Whether the first value is better than the second.
    inputs
        All inputs to measure: of this score, and of those that the pair must finally have.
    """

    name: str
    above: str
    below: str
    improves: Callable[[float, float], bool]
    inputs: tuple[str, ...]


IFD = Measure("ifd", "asked", "alone", operator.gt, ("asked", "alone"))
RIFD = Measure("rifd", "guessed", "unprompted", operator.lt, ("asked", "alone", "guessed", "unprompted"))
MEASURES: Mapping[Part, Measure] = {"question": IFD, "answer": RIFD}


def ask(rows: pa.Table, options: Options, context: Context, *, part: Part) -> Iterator[Request]:
    """Have the student read the current and the proposed pair of rows with a sound proposal."""
    guess = context.prompt(options.guess)
    for row in rows.to_pylist():
        pairs = {"after": proposed_pair(row, part, context)}
        if pairs["after"] or row.get("question_before") is not None:  # rewritten before: measure again
            pairs["before"] = own_pair(row)
        for which, pair in pairs.items():
            if pair is None or options.mode == "all":
                continue
            for name, (messages, text) in pair.scored(guess, *MEASURES[part].inputs).items():
                yield Request(
                    row=row["id"],
                    messages=messages,
                    prompt=guess.name if name == "guessed" else "",
                    prompt_hash=guess.hash if name == "guessed" else "",
                    task=name,
                    given=text,
                    about=which,
                )


def ratio(row_answers: Sequence[Answer], which: str, measure: Measure) -> float | None:
    """Return a score of the pair before or after the proposal; None if a perplexity was not measured."""
    losses = {(answer.request.about, answer.request.task): loss_of(answer) for answer in row_answers}
    difference = losses.get((which, measure.above), math.nan) - losses.get((which, measure.below), math.nan)
    return math.exp(min(difference, 700.0)) if math.isfinite(difference) else None


def read(rows: pa.Table, answers: Answers, options: Options, context: Context, *, part: Part) -> Outcome:
    """Accept the proposals that improve the score. Every row is kept; a pair that fails is restored."""
    after, figures, measure = list[Fields](), Counter[str](), MEASURES[part]
    for row in rows.to_pylist():
        proposal, row_answers = row[f"{part}_proposal"], answers.of(row["id"])
        proposed = proposed_pair(row, part, context)
        scores = {which: ratio(row_answers, which, measure) for which in ("before", "after")}
        decision, current = _decision(proposal, proposed), "before"
        if proposed and (options.mode == "all" or _improved(scores, measure)):
            row, decision, current = _rewritten(row, proposed, proposal["lineage"]), "rewritten", "after"
        if part == "answer" and options.mode == "student" and row.get("question_before") is not None:
            final = (ratio(row_answers, current, IFD), scores[current])
            if not all(score is not None and score < 1 for score in final):
                row = row | {name: row[f"{name}_before"] for name in PAIR}
                row["question_decision"] = decision = "original"
        figures[f"{part}s_{decision}"] += 1
        columns = {f"{measure.name}_{which}": score for which, score in scores.items()}
        after.append(row | columns | {f"{part}_decision": decision})
    return _outcome(rows, after, figures)


def _improved(scores: Mapping[str, float | None], measure: Measure) -> bool:
    before, after = scores["before"], scores["after"]
    return before is not None and after is not None and measure.improves(after, before)


def _decision(proposal: Row | None, proposed: Pair | None) -> str:
    return "kept" if proposed or not proposal else "unsound"


def _rewritten(row: Row, pair: Pair, proposal_lineage: Row) -> Fields:
    """Replace a row's pair and remove the old pair's scores; the row keeps its first original pair."""
    retained = (*EXAMPLES.names, *KEPT)
    fields: Fields = {name: row[name] for name in row if name in retained}
    fields |= {name: row.get(name) for name in COLUMNS.names}
    labels = json.loads(row["metadata"] or "{}")
    if "quality" in labels:
        rest = {name: value for name, value in labels.items() if name not in ASSESSED}
        fields["metadata"] = json.dumps(rest, ensure_ascii=False)
    if fields["question_before"] is None:
        fields |= {f"{name}_before": row[name] for name in PAIR}
    requests = [*row["lineage"]["requests"], *proposal_lineage["requests"]]
    return fields | {
        "question": pair.question,
        "answer": pair.answer,
        "evidence": pair.material or None,
        "prompt": pair.before,
        "logprob": None,
        "lineage": {**proposal_lineage, "requests": list(dict.fromkeys(requests))},
    }


def _outcome(rows: pa.Table, after: list[Fields], figures: Counter[str]) -> Outcome:
    own = [rows.schema.field(name) for name in rows.column_names if name not in COLUMNS.names]
    table = pa.Table.from_pylist(after, schema=pa.schema([*own, *COLUMNS]))
    kept = Outcome.all_kept(table)
    return Outcome(kept.kept, kept.dropped, figures)


def _stage(part: Part, summary: str) -> ModelStage[Options]:
    return ModelStage(
        name=f"accept_{part}s",
        summary=summary,
        takes="examples",
        gives="examples",
        ask=partial(ask, part=part),
        read=partial(read, part=part),
        role="target",
        options=Options,
        columns=lambda _: Columns([Read(f"{part}_proposal", number=False)], COLUMNS),
        kinds=("instruction",),
    )


questions = _stage("question", "accept the proposed questions that are harder for the student to follow")
answers_ = _stage(
    "answer", "accept the proposed answers from which the student guesses the question more easily"
)
