"""
Exercises across several passages, built from exercises about single ones, and by counting and comparing.

=========  ====================  ============================================================
task       ability (M4LE)        question
=========  ====================  ============================================================
hinted     explicit single       an exercise about a named passage
where      semantic single       which passage contains a sentence
both       explicit multiple     an exercise about each of two named passages
terms      semantic multiple     the meaning of two terms that two passages define
mention    semantic multiple     which passages contain a word
order      global                the order of the passages
count      global                how many passages contain a word
=========  ====================  ============================================================
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from datagen.prompt import Prompt
from datagen.schema import content_id, pick
from datagen.stages.reading.long_spans.related import Gathering, Passage
from datagen.stages.reading.long_spans.written import Exercises
from datagen.stages.reading.mine import miners
from datagen.stages.reading.mine.choice import exercises_of
from datagen.stages.reading.mine.language import Language
from datagen.stages.reading.mine.options import Options as Mining
from datagen.stages.reading.mine.prose import Sentence, prose
from datagen.stages.shared.language.words import ANSWERS
from datagen.stages.shared.render.exercises import Exercise, fill
from datagen.stages.shared.segment.sentences import blocks

T = TypeVar("T")

ABILITIES = {
    "hinted": "explicit single",
    "where": "semantic single",
    "both": "explicit multiple",
    "terms": "semantic multiple",
    "mention": "semantic multiple",
    "order": "global",
    "count": "global",
}
# Tasks whose questions make sense with the name of their passage prepended, because they quote their context.
HINTED = ("definition", "cause", "effect", "condition", "consequence", "enumeration", "entry", "completion")
ORDERED = 4  # maximum names to put in order
STEM = 6  # letters; words with the same first letters may be forms of one word
MOST = 0.7  # maximum share of the passages that contain the word of a question
SHORTEST, LONGEST = 60, 300  # characters of a sentence to locate
MINING = Mining(tasks=HINTED, max_per_task=2)


class Wordings(BaseModel):
    """A file such as ``prompts/long_spans/en.yaml``. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mined: str
    layouts: str
    heads: tuple[str, ...]
    hinted: tuple[str, ...]
    where: tuple[str, ...]
    both: tuple[str, ...]
    both_answers: str
    terms: tuple[str, ...]
    mention: tuple[str, ...]
    order: tuple[str, ...]
    count: tuple[str, ...]


class Finding(NamedTuple):
    """An exercise, and the numbers of the passages with its answer."""

    task: str
    question: str
    answer: str
    gold: tuple[int, ...]


def wordings(prompt: Prompt) -> Wordings:
    """
    Validate the fields of a file of wordings.

    Raises
    ------
    UserError
        If a field is missing or unknown.
    """
    return prompt.checked(Wordings, "compare prompts/long_spans/en.yaml")


def findings(
    gathering: Gathering, templates: Wordings, language: Language, earlier: Exercises, seed: int
) -> list[Finding]:
    """
    List the exercises across the passages of a long text.

    `earlier` are exercises that a model wrote about single passages, used in place of mined ones.
    """
    defining = language.only(["definition"])
    sources = [
        _Source(row, name, language, defining, earlier.get(row["id"], []), seed)
        for row, name in zip(gathering.passages, gathering.names, strict=True)
    ]
    draw = _Draw(gathering.passages[0]["id"], str(seed))
    candidates = [
        *_hinted(sources, templates, draw),
        *_where(sources, templates, draw),
        *_both(sources, templates, draw),
        *_terms(sources, templates, draw),
        *_words(sources, templates, draw),
        *_order(sources, templates, draw),
    ]
    return [finding for finding in candidates if finding.question.strip() and finding.answer.strip()]


