"""The rows that an operator starts from, and the checks that each child must pass."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

import pyarrow as pa
from pydantic import Field
from rapidfuzz import fuzz

import datagen.stage
from datagen.control_tokens import control_tokens
from datagen.prompt import Prompt
from datagen.request import Message, Reject, Sampling
from datagen.rows import Fields, Row
from datagen.schema import chat, fraction
from datagen.stage import Context
from datagen.stages.exercises.named_checks import Written, check_named
from datagen.stages.shared import checks, formats
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, overlap, phrase_in

# Labels of pairs that were checked as a whole: quotes of two passages, links of a chain, a format, code.
WHOLE = ("spans", "links", "format", "code")
ANOTHER_FORM = "another form than its parent"
ALIKE = 0.9  # word similarity (Indel) at or above which a question repeats another
OWN = 4  # content words from which the answers to two questions must differ
INTENT = 0.5  # minimum share of a question's content words that a rewritten one keeps
PAGE = 8000  # maximum characters of a text that a model writes


class Operating(datagen.stage.Options):
    """The options that all operators share."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the rows to start from, drawn by hash")
    tasks: tuple[str, ...] = Field((), description="Start from rows of these tasks; left out: all")
    max_tokens: int = Field(512, ge=16, description="Maximum length of a completion, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the likeliest tokens to draw from")

    def sampling(self) -> Sampling:
        """Return the sampling parameters."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p)


class Parent:
    """
    A row that children are made from.

    Parameters
    ----------
    row
        An example with a question and an answer.
    language
        The rules of its language.
    """

    def __init__(self, row: Row, language: Language) -> None:
        self.row, self.language = row, language
        self.question, self.answer = str(row["question"]), str(row["answer"])
        self.material = row["context"] or row["evidence"] or ""

    @property
    def id(self) -> str:
        """Id of the row."""
        return str(self.row["id"])

    @cached_property
    def passage(self) -> Passage:
        """The source material of answers, as a passage; for a row without material, its own pair."""
        lineage = self.row["lineage"] or {}
        text = self.material or f"{self.question}\n{self.answer}"
        row: Row = {"id": self.id, "section": [], "text": text}
        return Passage(
            {**row, "title": lineage.get("title"), "language": lineage.get("language")}, self.language
        )

    @cached_property
    def form(self) -> Literal["choice", "object", "steps", "prose"]:
        """Form of the answer: a choice that the question offers, a JSON object, numbered steps, or prose."""
        if _offers(self.question, self.answer):
            return "choice"
        if _in_format("json", self.answer):
            return "object"
        return "steps" if _in_format("numbered_list", self.answer) else "prose"

    def prompt(self, question: str) -> list[Message]:
        """Build the prompt for a new question, with the row's system message and context."""
        messages = self.row["prompt"] or []
        system = messages[0]["content"] if messages and messages[0]["role"] == "system" else None
        return chat(question, self.row["context"], system)

    def child(
        self, operator: str, question: str, answer: str, others: Sequence[Row] = (), /, **labels: object
    ) -> Fields:
        """Return the fields of a child; it has the licences of its parent's record and of `others`."""
        stated = [json.loads(row["metadata"] or "{}").get("licence") for row in (self.row, *others)]
        if licences := list(dict.fromkeys(filter(None, stated))):
            labels["licence"] = " AND ".join(licences)  # as in SPDX
        return {
            "kind": "instruction",
            "task": self.row["task"],
            "question": question,
            "context": self.row["context"],
            "answer": answer,
            "evidence": self.material or None,  # the parent's may not support another answer
            "prompt": self.prompt(question),
            "metadata": json.dumps({"operator": operator, **labels}, ensure_ascii=False),
        }

    def restated(
        self, operator: str, question: str, answer: str, others: Sequence[Row] = (), /, **labels: object
    ) -> Fields:
        """Return the fields of a child that answers in other words or steps; the parent's evidence holds."""
        child = self.child(operator, question, answer, others, **labels)
        return child | {"evidence": self.row["evidence"]}

    def check_question(self, text: str, instruction: str, *others: str) -> str:
        """
        Return a new question. Reject it if it is unsound or repeats the parent's question or another.

        A child must pass the checks of form that its parent passes.
        """
        if not text.strip():
            raise Reject("empty", "question")
        question = " ".join(text.split())
        checks.clean(question, self.passage, instruction)
        for other in (self.question, *others):
            if repeats(question, other, self.language):
                raise Reject("repeats its parent" if other == self.question else "repeated", question)
        self._as_parent("question", Written(question, self.answer, self.passage))
        if not self.row["context"]:
            self._as_parent("asks_alone", Written(question, self.answer, self.passage))
        return question

    def check_intent(self, question: str) -> None:
        """Reject a rewritten question that does not ask what this one does, and more."""
        before, after = (self.language.content(text) for text in (self.question, question))
        if overlap(before, after) < INTENT:
            raise Reject("another intent", f"{self.question} -> {question}")
        checks.keeps(question, self.question, self.language, asks=True)
        if not set(after) - set(before):
            raise Reject("asks for nothing more", f"{self.question} -> {question}")

    def check_own(self, answer: str, *others: str) -> None:
        """Reject the answer to a new question if it repeats the parent's or another one; short ones may."""
        if len(set(self.language.content(answer))) < OWN:
            return  # "Yes.", "12 years": two questions may share it
        for other in (self.answer, *others):
            if repeats(answer, other, self.language):
                raise Reject("answer of another question", answer[:200])

    def _as_parent(self, check: str, child: Written) -> None:
        """Apply a check if the parent passes it."""
        try:
            check_named(check, Written(self.question, self.answer, self.passage))
        except Reject:
            return
        check_named(check, child)

    def check_answer(self, question: str, text: str, instruction: str, shortest: int = 1) -> str:
        """
        Return an answer to a new question, or another one to the parent's question.

        Reject it if it is unsound, not from the material, or of another form than the parent's answer.
        If that is a choice that its question offers, the answer must be one, too; if it is a JSON object, the
        answer must be one with keys that the question names; if it is a list of steps, it must be one.
        """
        answer = text.strip()
        if not answer:
            raise Reject("empty", "answer")
        prose = answer
        match self.form:
            case "choice":
                checks.clean(answer, self.passage, instruction)
                if not self._chosen(question, answer):
                    raise Reject(ANOTHER_FORM, f"not a choice of the question: {answer[:200]}")
                if self._rewords(question) and words_of(answer) != words_of(self.answer):
                    raise Reject("another choice for the same question", f"{question} {answer}")
                return answer
            case "object":
                answer, prose = _object_for(question, answer)
            case "steps" if not _in_format("numbered_list", answer):
                raise Reject(ANOTHER_FORM, f"not a list of steps: {answer[:200]}")
        self._check_prose(question, prose, instruction, shortest)
        return answer

    def _chosen(self, question: str, answer: str) -> bool:
        """Check whether an answer is one choice of a question, and no list of several."""
        longer = len(words_of(answer)) > len(words_of(self.answer))
        several = re.search(r"[,;]", answer) or (longer and _offers(answer, self.answer))
        return _offers(question, answer) and not several

    def _rewords(self, question: str) -> bool:
        """Check whether another question has the words of this one, which include the text to classify."""
        content = self.language.content
        return question != self.question and {*content(self.question)} == {*content(question)}

    def _check_prose(self, question: str, text: str, instruction: str, shortest: int) -> None:
        checks.sized(text, shortest, 1000)
        checks.clean(text, self.passage, instruction)
        checks.begun(text)
        written = Written(question, text, self.passage)
        check_named("language", written)
        check_named("withholds", written)
        if len(words_of(text)) > 8:
            check_named("finished", written)
        if self.material:
            check_named("numbers", written)
            check_named("about 0.5", written)
            checks.not_reversed(text, self.passage)


