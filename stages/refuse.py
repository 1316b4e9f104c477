"""
Make refusals that are true, and beside them answers that must not be refused.

From what `stages.probe` found out about the target, four kinds of rows, each with its share:

* ``does_not_know``: an unknown question, declined in varied words that may say where to look.
* ``decline_over_guess``: a preference for that refusal over the wrong answer that the target gave. The
  passage's answer is not the chosen one: to prefer facts that the model does not hold teaches it to
  invent (what the fine-tuned baseline of Alignment for Honesty does, arXiv 2312.07000).
* ``known_question``: a known question with the passage's answer, closed-book. Without these a model
  learns that closed-book questions are to be refused.
* ``not_in_context``: a question under another passage, near its own, that leaves it open. Its
  counterpart, the question under its own passage, is among the instructions.

Whether a passage leaves a question open is decided twice: the answer's words must not stand in it, and
the judge, who is asked to answer from it, must say that it does not say, with a probability above a
threshold. The doubtful are dropped.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import ENVIRONMENT, Prompt
from datagen.records import chat, content_id, fraction, pick
from datagen.request import Answers, Reject, Request
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.text import reading
from datagen.stages.text.matching import attempts, likeness, standing

NEAR = 4  # passages of the same document that are tried, and of other documents after them
Row = Mapping[str, Any]


class Options(datagen.stage.Options):
    """How much of each kind is made, and how sure the judge must be."""

    does_not_know: float = Field(1.0, ge=0, le=1, description="Share of unknown questions that are declined")
    decline_over_guess: float = Field(1.0, ge=0, le=1, description="Share of unknown questions given a pair")
    known_question: float = Field(1.0, ge=0, le=1, description="Share of known questions that are answered")
    not_in_context: float = Field(0.5, ge=0, le=1, description="Share of questions put to another passage")
    point: bool = Field(True, description="Let refusals say where to look: the document's name")
    sure: float = Field(0.6, ge=0, le=1, description="How sure the judge must be that it is left open")
    overlap: float = Field(0.6, gt=0, le=1, description="The passage may hold no such share of the answer")
    judge: str = Field(reading.PROMPT, description="What the judge is asked; its `unanswerable`: left open")
    unknown: str = Field("refusals/does_not_know", description="Words for what the target does not know")
    elsewhere: str = Field("refusals/not_in_context", description="Words for what a passage does not say")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the judge about every question that is put to another passage."""
    prompt, seed = context.prompt(options.judge), str(context.recipe.seed)
    probes = rows.to_pylist()
    shelf = _Shelf(probes)
    for row in probes:
        if not _drawn(options, "not_in_context", row, seed):
            continue
        try:
            passage, title = shelf.near_miss(row, options.overlap)
        except Reject:
            continue
        yield reading.ask(
            prompt,
            row["id"],
            task="not_in_context",
            question=row["question"],
            passage=passage,
            heading=title,
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the rows of each kind; a probe that gives none is dropped."""
    seed = str(context.recipe.seed)
    wordings = context.prompt(options.unknown), context.prompt(options.elsewhere)
    judged = context.prompt(options.judge)
    plain = Builder("examples", context)
    worded = Builder("examples", context, wordings[0].name, wordings[0].hash)
    probes = rows.to_pylist()
    shelf = _Shelf(probes)
    for row in probes:
        drawn = [kind for kind in _KINDS_OF[row["label"]] if _drawn(options, kind, row, seed)]
        if row["label"] == "ambiguous":
            seen = f"match {row['match']:.2f}: {row['target_answer']}"
            plain.drop(Reject("ambiguous knowledge", seen), _closed_book(row, "", ""), row)
        elif not drawn:
            seen = f"{row['label']}, outside the shares"
            plain.drop(Reject("not drawn", seen), _closed_book(row, "", ""), row)
        if "known_question" in drawn:
            made = _closed_book(row, "instruction", "known_question") | {"evidence": row["evidence"]}
            plain.keep(made | {"answer": row["answer"]}, row)
        if "does_not_know" in drawn:
            made = _closed_book(row, "refusal", "does_not_know")
            worded.keep(made | {"answer": _decline(wordings[0], row, options.point, seed)}, row)
        if "decline_over_guess" in drawn:
            made = _closed_book(row, "preference", "decline_over_guess")
            made |= {
                "answer": _decline(wordings[0], row, options.point, seed),
                "rejected": row["target_answer"],
            }
            if attempts(row["target_answer"], row["question"]):
                worded.keep(made, row)
            else:
                worded.drop(Reject("no wrong answer to reject", row["target_answer"]), made, row)
        if "not_in_context" in drawn:
            _decline_context(plain, row, shelf, wordings[1], judged, answers, options, seed)
    parts = plain.outcome(), worded.outcome()
    return Outcome(
        *(pa.concat_tables([getattr(part, side) for part in parts]) for side in ("kept", "dropped"))
    )


_KINDS_OF = {
    "known": ("known_question", "not_in_context"),
    "unknown": ("does_not_know", "decline_over_guess", "not_in_context"),
    "ambiguous": ("not_in_context",),  # what stands in a passage does not depend on what the target knows
}


def _drawn(options: Options, kind: str, row: Row, seed: str) -> bool:
    return fraction(kind, row["question"], row["answer"], seed) < getattr(options, kind)


def _closed_book(row: Row, kind: str, task: str) -> dict[str, Any]:
    question = row["question"]
    return {
        "kind": kind or row["kind"],
        "task": task or row["task"],
        "question": question,
        "prompt": chat(question),
    }


def _decline_context(
    builder: Builder,
    row: Row,
    shelf: "_Shelf",
    wording: Prompt,
    judged: Prompt,
    answers: Answers,
    options: Options,
    seed: str,
) -> None:
    """Write a refusal under another passage where both tests leave the question open."""
    made: dict[str, Any] = {"kind": "refusal", "task": "not_in_context", "question": row["question"]}
    made["logprob"] = None  # what the judge says about it is no part of its text
    given = answers.of(row["id"])
    try:
        passage, _ = shelf.near_miss(row, options.overlap)
        made |= {"context": passage, "prompt": chat(row["question"], passage)}
        if not given:
            raise Reject("no verdict", "no completion came back")
        said = given[0].completion
        sure = reading.probability_left_open(given[0], judged)
        if sure is None:
            raise Reject("no verdict", said.error or said.text)
        if sure < options.sure or not sure:
            raise Reject("context may answer it", f"left open with probability {sure:.2f}; said: {said.text}")
    except Reject as why:
        builder.drop(why, made, row, *given)
        return
    builder.keep(made | {"answer": _say(wording, seed, row["question"], passage)}, row, *given)


class _Shelf:
    """The passages that a partition's questions were asked about, to find near ones."""

    def __init__(self, probes: Sequence[Row]) -> None:
        self._documents: dict[str, dict[str, Row]] = {}
        self._titles: dict[str, str] = {}
        ring = {}
        for row in probes:
            if row["context"]:
                self._titles[row["context"]] = row["lineage"]["title"] or ""
                self._documents.setdefault(row["lineage"]["document_id"], {})[row["context"]] = row["lineage"]
                ring[content_id(row["context"])] = row["context"]
        self._ring = sorted(ring.items())

    def near_miss(self, row: Row, overlap: float) -> tuple[str, str]:
        """
        Find a passage, with its title, that seems to answer a question and does not hold its answer's words.

        The nearest of the same document come first; then some of other documents, drawn by hash.

        Raises
        ------
        Reject
            When each of them may hold the answer, or there is none.
        """
        tried = 0
        for passage in [*self._same_document(row), *self._elsewhere(row)]:
            tried += 1
            held = standing(row["answer"], passage)
            if held < overlap and likeness(passage, row["evidence"] or row["answer"]) < overlap:
                return passage, self._titles[passage]
        if tried:
            raise Reject("context may answer it", f"the answer's words stand in all {tried} near ones")
        raise Reject("no other passage", "the question's passage is the only one at hand")

    def _same_document(self, row: Row) -> list[str]:
        own = row["lineage"]
        apart = {
            passage: max(place["start"] - own["end"], own["start"] - place["end"])
            for passage, place in self._documents.get(own["document_id"], {}).items()
        }
        found = [passage for passage, gap in apart.items() if gap >= 0]  # spans that overlap share text
        return sorted(found, key=lambda passage: (apart[passage], content_id(passage)))[:NEAR]

    def _elsewhere(self, row: Row) -> list[str]:
        # Consistent hashing: passages that come or go change few of the others' draws.
        own = self._documents.get(row["lineage"]["document_id"], {})
        start = bisect_left(self._ring, (content_id(row["question"]), ""))
        turned = (self._ring[(start + step) % len(self._ring)][1] for step in range(len(self._ring)))
        found = []
        for passage in turned:
            if passage not in own and passage != row["context"]:
                found.append(passage)
            if len(found) == NEAR:
                break
        return found


def _decline(wording: Prompt, row: Row, point: bool, seed: str) -> str:
    return _say(wording, seed, row["question"], source=_place(row["lineage"]["source"]) if point else "")


def _place(source: str | None) -> str:
    """Name the document without the folders that lead to it; "" where the name says nothing to a reader."""
    path, _, key = (source or "").rpartition("#")
    name = key if path else PurePosixPath(key).stem
    return name if re.search(r"[^\W\d]{3}", name) else ""


def _say(wording: Prompt, *draw: str, source: str = "") -> str:
    """Put a refusal together from the lists of a wording file, drawn by hash."""
    fields = wording.fields
    pointers = [text for text in fields["pointers"] if source or "{{ source" not in text]
    parts = [pick(fields["statements"], "statement", *draw), pick(pointers, "pointer", *draw)]
    if fraction("bare", *draw) >= fields["bare"]:
        parts.insert(0, pick(fields["openings"], "opening", *draw))
    text = ENVIRONMENT.from_string(" ".join(parts)).render(source=source).strip()
    return text[0].upper() + text[1:]


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
