"""The exercises of a passage: selected from the mined candidates, and phrased by templates."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from datagen.rows import PassageRow
from datagen.schema import content_id
from datagen.stages.reading.mine import miners, structure
from datagen.stages.reading.mine.language import Language, Values, filled
from datagen.stages.reading.mine.miners import Candidate
from datagen.stages.reading.mine.options import Options
from datagen.stages.reading.mine.prose import prose
from datagen.stages.shared.render.exercises import Exercise
from datagen.stages.shared.segment.sentences import blocks

# Tasks whose answers can be copied from next to the question's words, or are the passage -> most per text.
COPIED = {"title": 1, "writing": 1, "completion": 1, "heading": 2}


def exercises_of(
    passage: PassageRow, language: Language, domain: frozenset[str], options: Options, seed: int
) -> tuple[list[Exercise], int]:
    """
    Write the exercises of a passage.

    Returns
    -------
    exercises
        Grouped by task, the tasks in an order drawn by hash.
    sentences
        The number of sentences that were searched.
    """
    passage_seed = int(content_id(passage["id"], str(seed))[:8], 16)
    text = passage["text"]
    spans = list(blocks(text))
    sentences = prose(text, spans, language, options.shortest, options.longest)
    mined = [
        *structure.enumerations(text, spans, language, options.longest),
        *structure.definitions(text, spans, language, options.longest),
        *structure.entries(text),
    ]
    if sentences:
        mined += structure.headings(sentences, language)
        mined += miners.within_sentences(sentences, language, passage_seed)
        mined += miners.between_sentences(sentences, language, passage_seed)
        mined += miners.keywords(sentences, language, domain)
        mined += miners.completions(sentences, language)
        if any(candidate.task == "inference" for candidate in mined):
            mined += miners.unrelated(sentences, language)
    mined += structure.titles(passage, sentences, language, not mined, passage_seed)
    candidates = [candidate for candidate in mined if candidate.task in language.templates]
    if not candidates:
        return [], len(sentences)
    selected = select(candidates, options, passage_seed)
    selected.sort(key=lambda candidate: miners.draw(passage_seed, "order", candidate.task))
    span_of = {sentence.number: sentence.span for sentence in sentences}
    exercises = [_exercise(candidate, language, span_of, passage_seed) for candidate in selected]
    return exercises, len(sentences)


def select(candidates: list[Candidate], options: Options, seed: int) -> list[Candidate]:
    """
    Select candidates round-robin over the tasks, the rarest task first, within the limits.

    No sentence is used twice. Tasks whose answer can be copied from next to the question's words come last,
    and are limited further. Inferences alternate their labels, so that no label is the usual answer.
    """
    queues: dict[str, list[Candidate]] = defaultdict(list)
    draws = [miners.draw(seed, next(iter(candidate.values.values()))) for candidate in candidates]
    order = sorted(range(len(candidates)), key=lambda at: (not candidates[at].preferred, draws[at]))
    for candidate in map(candidates.__getitem__, order):
        queues[candidate.task].append(candidate)
    if "inference" in queues:
        queues["inference"] = _alternate_labels(queues["inference"], seed)
    rarest = sorted(queues, key=lambda task: (len(queues[task]), miners.draw(seed, task)))
    turns = [task for _ in range(options.max_per_task) for task in rarest if task not in COPIED]
    turns += [task for turn in range(options.max_per_task) for task in rarest if turn < COPIED.get(task, 0)]
    selected: list[Candidate] = []
    used: set[int] = set()
    for task in turns:
        if len(selected) == options.max_per_text:
            break
        unused = (candidate for candidate in queues[task] if used.isdisjoint(candidate.sentences))
        if first := next(unused, None):
            selected.append(first)
            queues[task].remove(first)
            used.update(first.sentences)
    return selected


def _alternate_labels(inferences: list[Candidate], seed: int) -> list[Candidate]:
    """Reorder inferences so that their labels alternate."""
    turns: Counter[str] = Counter()
    keys = []
    for inference in inferences:
        label = inference.values["label"]
        turns[label] += 1
        keys.append((turns[label], miners.draw(seed, label)))
    return [inferences[n] for n in sorted(range(len(keys)), key=keys.__getitem__)]


def _exercise(
    candidate: Candidate, language: Language, span_of: Mapping[int, tuple[int, int]], seed: int
) -> Exercise:
    task, values = candidate.task, Values(candidate.values)
    templates = language.templates[task]
    if task == "keywords" and values["words"].count(language.comma) + 1 < miners.KEYWORDS:
        templates = tuple(template for template in templates if template.answer != "{words}")
    template = templates[miners.draw(seed, "template", task, *values.values()) % len(templates)]
    spans = candidate.spans or tuple(span_of[number] for number in candidate.sentences)
    return Exercise(task, filled(template.ask, values), filled(template.answer, values), spans)
