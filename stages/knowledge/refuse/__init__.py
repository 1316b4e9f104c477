"""
Make refusals that are true, and beside them answers that must not be refused.

From what `datagen.stages.knowledge.probe` found out about the target, and the unanswerable questions of
`datagen.stages.knowledge.unanswerable`:

* ``does_not_know``: an unknown question, declined in varied words that may say where to look; or another of
  the forms in which doubt can be taught (`datagen.stages.knowledge.refuse.formats`).
* ``known_question``: a known question with the passage's answer, closed-book. Without these a model
  learns that closed-book questions are to be refused.
* ``decline_over_guess``: a preference for that refusal over the wrong answer that the target gave. The
  passage's answer is not the chosen one: to prefer facts that the model does not hold teaches it to
  invent (what the fine-tuned baseline of Alignment for Honesty does, arXiv 2312.07000).
* ``hold_to_answer``: of what the target knows and erred on when it was misled: the right answer to the
  misleading prompt, preferred to the error (WACK, arXiv 2410.22071: correction, not refusal).
* ``not_in_context``, ``changed_question``: a question under a passage that seems to answer it and leaves it
  open, declined.
* ``found_in_context``: the same question under the same passage and its own, answered.

That a passage leaves a question open was tested by search; the judge, who is asked to answer from it, must
say that it does not say, with a probability above a threshold. The doubtful are dropped.
"""

from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request
from datagen.schema import chat, fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.knowledge.refuse.formats import FORMS, HEDGED, Made
from datagen.stages.knowledge.refuse.wording import decline, title_of
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language.matching import attempts
from datagen.stages.shared.language.rules import Languages, code_of

Row = dict[str, Any]
NO_WORDING, NO_RULES = "no wording in its language", "no rules for its language"
_SHARES = {"refusal": "does_not_know", "instruction": "known_question"}  # kind of a closed-book row -> option


class Options(datagen.stage.Options):
    """How doubt is taught, how much of each kind is made, and how sure the judge must be."""

    form: Literal["replace", "sure", "absolute", "numeric", "verbal", "multisample"] = Field(
        "replace",
        description="replace: refuse what is unknown; sure: answer, and say whether one is sure; "
        "absolute, numeric, verbal, multisample: by the share of right samples",
    )
    least: float = Field(0.1, gt=0, le=1, description="Form absolute: share of right samples to be answered")
    does_not_know: float = Field(1.0, ge=0, le=1, description="Share of unknown questions that are declined")
    known_question: float = Field(1.0, ge=0, le=1, description="Share of known questions that are answered")
    decline_over_guess: float = Field(1.0, ge=0, le=1, description="Share of unknown questions given a pair")
    hold_to_answer: float = Field(1.0, ge=0, le=1, description="Share of misled questions given a pair")
    found_in_context: float = Field(
        0.5, ge=0, le=1, description="Share of refused near misses whose question is also answered"
    )
    point: bool = Field(True, description="Let refusals say where to look: the document's name")
    sure: float = Field(0.6, ge=0, le=1, description="How sure the judge must be that it is left open")
    judge: str = Field(
        passage_qa.PROMPT, description="What the judge is asked; its `unanswerable`: left open"
    )
    unknown: str = Field("refusals/does_not_know", description="Words for what the target does not know")
    elsewhere: str = Field("refusals/not_in_context", description="Words for what a passage does not say")
    confidence: str = Field("refusals/confidence", description="Words for how sure the target is")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the judge about every near miss."""
    prompt = context.prompt(options.judge)
    for row in rows.select(["id", "near"]).to_pylist():
        if (near := row["near"]) and near["context"]:
            passage = {"passage": near["context"], "heading": near["title"] or ""}
            yield passage_qa.ask(prompt, row["id"], task="near_miss", question=near["question"], **passage)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the rows of each kind; a probe that gives none is dropped."""
    maker = _Maker(options, context)
    for row in rows.to_pylist():
        made = maker.closed_book(row) + maker.corrected(row) + maker.near_miss(row, answers.of(row["id"]))
        if not made:
            maker.nothing(row)
    return maker.outcome()