class _Draw:
    """Draws templates by hash."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def of(self, options: Sequence[T], *about: str) -> T:
        return pick(options, *self._parts, *about)

    def shuffled(self, items: Iterable[T], *about: str) -> list[T]:
        return sorted(items, key=lambda item: content_id(*self._parts, *about, str(item)))


class _Source:
    """One of the passages: its sentences, exercises, defined terms and words."""

    def __init__(
        self,
        row: Passage,
        name: str,
        language: Language,
        defining: Language,
        earlier: Sequence[Exercise],
        seed: int,
    ) -> None:
        self.text, self.name = row["text"], name
        self.sentences: list[Sentence] = prose(
            self.text, list(blocks(self.text)), language, SHORTEST, LONGEST
        )
        self.facts: list[Exercise] = (
            list(earlier) or exercises_of(row, language, frozenset(), MINING, seed)[0]
        )
        defined = miners.within_sentences(self.sentences, defining, seed)
        self.terms = {match.values["term"]: match.values["definition"] for match in defined}
        self.line = " ".join(self.text.casefold().split())
        words = {word.lower() for word in language.keyword.findall(self.text)}
        self.words = words - language.general
        self.stems = {word[:STEM] for word in ANSWERS(f"{name} {self.text}")}


def _hinted(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    for number, source in enumerate(sources):
        if _is_unique(source.name, sources):
            for fact in source.facts:
                template = draw.of(templates.hinted, "hinted", fact.question)
                question = fill(template, name=source.name, question=fact.question)
                yield Finding("hinted", question, fact.answer, (number,))


def _where(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    for number, source in enumerate(sources):
        for sentence in source.sentences:
            line = " ".join(sentence.text.casefold().split())
            if sentence.clear and sum(line in other.line for other in sources) == 1:
                template = draw.of(templates.where, "where", sentence.text)
                yield Finding("where", fill(template, sentence=sentence.text), source.name, (number,))


def _both(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    """Combine two exercises of one task about two passages, which are adjacent among those with the task."""
    by_task: dict[str, list[tuple[int, Exercise]]] = defaultdict(list)
    for number, source in enumerate(sources):
        for fact in source.facts:
            if not by_task[fact.task] or by_task[fact.task][-1][0] != number:
                by_task[fact.task].append((number, fact))
    for facts in by_task.values():
        for (left, first), (right, second) in zip(facts[::2], facts[1::2], strict=False):
            names = {"first": sources[left].name, "second": sources[right].name}
            if first.answer != second.answer and all(_is_unique(name, sources) for name in names.values()):
                template = draw.of(templates.both, "both", first.question)
                question = fill(template, **names, question=first.question, other=second.question)
                answer = fill(templates.both_answers, first=first.answer, second=second.answer)
                yield Finding("both", question, answer, (left, right))


def _is_unique(name: str, sources: list[_Source]) -> bool:
    """Return whether a name is not part of another name."""
    return sum(name in source.name for source in sources) == 1


def _terms(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    """Ask for two terms that are defined in different passages, and neither defined nor quoted in others."""
    defined = []
    for number, source in enumerate(sources):
        for term, definition in source.terms.items():
            quoted = re.compile(rf"[“\"*]{re.escape(term)},?[”\"*]", re.IGNORECASE)
            others = [other for other in sources if other is not source]
            if not any(quoted.search(other.text) or term in other.terms for other in others):
                defined.append((number, term, definition))
    for (left, first, meaning), (right, second, other_meaning) in combinations(defined[:ORDERED], 2):
        if left != right:
            question = fill(draw.of(templates.terms, "terms", first), first=first, second=second)
            answer = fill(templates.both_answers, first=meaning, second=other_meaning)
            yield Finding("terms", question, answer, (left, right))


def _words(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    """
    Ask which passages contain a word, or how many: not most of them, and the others contain no form of it.

    There is one question of each task for every count, so that no count is the usual answer.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for number, source in enumerate(sources):
        for word in source.words:
            holders[word].append(number)
    by_count: dict[int, list[str]] = defaultdict(list)
    for word in sorted(holders, key=lambda word: (-len(word), word)):  # long words are rarely everyday words
        count = len(holders[word])
        if count <= MOST * len(sources) and sum(word[:STEM] in source.stems for source in sources) == count:
            by_count[count].append(word)
    for count, words in by_count.items():
        tasks = ("count", "mention")[: min(count, 2)]  # for a word in one passage, only the count
        for task, word in zip(tasks, draw.shuffled(words[:ORDERED], str(count)), strict=False):
            names = "\n".join(sources[number].name for number in holders[word])
            question = fill(draw.of(getattr(templates, task), task, word), word=word, all=len(sources))
            answer = names if task == "mention" else str(count)
            yield Finding(task, question, answer, tuple(holders[word]))


def _order(sources: list[_Source], templates: Wordings, draw: _Draw) -> Iterator[Finding]:
    shuffled = draw.shuffled(range(len(sources)), "order")[:ORDERED]
    names = "\n".join(f"- {sources[number].name}" for number in shuffled)
    question = fill(draw.of(templates.order, "order"), names=names)
    answer = "\n".join(sources[number].name for number in sorted(shuffled))
    yield Finding("order", question, answer, tuple(sorted(shuffled)))
