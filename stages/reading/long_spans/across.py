"""
Exercises about several passages, made from what single ones say, and by counting and comparing.

=========  ====================  ============================================================
task       ability (M4LE)        asked
=========  ====================  ============================================================
hinted     explicit single       an exercise about a passage that is named
where      semantic single       which passage holds a sentence
both       explicit multiple     an exercise about each of two passages that are named
terms      semantic multiple     what two terms mean that two passages define
mention    semantic multiple     which passages hold a word
order      global                in which order the passages stand
count      global                how many passages hold a word
=========  ====================  ============================================================
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple, TypeVar

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
# Exercises that make sense with the name of their passage in front. What a sentence that is asked for needs
# around it stands in the question.
HINTED = ("definition", "cause", "effect", "condition", "consequence", "enumeration", "entry", "completion")
ORDERED = 4  # names that are put in order, at most
STEM = 6  # letters; what begins alike may be a form of the word
MOST = 0.7  # share of the passages that hold a word that is asked for, at most
SHORTEST, LONGEST = 60, 300  # characters of a sentence that is looked for
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
    """An exercise, and the passages that hold its answer, by number."""

    task: str
    question: str
    answer: str
    gold: tuple[int, ...]


def wordings(prompt: Prompt) -> Wordings:
    """
    Check the fields of a file of wordings.

    Raises
    ------
    UserError
        When a list is missing or there is one too many.
    """
    return prompt.checked(Wordings, "compare prompts/long_spans/en.yaml")


def findings(
    gathering: Gathering, known: Wordings, language: Language, earlier: Exercises, seed: int
) -> list[Finding]:
    """
    List what can be asked about gathered passages.

    `earlier` are exercises that were written about them; each stands in front of the mined ones.
    """
    defining = language.only(["definition"])
    sides = [
        _Side(row, name, language, defining, earlier.get(row["id"], []), seed)
        for row, name in zip(gathering.passages, gathering.names, strict=True)
    ]
    draw = _Draw(gathering.passages[0]["id"], seed)
    found = [
        *_hinted(sides, known, draw),
        *_where(sides, known, draw),
        *_both(sides, known, draw),
        *_terms(sides, known, draw),
        *_words(sides, known, draw),
        *_order(sides, known, draw),
    ]
    return [one for one in found if one.question.strip() and one.answer.strip()]


class _Draw:
    """Draws templates by hash."""

    def __init__(self, *parts: Any) -> None:
        self._parts = [str(part) for part in parts]

    def of(self, options: Sequence[Any], *about: str) -> Any:
        return pick(options, *self._parts, *about)

    def shuffled(self, items: Iterable[T], *about: str) -> list[T]:
        return sorted(items, key=lambda item: content_id(*self._parts, *about, str(item)))


class _Side:
    """One of the passages: its sentences, its exercises, the terms it defines, the words it holds."""

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
        self.facts: list[Exercise] = [*earlier, *exercises_of(row, language, frozenset(), MINING, seed)[0]]
        defined = miners.within_sentences(self.sentences, defining, seed)
        self.terms = {found.values["term"]: found.values["definition"] for found in defined}
        self.line = " ".join(self.text.casefold().split())
        words = {word.lower() for word in language.keyword.findall(self.text)}
        self.words = words - language.general
        self.stems = {word[:STEM] for word in ANSWERS(f"{name} {self.text}")}


def _hinted(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    for number, side in enumerate(sides):
        if _is_alone(side.name, sides):
            for fact in side.facts:
                template = draw.of(known.hinted, "hinted", fact.question)
                asked = fill(template, name=side.name, question=fact.question)
                yield Finding("hinted", asked, fact.answer, (number,))


def _where(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    for number, side in enumerate(sides):
        for sentence in side.sentences:
            said = " ".join(sentence.text.casefold().split())
            if sentence.clear and sum(said in other.line for other in sides) == 1:
                template = draw.of(known.where, "where", sentence.text)
                yield Finding("where", fill(template, sentence=sentence.text), side.name, (number,))


def _both(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    """Ask the same kind of thing of two passages that follow each other among those with such an exercise."""
    by_task: dict[str, list[tuple[int, Exercise]]] = defaultdict(list)
    for number, side in enumerate(sides):
        for fact in side.facts:
            if not by_task[fact.task] or by_task[fact.task][-1][0] != number:
                by_task[fact.task].append((number, fact))
    for facts in by_task.values():
        for (one, first), (other, second) in zip(facts[::2], facts[1::2], strict=False):
            names = {"first": sides[one].name, "second": sides[other].name}
            if first.answer != second.answer and all(_is_alone(name, sides) for name in names.values()):
                template = draw.of(known.both, "both", first.question)
                asked = fill(template, **names, question=first.question, other=second.question)
                answer = fill(known.both_answers, first=first.answer, second=second.answer)
                yield Finding("both", asked, answer, (one, other))


def _is_alone(name: str, sides: list[_Side]) -> bool:
    """Tell whether no longer name begins or goes on with this one."""
    return sum(name in side.name for side in sides) == 1


def _terms(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    """Ask for two terms, each of which one passage alone defines and no other one quotes."""
    defined = []
    for number, side in enumerate(sides):
        for term, definition in side.terms.items():
            quoted = re.compile(rf"[“\"*]{re.escape(term)},?[”\"*]", re.IGNORECASE)
            others = [other for other in sides if other is not side]
            if not any(quoted.search(o.text) or term in o.terms for o in others):
                defined.append((number, term, definition))
    for (one, first, said), (other, second, also) in combinations(defined[:ORDERED], 2):
        if one != other:
            asked = fill(draw.of(known.terms, "terms", first), first=first, second=second)
            yield Finding("terms", asked, fill(known.both_answers, first=said, second=also), (one, other))


def _words(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    """
    Ask which passages hold a word, or how many: some but not most of them, the others no form of it.

    One of each is found for every number of passages, so that no number is the usual answer.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for number, side in enumerate(sides):
        for word in side.words:
            holders[word].append(number)
    by_count: dict[int, list[str]] = defaultdict(list)
    for word in sorted(holders, key=lambda word: (-len(word), word)):  # long ones are seldom everyday words
        held = len(holders[word])
        if held <= MOST * len(sides) and sum(word[:STEM] in side.stems for side in sides) == held:
            by_count[held].append(word)
    for held, words in by_count.items():
        tasks = ("count", "mention")[: min(held, 2)]  # a word in one passage is only counted
        for task, word in zip(tasks, draw.shuffled(words[:ORDERED], str(held)), strict=False):
            names = "\n".join(sides[number].name for number in holders[word])
            asked = fill(draw.of(getattr(known, task), task, word), word=word, all=len(sides))
            yield Finding(task, asked, names if task == "mention" else str(held), tuple(holders[word]))


def _order(sides: list[_Side], known: Wordings, draw: _Draw) -> Iterator[Finding]:
    shuffled = draw.shuffled(range(len(sides)), "order")[:ORDERED]
    names = "\n".join(f"- {sides[number].name}" for number in shuffled)
    answer = "\n".join(sides[number].name for number in sorted(shuffled))
    yield Finding("order", fill(draw.of(known.order, "order"), names=names), answer, tuple(sorted(shuffled)))
