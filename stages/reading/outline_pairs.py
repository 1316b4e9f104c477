"""
Ask, without a model, what a document defines and where its headings are, answered along its tree.

Such pairs elicit the structure that texts with ``structure: true`` have shown (structure-aware supervised
fine-tuning of StructTuning, arXiv 2407.16724): each answer tells the path through the headings. They are
asked without the passage, so the title of the document must say something.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

import datagen.stage
from datagen.prompt import exists
from datagen.request import Reject
from datagen.schema import chat, pick
from datagen.stage import Builder, Context, MapStage, Outcome
from datagen.stages.reading.mine import miners
from datagen.stages.reading.mine.language import Language, read
from datagen.stages.reading.mine.prose import prose
from datagen.stages.shared.language.rules import Languages, by_language
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill, unnumbered
from datagen.stages.shared.segment.headings import Node, Place, grow, headings, places, show
from datagen.stages.shared.segment.sentences import blocks

SHORTEST, LONGEST = 50, 500  # characters of a definition


NO_WORDINGS = "no wordings for its language"


class Options(datagen.stage.Options):
    """Nothing is set: pairs are in the language of their document."""


class Wording(BaseModel):
    """Questions and answers of a task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asks: tuple[str, ...]
    answers: tuple[str, ...]


class Wordings(BaseModel):
    """A file such as ``prompts/outline_pairs/en.yaml``. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mined: str
    define: Wording
    locate: Wording


def apply(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """Make the pairs of each passage, document by document."""
    outcomes = [Builder("examples", context).outcome()]
    for code, places_of in by_language(rows):
        outcomes.append(_apply_in(code, rows.take(places_of), context))
    return Outcome.joined(outcomes)


def _apply_in(code: str, rows: pa.Table, context: Context) -> Outcome:
    if not exists(f"outline_pairs/{code}", context.prompts):
        foreign = Builder("examples", context)
        for row in rows.to_pylist():
            foreign.drop(Reject(NO_WORDINGS, code), {"kind": "instruction"}, row)
        return foreign.outcome()
    prompt = context.prompt(f"outline_pairs/{code}")
    known = prompt.checked(Wordings, "compare prompts/outline_pairs/en.yaml")
    language, words = read(context.prompt(known.mined)).only(["definition"]), Languages(context)
    made = Builder("examples", context, prompt.name, prompt.hash)
    documents: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.to_pylist():
        documents[row["document_id"]].append(row)
    for passages in documents.values():
        found = places(passages)
        tree = grow(found.values())
        named = Counter(name for row in passages for name in set(headings(row)[-1:]))
        for row in passages:
            place, pairs = found[row["id"]], []
            if row["title"] and not language.vague.search(unnumbered(row["title"])):
                pairs = list(define(row, language))
                if not language.vague.search(unnumbered(place[-1])):
                    pairs += locate(row, place, tree, named)
            for task, values in pairs:
                pair = _worded(getattr(known, task), row, place, values, str(context.seed))
                evidence = Passage(row, words.of(row)).find(values.get("definition") or values["name"])
                made.keep({"kind": "instruction", "task": task, "evidence": evidence} | pair, row)
            if not pairs:
                made.drop(Reject("nothing to walk to", " > ".join(place)), {"kind": "instruction"}, row)
    return made.outcome()


def _worded(
    wording: Wording, row: Mapping[str, Any], place: Place, values: Mapping[str, str], seed: str
) -> dict[str, Any]:
    """Draw the wording of a pair."""
    told = {**values, "title": row["title"], "path": " > ".join(place)}
    drawn = (row["id"], *values.values(), seed)
    question = fill(pick(wording.asks, "ask", *drawn), **told)
    answer = fill(pick(wording.answers, "answer", *drawn), **told)
    return {"question": question, "answer": answer, "prompt": chat(question)}


def define(row: Mapping[str, Any], language: Language) -> Iterator[tuple[str, dict[str, str]]]:
    """Find what a passage defines."""
    sentences = prose(row["text"], list(blocks(row["text"])), language, SHORTEST, LONGEST)
    for found in miners.within_sentences(sentences, language, 0):
        yield "define", {"term": found.values["term"], "definition": found.values["definition"]}


def locate(
    row: Mapping[str, Any], place: Place, tree: Node, named: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Ask for a heading below the title that has neighbours, and is over one passage of the document only."""
    name, drawn = place[-1], show(tree, place)
    neighbours = drawn.count("\n") + 1 - len(place)
    if place == headings(row) and named[name] == 1 and len(place) > 1 and neighbours > 1:
        yield "locate", {"name": name, "tree": drawn}


stage = MapStage(
    name="outline_pairs",
    summary="ask for definitions and headings, answered along the document's tree, with no model",
    takes="passages",
    gives="examples",
    apply=apply,
    options=Options,
)
