"""
Turn passages into reading-comprehension texts without a model (AdaptLLM).

Sentences of a passage are matched with patterns of its language: definitions, causes, conditions,
sentences joined by a connective, restatements; its heading, its sentences with words of the domain, and
sentences that follow each other are asked for as well. Each match feeds one exercise, its words are drawn
from the templates of its task, and the passage and its exercises become one text for continued
pre-training. A passage in which nothing is found is dropped. What is looked for and how it is asked is
data: ``prompts/mined/``.

The domain's words are learnt from the whole corpus first (`datagen.stages.mine.vocabulary`); so the stage
sees all partitions.

Source: Cheng, Huang, Wei, "Adapting Large Language Models via Reading Comprehension", ICLR 2024. What is
done otherwise, and how sound the exercises are: docs/reading.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

import datagen.stage
from datagen.records import content_id
from datagen.request import Reject
from datagen.stage import Builder, Context, Outcome, Partitions, WholeStage
from datagen.stages.mine import miners, structure
from datagen.stages.mine.language import Language, Values, filled, read
from datagen.stages.mine.length import ruler
from datagen.stages.mine.miners import Candidate
from datagen.stages.mine.prose import prose
from datagen.stages.mine.vocabulary import learn
from datagen.stages.text.exercises import Exercise, bind
from datagen.stages.text.sentences import blocks

Task = Literal[
    "title",
    "writing",
    "heading",
    "summary",
    "keywords",
    "definition",
    "term",
    "entry",
    "cause",
    "effect",
    "condition",
    "consequence",
    "relation",
    "inference",
    "paraphrase",
    "completion",
    "enumeration",
]


class Options(datagen.stage.Options):
    """What may be set for mining."""

    language: str = Field(
        "en", description="Names the file of patterns and templates: mined/LANGUAGE in prompts/"
    )
    layouts: str = Field(
        "", description="File of layouts that bind passage and exercises; left out: the language's own"
    )
    tasks: tuple[Task, ...] = Field(
        Task.__args__,  # type: ignore[attr-defined]
        min_length=1,
        description="Exercises to look for; where they compete for a sentence, the rarer one wins",
    )
    max_per_task: int = Field(3, ge=1, description="Exercises of one task in a text")
    max_per_text: int = Field(6, ge=1, description="Exercises in a text")
    shortest: int = Field(50, ge=1, description="Characters of a sentence that is asked about, at least")
    longest: int = Field(500, ge=1, description="Characters of a sentence that is asked about, at most")
    domain_words: int = Field(
        3, ge=1, description="Times that the corpus must use a word for it to be a word of its domain"
    )
    max_chars: int = Field(8000, ge=1, description="Characters of a text, where no tokenizer is given")
    tokenizer: str = Field(
        "",
        description="The target's tokenizer: a checkpoint's folder or a tokenizer.json, from the recipe on",
    )
    max_tokens: int = Field(2048, ge=1, description="Tokens of a text, where a tokenizer is given")


def mine(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Write one text for each passage in which something is found."""
    prompt = context.prompt(f"mined/{options.language}")
    language = read(prompt).only(options.tasks)
    style = context.prompt(options.layouts or language.layouts).fields
    fits = ruler(options.tokenizer, options.max_tokens, options.max_chars, context.recipe.folder)
    seed = context.recipe.seed
    texts = (table["text"] for table in partitions.columns(["text"]))
    domain = learn(texts, language, options.domain_words) if "keywords" in options.tasks else frozenset()
    for rows in partitions:
        made = Builder("examples", context, prompt.name, prompt.hash)
        for passage in rows.to_pylist():
            row = {"kind": "reading", "task": "mined"}
            exercises, seen = exercises_of(passage, language, domain, options, seed)
            bound = (bind(passage, exercises[:n], style, seed) for n in range(len(exercises), 0, -1))
            if not exercises:
                made.drop(Reject("nothing to mine", f"{seen} sentences of prose"), row, passage)
            elif text := next(filter(fits, bound), ""):
                made.keep(row | {"text": text}, passage)
            else:
                made.drop(Reject("too long", f"{len(passage['text'])} characters of passage"), row, passage)
        yield made.outcome()


def exercises_of(
    passage: Mapping[str, Any], language: Language, domain: frozenset[str], options: Options, seed: int
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
    drawn = int(content_id(passage["id"], str(seed))[:8], 16)
    text = passage["text"]
    spans = list(blocks(text))
    sentences = prose(text, spans, language, options.shortest, options.longest)
    found = [
        *structure.titles(passage, sentences, language, drawn),
        *structure.enumerations(text, spans, language, options.longest),
        *structure.entries(text),
    ]
    if sentences:
        found += structure.headings(sentences, language)
        found += miners.within_sentences(sentences, language, drawn)
        found += miners.between_sentences(sentences, language, drawn)
        found += miners.keywords(sentences, language, domain)
        found += miners.completions(sentences)
        if any(one.task == "inference" for one in found):
            found += miners.unrelated(sentences, language)
    chosen = choose([one for one in found if one.task in language.templates], options, drawn)
    chosen.sort(key=lambda one: miners.draw(drawn, "order", one.task))
    return [_exercise(one, language, drawn) for one in chosen], len(sentences)


def choose(found: list[Candidate], options: Options, drawn: int) -> list[Candidate]:
    """
    Take turns among the tasks, the rarest first, so that no sentence is used twice and the limits hold.

    Inferences take turns among their labels as well, so that none is the usual answer.
    """
    waiting: dict[str, list[Candidate]] = defaultdict(list)
    for one in sorted(found, key=lambda one: miners.draw(drawn, next(iter(one.values.values())))):
        waiting[one.task].append(one)
    if "inference" in waiting:
        waiting["inference"] = _in_turn(waiting["inference"], drawn)
    rarest = sorted(waiting, key=lambda task: (len(waiting[task]), miners.draw(drawn, task)))
    chosen: list[Candidate] = []
    used: set[int] = set()
    for _ in range(options.max_per_task):
        for task in rarest:
            free = next((one for one in waiting[task] if used.isdisjoint(one.sentences)), None)
            if free and len(chosen) < options.max_per_text:
                chosen.append(free)
                waiting[task].remove(free)
                used.update(free.sentences)
    return chosen


def _in_turn(competing: list[Candidate], drawn: int) -> list[Candidate]:
    """Let labels take turns."""
    turns: Counter[str] = Counter()
    keys = []
    for one in competing:
        label = one.values["label"]
        turns[label] += 1
        keys.append((turns[label], miners.draw(drawn, label)))
    return [competing[n] for n in sorted(range(len(keys)), key=keys.__getitem__)]


def _exercise(one: Candidate, language: Language, drawn: int) -> Exercise:
    templates, values = language.templates[one.task], Values(one.values)
    template = templates[miners.draw(drawn, "template", one.task, *one.values.values()) % len(templates)]
    return Exercise(one.task, filled(template.ask, values), filled(template.answer, values))


stage = WholeStage(
    name="mine",
    summary="mine reading-comprehension texts from passages by patterns, with no model",
    takes="passages",
    gives="examples",
    run=mine,
    options=Options,
)
