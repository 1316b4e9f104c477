"""
What a model is asked: the right answer among distractors of its kind, all of which occur in trained text.

cloze
    A sentence of a passage up to an answer that a rule found; every arm has trained that sentence, or none.
reworded
    A question about such a sentence, made by rule; no arm has trained it.
question
    A question of the hand-off that was held back: its knowledge test, and pairs held back for the proof.

An item whose question was trained by any arm is left out. An item is *seen* when a trained pair about its
passage has its sentence as evidence or has its answer: pairs teach their own facts before all others.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from datagen.evaluate.prove.material import Material, Pair
from datagen.evaluate.prove.settings import CLOZE_ITEMS, DISTRACTORS
from datagen.schema import content_id, fraction
from datagen.stages.exercises.marked.candidates import candidates
from datagen.stages.handoff.mix.questions import LONGEST_ANSWER, same, shape
from datagen.stages.shared.language.rules import Language, code_of, language_of
from datagen.stages.shared.passage import Passage
from datagen.synthesizer.questions import question_to

Family = Literal["cloze", "reworded", "question"]
LEAST_WORDS = 3  # before the gap of a cloze item
MARKS = "\"'`*“‘(["  # that may stand right before it


@dataclass(frozen=True)
class Item:
    """
    A question with its choices.

    Parameters
    ----------
    id
        Hash of its content.
    family
        Where it comes from.
    passage
        Id of the passage that answers it.
    ask
        The beginning of a sentence, with the blank before the gap where there is one; or a question.
    choices
        The right answer first, then the distractors.
    sentence
        The sentence that answers it; "" where it is not known.
    kind
        Kind of the answer: the rule that found it, or "".
    seen
        Whether a trained pair has its fact.
    """

    id: str
    family: Family
    passage: str
    ask: str
    choices: tuple[str, ...]
    sentence: str = ""
    kind: str = ""
    seen: bool = False

    @property
    def answer(self) -> str:
        """The right answer."""
        return self.choices[0]


class Rules:
    """
    Items that rules make of passages, each passage read once.

    Parameters
    ----------
    seed
        Draws the cloze items of a passage.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._known: dict[str, tuple[list[Item], list[Item]]] = {}

    def items(self, row: Mapping[str, Any]) -> list[Item]:
        """Give the cloze items of a passage, drawn by hash, and a question by rule for each sentence."""
        return self._of(row)[0]

    def answers(self, row: Mapping[str, Any]) -> list[Item]:
        """Give everything that may be an answer in a passage, as cloze items, for distractors."""
        return self._of(row)[1]

    def _of(self, row: Mapping[str, Any]) -> tuple[list[Item], list[Item]]:
        if row["id"] not in self._known:
            self._known[row["id"]] = _of_passage(row, self._seed)
        return self._known[row["id"]]


def held_back(pairs: Sequence[Pair], share: float, seed: str) -> tuple[list[Pair], list[Pair]]:
    """Split pairs into those that are trained and those that are asked, by a draw of the question."""
    asked = [fraction("asked", seed, same(pair.question)) < share for pair in pairs]
    return (
        [pair for pair, held in zip(pairs, asked, strict=True) if not held],
        [pair for pair, held in zip(pairs, asked, strict=True) if held],
    )


def make(
    rules: Rules,
    material: Material,
    held: Sequence[Pair],
    facts: Sequence[Pair],
    trained: Sequence[Pair],
    texts: Iterable[str],
    seed: str,
) -> tuple[list[Item], dict[str, int]]:
    """
    Make the items of a draw of passages.

    Parameters
    ----------
    rules
        What makes items of passages.
    material
        The drawn passages.
    held
        Pairs about them that no arm trains.
    facts
        Pairs that the arm `pairs` trains: an item with one of their facts is seen.
    trained
        All pairs that any arm trains.
    texts
        All texts that any arm trains.
    seed
        Draws distractors.

    Returns
    -------
    items, left out
        And of those left out the number for each reason.
    """
    passages = material.passages.values()
    raw = [item for row in passages for item in rules.items(row)] + [_of_pair(pair) for pair in held]
    left: Counter[str] = Counter()
    clean = _decontaminated(raw, material, trained, texts, left)
    offered = pools(item for row in passages for item in rules.answers(row))
    known = _facts(facts)
    found: dict[str, Item] = {}
    for item in clean:
        text = material.passages[item.passage]["text"]
        if same(item.answer) not in same(text):
            left["answer is not in its passage"] += 1
        elif len(others := distractors(item, offered, seed)) < DISTRACTORS:
            left["too few distractors of its kind"] += 1
        elif item.id in found:
            left["asked twice"] += 1
        else:
            seen = _is_seen(item, known)
            found[item.id] = replace(item, choices=(item.answer, *others), seen=seen)
    return sorted(found.values(), key=lambda item: item.id), dict(left)


