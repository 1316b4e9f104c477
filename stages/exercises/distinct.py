"""Pairs of a passage that ask for the same thing: one of them is enough."""

from collections.abc import Collection, Iterator, Sequence

from datagen.request import Reject
from datagen.stages.exercises.pair import Pair, Written
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage


def distinct(written: Sequence[Written], marked: Collection[str], passage: Passage) -> Iterator[Written]:
    """Yield the exercises, with the pairs of these tasks rejected that repeat another one."""
    longest: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, (task, _, pair) in enumerate(written):
        if task in marked and not isinstance(pair, Reject):
            size = len(passage.words.content(pair["question"]))
            for same in _sames(pair):
                longest[same] = max(longest.get(same, (0, 0)), (size, -place))
    for place, (task, answers, pair) in enumerate(written):
        if isinstance(pair, Reject) or task not in marked:
            yield task, answers, pair
            continue
        first = all(longest[same][1] == -place for same in _sames(pair))
        yield task, answers, pair if first else Reject("repeated", pair["question"])


def _sames(pair: Pair) -> Iterator[tuple[str, ...]]:
    """Yield what two pairs that repeat each other have in common: the question, or sentence and answer."""
    yield (" ".join(words_of(pair["question"])),)
    yield pair["evidence"], " ".join(words_of(pair["answer"]))