class _Maker:
    """Makes the rows of a partition; each method says how many it left, kept or dropped."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._seed = options, str(context.seed)
        self._judge, self._context = context.prompt(options.judge), context
        self._languages = Languages(context)
        self._plain = Builder("examples", context)
        self._worded: dict[str, Builder] = {}

    def closed_book(self, row: Row) -> int:
        """Answer, hedge or refuse in the recipe's form, and prefer the refusal to a guess."""
        unknown, confidence = (
            self._wording(name, row) for name in (self._options.unknown, self._options.confidence)
        )
        if unknown is None or confidence is None:
            return self._unworded(row)
        try:
            refusal = self._refusal(unknown, row)
        except Reject as why:
            self._plain.drop(why, {"kind": "refusal", "task": "does_not_know"} | self._asked(row), row)
            return 1
        made = list(FORMS[self._options.form](row, refusal, confidence, self._options.least))
        drawn = [one for one in made if self._drawn(_SHARES[one["kind"]], row)]
        for one in drawn:
            hedged = confidence if one["task"] in HEDGED else None
            self._builder(unknown if one["kind"] == "refusal" else hedged).keep(self._asked(row) | one, row)
        refused = row["label"] == "unknown" and any(one["kind"] == "refusal" for one in made)
        if not refused or not self._drawn("decline_over_guess", row):
            return len(drawn)
        guess = row["answers"][0]
        pair = self._asked(row) | {"kind": "preference", "task": "decline_over_guess"}
        pair |= {"answer": refusal, "rejected": guess}
        builder, language = self._builder(unknown), self._languages.of(row)
        if not language.declines:  # whether the target guessed or declined cannot be told
            builder.drop(Reject(NO_RULES, f"declines: of {code_of(row)}"), pair, row)
        elif row["right"][0] is False and attempts(guess, row["question"], language=language):
            builder.keep(pair, row)
        else:
            builder.drop(Reject("no wrong answer to reject", guess), pair, row)
        return len(drawn) + 1

    def corrected(self, row: Row) -> int:
        """Prefer the right answer where the target can be misled."""
        if not row["misled"] or not self._drawn("hold_to_answer", row):
            return 0
        made = {"kind": "preference", "task": "hold_to_answer", "question": row["question"]}
        made |= {"prompt": row["lure"], "answer": row["answer"], "rejected": row["lured"]}
        self._plain.keep(made, row)
        return 1

    def near_miss(self, row: Row, given: list[Answer]) -> int:
        """Refuse a question that what is shown leaves open, and answer it where both passages are shown."""
        near = row["near"]
        if not near:
            return 0
        task = "not_in_context" if near["change"] in (None, "passage") else "changed_question"
        made: Made = {"kind": "refusal", "task": task, "question": near["question"] or row["question"]}
        made["logprob"] = None  # what the judge says about it is no part of its text
        try:
            if near["reason"]:
                raise Reject(near["reason"], near["detail"])
            made |= {"context": near["context"], "prompt": chat(near["question"], near["context"])}
            self._left_open(given)
            if (elsewhere := self._wording(self._options.elsewhere, row)) is None:
                raise Reject(NO_WORDING, code_of(row))
            drawn_by = (self._seed, near["question"], near["context"])
            made["answer"] = decline(elsewhere, *drawn_by, **self._withheld(row))
        except Reject as why:
            self._plain.drop(why, made, row, *given)
            return 1
        self._plain.keep(made, row, *given)
        if near["change"] == "passage" and row["context"] and self._drawn("found_in_context", row):
            self._plain.keep(self._found(row, near), row)
        return 1

    def nothing(self, row: Row) -> None:
        """Drop a probe that gives no row."""
        seen = f"{row['label']}, accuracy {row['accuracy']:.2f}: {row['answers'][0]}"
        reason = "ambiguous knowledge" if row["label"] == "ambiguous" else "not drawn"
        made = {"kind": row["kind"], "task": row["task"]} | self._asked(row)
        self._plain.drop(Reject(reason, seen), made, row)

    def outcome(self) -> Outcome:
        """Hand over all rows."""
        parts = [builder.outcome() for builder in (self._plain, *self._worded.values())]
        return Outcome.joined(parts)

    def _drawn(self, share: str, row: Row) -> bool:
        result: bool = fraction(share, row["question"], row["answer"], self._seed) < getattr(
            self._options, share
        )
        return result

    def _asked(self, row: Row) -> Made:
        return {"question": row["question"], "prompt": chat(row["question"])}

    def _wording(self, name: str, row: Row) -> Prompt | None:
        return self._languages.wording(name, code_of(row))

    def _unworded(self, row: Row) -> int:
        """
        Drop what would be said in another language than it is asked in; a known question needs no words.

        Returns
        -------
        int
            Rows left.
        """
        if row["label"] == "known" and self._options.form == "replace":
            if not self._drawn("known_question", row):
                return 0
            made = {"kind": "instruction", "task": "known_question"}
            made |= {"answer": row["answer"], "evidence": row["evidence"]}
            self._plain.keep(self._asked(row) | made, row)
            return 1
        made = {"kind": "refusal", "task": "does_not_know"} | self._asked(row)
        self._plain.drop(Reject(NO_WORDING, code_of(row)), made, row)
        return 1

    def _builder(self, wording: Prompt | None) -> Builder:
        """Choose by whose words the row is written in."""
        if wording is None:
            return self._plain
        if wording.name not in self._worded:
            self._worded[wording.name] = Builder("examples", self._context, wording.name, wording.hash)
        return self._worded[wording.name]

    def _refusal(self, wording: Prompt, row: Row) -> str:
        source = title_of(row["lineage"]) if self._options.point else ""
        return decline(wording, self._seed, row["question"], source=source, **self._withheld(row))

    def _withheld(self, row: Row) -> dict[str, Any]:
        """What a refusal must not contain, and the language that it is in."""
        answers = (row["answer"], *(row.get("aliases") or ()))
        return {"secrets": answers, "language": self._languages.of(row)}

    def _left_open(self, given: list[Answer]) -> None:
        """Refuse a near miss that the judge does not clearly find left open."""
        if not given:
            raise Reject("no verdict", "no completion came back")
        said = given[0].completion
        sure = passage_qa.probability_left_open(given[0], self._judge)
        if sure is None:
            raise Reject("no verdict", said.error or said.text)
        if sure < self._options.sure or not sure:
            raise Reject("context may answer it", f"left open with probability {sure:.2f}; said: {said.text}")

    def _found(self, row: Row, near: Row) -> Made:
        """Show the near miss and the question's own passage, in an order that is drawn."""
        both = [row["context"], near["context"]]
        if fraction("order", row["question"], self._seed) < 0.5:
            both.reverse()
        together = "\n\n".join(both)
        made = {"kind": "instruction", "task": "found_in_context", "question": row["question"]}
        made |= {"context": together, "prompt": chat(row["question"], together)}
        return made | {"answer": row["answer"], "evidence": row["evidence"]}


stage = ModelStage(
    name="refuse",
    summary="decline what the target does not know, and answer what it knows",
    takes="probes",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
