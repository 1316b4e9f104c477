"""
Ask for the definitions and headings of a document, answered with their path in its heading tree.

Such pairs elicit the structure that texts with ``structure: true`` have shown (structure-aware supervised
fine-tuning of StructTuning, arXiv 2407.16724): each answer names the path through the headings. No model is
used. The prompts do not include the passage, so the title of the document must be descriptive.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

import datagen.stage
from datagen.prompt import exists
from datagen.request import Reject
from datagen.rows import Fields, PassageRow
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
    """No options: pairs are in the language of their document."""


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
    """Write the pairs of each passage, document by document."""
    outcomes = [Builder("examples", context).outcome()]
    for code, positions in by_language(rows):
        outcomes.append(_apply_in(code, rows.take(positions), context))
    return Outcome.joined(outcomes)


def _apply_in(code: str, rows: pa.Table, context: Context) -> Outcome:
    if not exists(f"outline_pairs/{code}", context.prompts):
        unsupported = Builder("examples", context)
        for row in rows.to_pylist():
            unsupported.drop(Reject(NO_WORDINGS, code), {"kind": "instruction"}, row)
        return unsupported.outcome()
    prompt = context.prompt(f"outline_pairs/{code}")
    templates = prompt.checked(Wordings, "compare prompts/outline_pairs/en.yaml")
    language, words = read(context.prompt(templates.mined)).only(["definition"]), Languages(context)
    builder = Builder("examples", context, prompt.name, prompt.hash)
    documents: dict[str, list[PassageRow]] = defaultdict(list)
    for row in rows.to_pylist():
        documents[row["document_id"]].append(row)
    for passages in documents.values():
        place_of = places(passages)
        tree = grow(place_of.values())
        uses = Counter(name for row in passages for name in set(headings(row)[-1:]))
        for row in passages:
            place, pairs = place_of[row["id"]], []
            if row["title"] and not language.vague.search(unnumbered(row["title"])):
                pairs = list(define(row, language))
                if not language.vague.search(unnumbered(place[-1])):
                    pairs += locate(row, place, tree, uses)
            for task, values in pairs:
                pair = _phrase(getattr(templates, task), row, place, values, str(context.seed))
                evidence = Passage(row, words.of(row)).find(values.get("definition") or values["name"])
                builder.keep({"kind": "instruction", "task": task, "evidence": evidence} | pair, row)
            if not pairs:
                reason = Reject("no definition or heading", " > ".join(place))
                builder.drop(reason, {"kind": "instruction"}, row)
    return builder.outcome()


def _phrase(wording: Wording, row: PassageRow, place: Place, values: Mapping[str, str], seed: str) -> Fields:
    """Fill templates of a pair, drawn by hash."""
    fields = {**values, "title": row["title"], "path": " > ".join(place)}
    key = (row["id"], *values.values(), seed)
    question = fill(pick(wording.asks, "ask", *key), **fields)
    answer = fill(pick(wording.answers, "answer", *key), **fields)
    return {"question": question, "answer": answer, "prompt": chat(question)}


def define(row: PassageRow, language: Language) -> Iterator[tuple[str, dict[str, str]]]:
    """Ask for the definitions in a passage."""
    sentences = prose(row["text"], list(blocks(row["text"])), language, SHORTEST, LONGEST)
    for match in miners.within_sentences(sentences, language, 0):
        yield "define", {"term": match.values["term"], "definition": match.values["definition"]}


def locate(
    row: PassageRow, place: Place, tree: Node, uses: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Ask for a heading below the title that has neighbours and belongs to one passage only."""
    name, shown = place[-1], show(tree, place)
    neighbours = shown.count("\n") + 1 - len(place)
    if place == headings(row) and uses[name] == 1 and len(place) > 1 and neighbours > 1:
        yield "locate", {"name": name, "tree": shown}


stage = MapStage(
    name="outline_pairs",
    summary="ask for definitions and headings, answered with the heading tree, without a model",
    takes="passages",
    gives="examples",
    apply=apply,
    options=Options,
)
