"""Which passages stand together in a long text: those of a document, or those that share rare words."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from datagen.schema import fraction
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.inverted_index import Postings

FULL = 0.75  # of its length that the passages of a text reach
ROOM = 0.85  # of its length that they have; the rest is for exercises
FEWEST = 2  # passages in a text
TRIES = 50  # texts in a row that do not reach a length, after which it is given up

Passage = Mapping[str, Any]  # a row of passages


class Plan(NamedTuple):
    """How long texts are, and the share of them that begins with rare words; 0: none spans documents."""

    lengths: Sequence[int]
    across_documents: float


class Gathering(NamedTuple):
    """Passages of a long text in their order, their names, all different, and the text's longest length."""

    passages: list[Passage]
    names: list[str]
    limit: float = float("inf")


def gather(
    passages: Sequence[Passage],
    lengths: Sequence[float],
    plan: Plan,
    languages: Sequence[Language],
    seed: int,
) -> Iterator[Gathering]:
    """
    Gather passages, each into one text at most.

    A passage that is drawn by hash begins a text; others join it, the related ones first and then, so that
    long texts are as frequent as short ones, those that follow it in the corpus: they are there to be
    passed over. All stand in the corpus's order. The lengths take turns.

    Parameters
    ----------
    passages
        Rows of passages in the corpus's order.
    lengths
        Tokens of each.
    plan
        What is gathered.
    languages
        What is known of the language of each.
    seed
        The recipe's seed.
    """
    kin = _Kin(passages, languages)
    names = [name_of(one) for one in passages]
    free = [number for number, name in enumerate(names) if name]
    wanted = deque(plan.lengths)  # the next one first
    failed = 0
    for first in sorted(free, key=lambda n: fraction("begins", passages[n]["id"], str(seed))):
        if not _holds(free, first) or not wanted:
            continue
        drawn = fraction("across", passages[first]["id"], str(seed))
        others: Iterator[int] = kin.within(first)
        if plan.across_documents:
            near = kin.sharing(first)
            related = chain(near, others) if drawn < plan.across_documents else chain(others, near)
            others = chain(related, _following(first, free))
        chosen, taken, size = [first], {names[first]}, lengths[first]
        least, most = FULL * wanted[0], ROOM * wanted[0]
        for other in others:
            if size >= least and len(chosen) >= FEWEST:
                break
            if names[other] not in taken and size + lengths[other] <= most and _holds(free, other):
                chosen.append(other)
                taken.add(names[other])
                size += lengths[other]
        if least <= size <= most and len(chosen) >= FEWEST:
            chosen.sort()
            for number in chosen:
                del free[bisect_left(free, number)]
            limit = wanted[0]
            wanted.rotate(-1)
            failed = 0
            yield Gathering([passages[n] for n in chosen], [names[n] for n in chosen], limit)
        elif len(chosen) > 1 and (failed := failed + 1) == TRIES:
            wanted.popleft()
            failed = 0


def _holds(free: list[int], number: int) -> bool:
    at = bisect_left(free, number)
    return at < len(free) and free[at] == number


def _following(first: int, free: list[int]) -> Iterator[int]:
    """Go on in the corpus from a passage, and from its end to its beginning."""
    start = bisect_left(free, first)
    return (free[(start + step) % len(free)] for step in range(1, len(free)))


def name_of(passage: Passage) -> str:
    """Join the title and the headings above a passage, each once."""
    names = [passage["title"] or "", *(passage["section"] or ())]
    return " > ".join(name for name in dict.fromkeys(names) if name.strip())


class _Kin:
    """Who is related to whom."""

    def __init__(self, passages: Sequence[Passage], languages: Sequence[Language]) -> None:
        self._texts = [one["text"] for one in passages]
        self._number = {text: number for number, text in enumerate(self._texts)}
        self._postings = Postings(dict(zip(self._texts, languages, strict=True)))
        self._document: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(passages):
            self._document[one["document_id"]].append(number)
        self._documents = [one["document_id"] for one in passages]

    def within(self, first: int) -> Iterator[int]:
        """List the passages of the same document, the nearest first."""
        return iter(sorted(self._document[self._documents[first]], key=lambda n: (abs(n - first), n)))

    def sharing(self, first: int) -> Iterator[int]:
        """List the passages that share rare words with one, the nearest first."""
        return (self._number[text] for text in self._postings.related(self._texts[first]))
