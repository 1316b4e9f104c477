"""
Turn passages into reading-comprehension texts without a model (AdaptLLM).

Sentences of a passage are matched with patterns of its language: definitions, causes, sentences joined by
a connective, restatements. Each match feeds one exercise, its words are drawn from the templates of
its task, and the passage and its exercises become one text for continued pre-training. A passage in
which nothing is found is dropped. What is looked for and how it is asked is data: ``prompts/mined/``.

Source: Cheng, Huang, Wei, "Adapting Large Language Models via Reading Comprehension", ICLR 2024.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.records import content_id, pick
from datagen.request import Reject
from datagen.stage import Builder, Context, MapStage, Outcome
from datagen.stages.mine import miners
from datagen.stages.mine.language import Language, capitals, read
from datagen.stages.mine.miners import Candidate
from datagen.stages.text.exercises import Exercise, bind, fill

Task = Literal[
    "title", "keywords", "definition", "cause", "effect", "relation", "inference", "paraphrase", "completion"
]


class Options(datagen.stage.Options):
    """What may be set for mining."""

    language: str = Field(
        "en", description="Names the file of patterns and templates: mined/LANGUAGE in prompts/"
    )
    layouts: str = Field("reading/layouts", description="File of layouts that bind passage and exercises")
    tasks: tuple[Task, ...] = Field(
        ("paraphrase", "definition", "cause", "effect", "relation", "title", "keywords", "completion"),
        min_length=1,
        description="Exercises to look for; where they compete for a sentence or a place, the first one wins",
    )
    max_per_task: int = Field(2, ge=1, description="Exercises of one task in a text")
    max_per_text: int = Field(6, ge=1, description="Exercises in a text")
    shortest: int = Field(50, ge=1, description="Characters of a sentence that is asked about, at least")
    longest: int = Field(300, ge=1, description="Characters of a sentence that is asked about, at most")


def mine(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """Write one text for each passage in which something is found."""
    prompt, style = context.prompt(f"mined/{options.language}"), context.prompt(options.layouts)
    language = read(prompt).only(options.tasks)
    made = Builder("examples", context, prompt.name, prompt.hash)
    for passage in rows.to_pylist():
        row = {"kind": "reading", "task": "mined"}
        exercises, seen = exercises_of(passage, language, options, context.recipe.seed)
        if exercises:
            text = bind(passage, exercises, style.fields, context.recipe.seed)
            made.keep(row | {"text": text}, passage)
        else:
            made.drop(Reject("nothing to mine", f"{seen} sentences of prose"), row, passage)
    return made.outcome()


def exercises_of(
    passage: Mapping[str, Any], language: Language, options: Options, seed: int
) -> tuple[list[Exercise], int]:
    """
    Make the exercises of one passage.

    Returns
    -------
    exercises
        Those of one task stand together, the tasks in an order drawn by hash.
    seen
        Sentences of prose that were looked at.
    """
    draw = (passage["id"], str(seed))
    sentences = miners.prose(passage["text"], language, options.shortest, options.longest)
    found = [
        *miners.within_sentences(sentences, language, draw),
        *miners.between_sentences(sentences, language, draw),
        *miners.titles(passage, sentences),
        *miners.keywords(sentences, language),
        *miners.completions(sentences, language),
    ]
    chosen = choose([one for one in found if one.task in language.templates], options, draw)
    chosen.sort(key=lambda one: content_id("order", one.task, *draw))
    return [_exercise(one, language, draw) for one in chosen], len(sentences)


def choose(found: list[Candidate], options: Options, draw: tuple[str, ...]) -> list[Candidate]:
    """Take turns among the tasks in their order, so that no sentence is used twice and the limits hold."""
    waiting: dict[str, list[Candidate]] = defaultdict(list)
    for one in found:
        waiting[one.task].append(one)
    for competing in waiting.values():
        if len(competing) > 1:
            competing.sort(key=lambda one: content_id("choose", *one.values.values(), *draw))
    chosen: list[Candidate] = []
    used: set[int] = set()
    for _ in range(options.max_per_task):
        for task in options.tasks:
            free = next((one for one in waiting[task] if not one.sentences & used), None)
            if free and len(chosen) < options.max_per_text:
                chosen.append(free)
                waiting[task].remove(free)
                used |= free.sentences
    return chosen


def _exercise(one: Candidate, language: Language, draw: tuple[str, ...]) -> Exercise:
    values = capitals(one.values)
    template = pick(language.templates[one.task], "template", one.task, *one.values.values(), *draw)
    return Exercise(one.task, fill(template.ask, **values), fill(template.answer, **values))


stage = MapStage(
    name="mine",
    summary="mine reading-comprehension texts from passages by patterns, with no model",
    takes="passages",
    gives="examples",
    apply=mine,
    options=Options,
)
