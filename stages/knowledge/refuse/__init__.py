"""
Create truthful refusals, together with answers that must not be refused.

The sources are the results of `datagen.stages.knowledge.probe` and the unanswerable questions of
`datagen.stages.knowledge.unanswerable`:

* ``does_not_know``: an unknown question, declined in varied words that may suggest where to look; or another
  format that teaches doubt (`datagen.stages.knowledge.refuse.formats`).
* ``known_question``: a known question with the passage's answer, closed-book. Without these a model learns
  to refuse all closed-book questions.
* ``decline_over_guess``: a preference for that refusal over the target's wrong answer. The chosen answer is
  not the passage's: preferring facts that the model does not know teaches it to invent (as the fine-tuned
  baseline of Alignment for Honesty does, arXiv 2312.07000).
* ``hold_to_answer``: for questions that the target knows but was misled about: the right answer to the
  misleading prompt, preferred to the error (WACK, arXiv 2410.22071: correction, not refusal).
* ``not_in_context``, ``changed_question``: a question, declined, with a passage that seems to answer it but
  does not.
* ``found_in_context``: the same question with the same passage and its own, answered.

Search confirmed that a passage does not answer a question; the judge, asked to answer from the passage, must
also find no answer, with a probability above a threshold. Doubtful rows are dropped.
"""

from collections.abc import Iterator

import pyarrow as pa

from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request
from datagen.rows import Fields, Row
from datagen.schema import chat, fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.knowledge.refuse.formats import FORMS, HEDGED
from datagen.stages.knowledge.refuse.options import Options
from datagen.stages.knowledge.refuse.secrets import same
from datagen.stages.knowledge.refuse.wording import decline, title_of
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language.matching import Aliases, attempts
from datagen.stages.shared.language.rules import Languages, code_of

MAYBE = "the guess may be right"
NO_WORDING, NO_RULES = "no wording in its language", "no rules for its language"
_SHARES = {"refusal": "does_not_know", "instruction": "known_question"}  # kind of a closed-book row -> option


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the judge about every unanswerable question."""
    prompt = context.prompt(options.judge)
    for row in rows.select(["id", "near"]).to_pylist():
        if (near := row["near"]) and near["context"]:
            passage = {"passage": near["context"], "heading": near["title"] or ""}
            yield passage_qa.ask(prompt, row["id"], task="near_miss", question=near["question"], **passage)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Create the rows of each kind; a probe that yields none is dropped."""
    maker = _Maker(options, context)
    for row in rows.to_pylist():
        count = maker.closed_book(row) + maker.corrected(row) + maker.near_miss(row, answers.of(row["id"]))
        if not count:
            maker.nothing(row)
    return maker.outcome()