def _in_format(name: str, text: str) -> formats.Parsed | None:
    try:
        return formats.read(name, text)
    except Reject:
        return None


def _object_for(question: str, text: str) -> tuple[str, str]:
    """Return a JSON object without its code fence, and its values as sentences."""
    answer = formats.unfenced(text)
    parsed = _in_format("json", answer)
    if parsed is None or not set(words_of(question)).issuperset(words_of(" ".join(parsed.names))):
        raise Reject(ANOTHER_FORM, f"not an object with the keys of the question: {answer[:200]}")
    return answer, "\n".join(f"{cell.strip().rstrip('.')}." for cell in parsed.cells)


def _offers(question: str, answer: str) -> bool:
    """Check whether a question contains an answer, as one that lists classes or choices does."""
    answer_words = " ".join(words_of(answer))
    return bool(answer_words and phrase_in(words_of(question), [answer_words]))


def label_of_whole(row: Row) -> str:
    """Return the label of a pair that was checked as a whole, whose parts must not change; "" for others."""
    labels = json.loads(row["metadata"] or "{}")
    return next((label for label in WHOLE if labels.get(label)), "")


def repeats(question: str, other: str, language: Language) -> bool:
    """Check whether a text has almost the same words as another, ignoring articles."""
    pair = (matching.words(text, language=language) for text in (question, other))
    return fuzz.ratio(*pair) >= 100 * ALIKE


def instruction_of(prompt: Prompt, **values: object) -> str:
    """Return the text of a prompt with empty values, to detect echoes of it in an answer."""
    return "\n".join(message["content"] for message in prompt.render(**values))


def parents_of(rows: pa.Table, options: Operating, context: Context) -> Iterator[tuple[Row, Parent | Reject]]:
    """Yield each row with its parent, or with the reason why it has no children."""
    languages = Languages(context)
    for row in rows.to_pylist():
        yield row, _parent(row, options, context.seed, languages)


def _parent(row: Row, options: Operating, seed: int, languages: Languages) -> Parent | Reject:
    if not row["question"] or not row["answer"]:
        return Reject("no pair", "a row without a question or an answer")
    if any(message["role"] == "assistant" for message in row["prompt"] or ()):
        return Reject("part of a conversation", "its question depends on earlier turns")
    if label := label_of_whole(row):
        return Reject("checked as a whole", f"its {label} would not hold for another question or answer")
    if token := control_tokens().search(f"{row['question']}\n{row['answer']}"):
        return Reject("control token", token[0])
    if options.tasks and row["task"] not in options.tasks:
        return Reject("outside the sample", f"task {row['task']}")
    if fraction("operator", row["id"], str(seed)) >= options.share:
        return Reject("outside the sample", f"share {options.share:g}")
    return Parent(row, languages.of(row))
