"""The exercises of a passage: what is found is chosen from, and put into words."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from datagen.schema import content_id
from datagen.stages.reading.mine import miners, structure
from datagen.stages.reading.mine.language import Language, Values, filled
from datagen.stages.reading.mine.miners import Candidate
from datagen.stages.reading.mine.options import Options
from datagen.stages.reading.mine.prose import prose
from datagen.stages.shared.render.exercises import Exercise
from datagen.stages.shared.segment.sentences import blocks

# Tasks answered with what stands next to the question's words, or with the passage; how many a text has.
COPIED = {"title": 1, "writing": 1, "completion": 1, "heading": 2}


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
        *structure.enumerations(text, spans, language, options.longest),
        *structure.definitions(text, spans, language, options.longest),
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
    found += structure.titles(passage, sentences, language, not found, drawn)
    chosen = choose([one for one in found if one.task in language.templates], options, drawn)
    chosen.sort(key=lambda one: miners.draw(drawn, "order", one.task))
    where = {sentence.number: sentence.span for sentence in sentences}
    return [_exercise(one, language, where, drawn) for one in chosen], len(sentences)


def choose(found: list[Candidate], options: Options, drawn: int) -> list[Candidate]:
    """
    Take turns among the tasks, the rarest first, so that no sentence is used twice and the limits hold.

    Tasks whose answer can be copied from next to what is asked come last, and
    seldom.
    Inferences take turns among their labels as well, so that none is the usual answer.
    """
    waiting: dict[str, list[Candidate]] = defaultdict(list)
    for one in sorted(found, key=lambda one: miners.draw(drawn, next(iter(one.values.values())))):
        waiting[one.task].append(one)
    if "inference" in waiting:
        waiting["inference"] = _in_turn(waiting["inference"], drawn)
    rarest = sorted(waiting, key=lambda task: (len(waiting[task]), miners.draw(drawn, task)))
    turns = [task for _ in range(options.max_per_task) for task in rarest if task not in COPIED]
    turns += [task for turn in range(options.max_per_task) for task in rarest if turn < COPIED.get(task, 0)]
    chosen: list[Candidate] = []
    used: set[int] = set()
    for task in turns:
        if len(chosen) == options.max_per_text:
            break
        free = next((one for one in waiting[task] if used.isdisjoint(one.sentences)), None)
        if free:
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


def _exercise(
    one: Candidate, language: Language, where: Mapping[int, tuple[int, int]], drawn: int
) -> Exercise:
    templates, values = language.templates[one.task], Values(one.values)
    if one.task == "keywords" and one.values["words"].count(language.comma) + 1 < miners.KEYWORDS:
        templates = tuple(template for template in templates if "{words}" in template.ask)
    template = templates[miners.draw(drawn, "template", one.task, *one.values.values()) % len(templates)]
    spans = one.spans or tuple(where[number] for number in one.sentences)
    return Exercise(one.task, filled(template.ask, values), filled(template.answer, values), spans)