class _Maker:
    """Creates the rows of a partition; each method returns the number of rows it kept or dropped."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._seed = options, str(context.seed)
        self._judge, self._context = context.prompt(options.judge), context
        self._languages = Languages(context)
        self._aliases = Aliases.load(context.folder, options.aliases)
        self._plain = Builder("examples", context)
        self._worded: dict[str, Builder] = {}

    def closed_book(self, row: Row) -> int:
        """Answer, hedge or refuse in the recipe's form, and add a preference over a wrong guess."""
        unknown, confidence = (
            self._wording(name, row) for name in (self._options.unknown, self._options.confidence)
        )
        if unknown is None or confidence is None:
            return self._unworded(row)
        try:
            refusal = self._refusal(unknown, row)
        except Reject as reason:
            self._plain.drop(reason, {"kind": "refusal", "task": "does_not_know"} | self._asked(row), row)
            return 1
        candidates = list(FORMS[self._options.form](row, refusal, confidence, self._options.least))
        drawn = [fields for fields in candidates if self._drawn(_SHARES[str(fields["kind"])], row)]
        for fields in drawn:
            hedged = confidence if fields["task"] in HEDGED else None
            self._builder(unknown if fields["kind"] == "refusal" else hedged).keep(
                self._asked(row) | fields, row
            )
        refused = row["label"] == "unknown" and any(fields["kind"] == "refusal" for fields in candidates)
        if not refused or not self._drawn("decline_over_guess", row):
            return len(drawn)
        self._prefer(refusal, row, self._builder(unknown))
        return len(drawn) + 1

    def _prefer(self, refusal: str, row: Row, builder: Builder) -> None:
        """Prefer a refusal to the target's wrong guess, if it is one."""
        guess, language = row["answers"][0], self._languages.of(row)
        pair = self._asked(row) | {"kind": "preference", "task": "decline_over_guess"}
        pair |= {"answer": refusal, "rejected": guess}
        if not language.declines:  # cannot distinguish a guess from a refusal
            builder.drop(Reject(NO_RULES, f"declines: of {code_of(row)}"), pair, row)
        elif row["right"][0] is not False or not attempts(guess, row["question"], language=language):
            builder.drop(Reject("no wrong answer to reject", guess), pair, row)
        elif self._may_be_right(guess, row):
            builder.drop(Reject(MAYBE, f"answer: {row['answer']}; guess: {guess}"), pair, row)
        else:
            builder.keep(pair, row)

    def corrected(self, row: Row) -> int:
        """Prefer the right answer to the error that a misleading prompt caused."""
        if not row["misled"] or not self._drawn("hold_to_answer", row):
            return 0
        fields = {"kind": "preference", "task": "hold_to_answer", "question": row["question"]}
        fields |= {"prompt": row["lure"], "answer": row["answer"], "rejected": row["lured"]}
        if self._may_be_right(row["lured"], row):
            self._plain.drop(Reject(MAYBE, f"answer: {row['answer']}; guess: {row['lured']}"), fields, row)
        else:
            self._plain.keep(fields, row)
        return 1

    def near_miss(self, row: Row, answers: list[Answer]) -> int:
        """Refuse a question that the shown passage does not answer; answer it if both passages are shown."""
        near = row["near"]
        if not near:
            return 0
        task = "not_in_context" if near["change"] in (None, "passage") else "changed_question"
        fields: Fields = {"kind": "refusal", "task": task, "question": near["question"] or row["question"]}
        fields["logprob"] = None  # the judge's completion is not part of the row
        try:
            if near["reason"]:
                raise Reject(near["reason"], near["detail"])
            fields |= {"context": near["context"], "prompt": chat(near["question"], near["context"])}
            self._check_open(answers)
            if (elsewhere := self._wording(self._options.elsewhere, row)) is None:
                raise Reject(NO_WORDING, code_of(row))
            drawn_by = (self._seed, near["question"], near["context"])
            fields["answer"] = decline(
                elsewhere, *drawn_by, language=self._languages.of(row), secrets=self._secrets(row)
            )
        except Reject as reason:
            self._plain.drop(reason, fields, row, *answers)
            return 1
        self._plain.keep(fields, row, *answers)
        if near["change"] == "passage" and row["context"] and self._drawn("found_in_context", row):
            self._plain.keep(self._with_both_passages(row, near), row)
        return 1

    def nothing(self, row: Row) -> None:
        """Drop a probe that yields no row."""
        detail = f"{row['label']}, accuracy {row['accuracy']:.2f}: {row['answers'][0]}"
        reason = "ambiguous knowledge" if row["label"] == "ambiguous" else "not drawn"
        fields = {"kind": row["kind"], "task": row["task"]} | self._asked(row)
        self._plain.drop(Reject(reason, detail), fields, row)

    def outcome(self) -> Outcome:
        """Return all rows."""
        parts = [builder.outcome() for builder in (self._plain, *self._worded.values())]
        return Outcome.joined(parts)

    def _drawn(self, share: str, row: Row) -> bool:
        return bool(
            fraction(share, row["question"], row["answer"], self._seed) < getattr(self._options, share)
        )

    def _asked(self, row: Row) -> Fields:
        return {"question": row["question"], "prompt": chat(row["question"])}

    def _wording(self, name: str, row: Row) -> Prompt | None:
        return self._languages.wording(name, code_of(row))

    def _unworded(self, row: Row) -> int:
        """
        Drop a row whose language has no refusal sentences; a known question needs none.

        Returns
        -------
        int
            Rows kept or dropped.
        """
        if row["label"] == "known" and self._options.form == "replace":
            if not self._drawn("known_question", row):
                return 0
            fields: Fields = {"kind": "instruction", "task": "known_question"}
            fields |= {"answer": row["answer"], "evidence": row["evidence"]}
            self._plain.keep(self._asked(row) | fields, row)
            return 1
        fields = {"kind": "refusal", "task": "does_not_know"} | self._asked(row)
        self._plain.drop(Reject(NO_WORDING, code_of(row)), fields, row)
        return 1

    def _builder(self, wording: Prompt | None) -> Builder:
        """Return the builder for rows with sentences from a prompt file."""
        if wording is None:
            return self._plain
        if wording.name not in self._worded:
            self._worded[wording.name] = Builder("examples", self._context, wording.name, wording.hash)
        return self._worded[wording.name]

    def _refusal(self, wording: Prompt, row: Row) -> str:
        source = title_of(row["lineage"]) if self._options.point else ""
        drawn_by = (self._seed, row["question"])
        language, secrets = self._languages.of(row), self._secrets(row)
        return decline(
            wording,
            *drawn_by,
            language=language,
            source=source,
            secrets=secrets,
            question=row["question"],
        )

    def _may_be_right(self, guess: str, row: Row) -> bool:
        """Test whether a guess may be the answer in another form."""
        language = self._languages.of(row)
        return any(same(guess, answer, language) for answer in self._secrets(row))

    def _secrets(self, row: Row) -> tuple[str, ...]:
        """Return the answers that a refusal must not contain."""
        named = self._aliases.of(row["answer"], self._languages.of(row))
        return (row["answer"], *(row.get("aliases") or ()), *named)

    def _check_open(self, answers: list[Answer]) -> None:
        """Reject a question unless the judge is certain that the passage does not answer it."""
        if not answers:
            raise Reject("no verdict", "no completion received")
        completion = answers[0].completion
        probability = passage_qa.probability_left_open(answers[0], self._judge)
        if probability is None:
            raise Reject("no verdict", completion.error or completion.text)
        if probability < self._options.sure or not probability:
            raise Reject(
                "context may answer it",
                f"no answer with probability {probability:.2f}; completion: {completion.text}",
            )

    def _with_both_passages(self, row: Row, near: Row) -> Fields:
        """Answer the question with both passages, in random order."""
        passages = [row["context"], near["context"]]
        if fraction("order", row["question"], self._seed) < 0.5:
            passages.reverse()
        context = "\n\n".join(passages)
        fields = {"kind": "instruction", "task": "found_in_context", "question": row["question"]}
        fields |= {"context": context, "prompt": chat(row["question"], context)}
        return fields | {"answer": row["answer"], "evidence": row["evidence"]}


stage = ModelStage(
    name="refuse",
    summary="create refusals of questions that the target does not know, and answers to those it knows",
    takes="probes",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