def _of_passage(row: Mapping[str, Any], seed: str) -> tuple[list[Item], list[Item]]:
    passage = Passage(row, language_of(code_of(row)))
    marked = sorted(candidates(passage, 10_000), key=lambda one: content_id(seed, one.sentence, one.answer))
    answers: list[Item] = []
    cloze: list[Item] = []
    reworded: list[Item] = []
    asked: set[str] = set()
    for one in marked:
        before = one.sentence.partition(one.answer)[0]
        kind = one.kind if before[-1:] in ("", " ") else f"marked {one.kind}"
        item = _item("cloze", row["id"], before, one.answer, one.sentence, kind)
        answers.append(item)
        if _has_gap(one.sentence, one.answer) and len(cloze) < CLOZE_ITEMS:
            cloze.append(item)
        question = question_to(one, passage) if one.sentence not in asked else ""
        if question:
            asked.add(one.sentence)
            reworded.append(_item("reworded", row["id"], question, one.answer, one.sentence, one.kind))
    return [*cloze, *reworded], answers


def _has_gap(sentence: str, answer: str) -> bool:
    """Say whether an answer stands once in a sentence, behind some words and a blank or an opening mark."""
    before, found, _ = sentence.partition(answer)
    once = bool(found) and sentence.count(answer) == 1
    return once and before[-1:] in f" {MARKS}" and len(before.split()) >= LEAST_WORDS


def _of_pair(pair: Pair) -> Item:
    return _item("question", pair.passage, pair.question, pair.answer, pair.evidence, "")


def _item(family: Family, passage: str, ask: str, answer: str, sentence: str, kind: str) -> Item:
    return Item(content_id(family, passage, ask, answer), family, passage, ask, (answer,), sentence, kind)


def _decontaminated(
    items: Sequence[Item],
    material: Material,
    trained: Sequence[Pair],
    texts: Iterable[str],
    left: Counter[str],
) -> Iterator[Item]:
    """Leave out the questions that an arm trains, as a pair or inside a text."""
    languages = {id_: language_of(code_of(row)) for id_, row in material.passages.items()}
    exact = {same(pair.question) for pair in trained}
    alike = {_stems(pair.question, language_of(pair.language)) for pair in trained}
    written = "\n".join(f" {same(text)} " for text in texts)
    for item in items:
        if item.family == "cloze":
            yield item
        elif same(item.ask) in exact or _stems(item.ask, languages[item.passage]) in alike:
            left["question is trained as a pair"] += 1
        elif f" {same(item.ask)} " in written:
            left["question stands in a trained text"] += 1
        else:
            yield item


def _stems(text: str, language: Language) -> frozenset[str]:
    return frozenset(language.content(text)) or frozenset({same(text)})


Pool = dict[tuple[str, ...], list[str]]


def pools(items: Iterable[Item]) -> Pool:
    """List the answers of each kind; all stand in passages that every arm trains."""
    pools: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for item in items:
        for key in _keys(item):
            pools[key].add(item.answer)
    return {key: sorted(answers) for key, answers in pools.items()}


def _keys(item: Item) -> Iterator[tuple[str, ...]]:
    """Name the pools that an item's distractors may come from, the closest first."""
    form = (shape(item.answer), "capital" if item.answer[:1].isupper() else "small")
    if item.kind:
        yield (*form, item.kind)
    yield form


def distractors(item: Item, pools: Pool, seed: str) -> list[str]:
    """
    Draw wrong answers of the right one's kind and of about its length.

    None contains another or stands in the question or in the sentence that answers it.
    """
    right, size = same(item.answer), len(item.answer.split())
    avoid = f" {same(item.ask)} {same(item.sentence)} "
    chosen: list[str] = []
    taken = [right]
    if len(item.answer) > LONGEST_ANSWER:
        return chosen
    for key in _keys(item):
        for answer in sorted(pools.get(key, ()), key=lambda text: content_id(seed, item.id, text)):
            words = same(answer)
            if abs(len(answer.split()) - size) > 1 or not words or f" {words} " in avoid:
                continue
            if any(words in other or other in words for other in taken):
                continue
            chosen.append(answer)
            taken.append(words)
            if len(chosen) == DISTRACTORS:
                return chosen
    return chosen


Facts = dict[str, list[tuple[str, str]]]


def _facts(pairs: Sequence[Pair]) -> Facts:
    """List the sentence and answer of each pair, by passage."""
    facts: Facts = defaultdict(list)
    for pair in pairs:
        facts[pair.passage].append((same(pair.evidence), same(pair.answer)))
    return facts


def _is_seen(item: Item, facts: Facts) -> bool:
    sentence, answer = same(item.sentence), same(item.answer)
    return any(
        said == answer or (evidence and sentence and (evidence in sentence or sentence in evidence))
        for evidence, said in facts.get(item.passage, ())
    )
