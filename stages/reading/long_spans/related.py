"""Group passages into long texts: passages of one document, or passages that share rare words."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from datagen.rows import PassageRow
from datagen.schema import fraction
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.inverted_index import Postings

FULL = 0.75  # minimum share of the target length that the passages fill
ROOM = 0.85  # maximum share of the target length for passages; the rest is for exercises
FEWEST = 2  # passages in a text
TRIES = 50  # consecutive failures after which a target length is abandoned

Passage = PassageRow


class Plan(NamedTuple):
    """Target lengths, and the share of texts that prefer shared rare words; 0: no text spans documents."""

    lengths: Sequence[int]
    across_documents: float


class Gathering(NamedTuple):
    """The passages of a long text in corpus order, their distinct names, and the length limit of the text."""

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
    Group passages into long texts, each passage into at most one.

    A passage drawn by hash starts a text. Related passages join it first, then, as distractors, the passages
    that follow it in the corpus, so that long texts are as frequent as short ones. The passages of a text are
    in corpus order. The target lengths alternate.

    Parameters
    ----------
    passages
        Rows of passages in corpus order.
    lengths
        Tokens of each passage.
    plan
        The target lengths, and the share of texts across documents.
    languages
        Language rules of each passage.
    seed
        The seed of the recipe.
    """
    relations = _Relations(passages, languages)
    names = [name_of(passage) for passage in passages]
    free = [number for number, name in enumerate(names) if name]
    targets = deque(plan.lengths)  # the next one first
    failures = 0
    for first in sorted(free, key=lambda n: fraction("begins", passages[n]["id"], str(seed))):
        if not _contains(free, first) or not targets:
            continue
        across = fraction("across", passages[first]["id"], str(seed)) < plan.across_documents
        others: Iterator[int] = relations.same_document(first)
        if plan.across_documents:
            near = relations.sharing_words(first)
            related = chain(near, others) if across else chain(others, near)
            others = chain(related, _following(first, free))
        least, most = FULL * targets[0], ROOM * targets[0]
        members, size = [first], lengths[first]
        used_names = {names[first]}
        for other in others:
            if size >= least and len(members) >= FEWEST:
                break
            if names[other] not in used_names and size + lengths[other] <= most and _contains(free, other):
                members.append(other)
                used_names.add(names[other])
                size += lengths[other]
        if least <= size <= most and len(members) >= FEWEST:
            members.sort()
            for number in members:
                del free[bisect_left(free, number)]
            limit = targets[0]
            targets.rotate(-1)
            failures = 0
            yield Gathering([passages[n] for n in members], [names[n] for n in members], limit)
        elif len(members) > 1 and (failures := failures + 1) == TRIES:
            targets.popleft()
            failures = 0


def _contains(numbers: list[int], number: int) -> bool:
    """Return whether sorted numbers contain a number."""
    at = bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number


def _following(first: int, free: list[int]) -> Iterator[int]:
    """List the passages that follow in the corpus, wrapping around at its end."""
    start = bisect_left(free, first)
    return (free[(start + step) % len(free)] for step in range(1, len(free)))


def name_of(passage: Passage) -> str:
    """Join the title and the headings of a passage, without duplicates."""
    names = [passage["title"] or "", *(passage["section"] or ())]
    return " > ".join(name for name in dict.fromkeys(names) if name.strip())


class _Relations:
    """Which passages share a document or rare words."""

    def __init__(self, passages: Sequence[Passage], languages: Sequence[Language]) -> None:
        self._texts = [passage["text"] for passage in passages]
        self._number = {text: number for number, text in enumerate(self._texts)}
        self._postings = Postings(dict(zip(self._texts, languages, strict=True)))
        self._documents = [passage["document_id"] for passage in passages]
        self._members: dict[str, list[int]] = defaultdict(list)
        for number, document in enumerate(self._documents):
            self._members[document].append(number)

    def same_document(self, first: int) -> Iterator[int]:
        """List the passages of the same document, the nearest first."""
        return iter(sorted(self._members[self._documents[first]], key=lambda n: (abs(n - first), n)))

    def sharing_words(self, first: int) -> Iterator[int]:
        """List the passages that share rare words, the most similar first."""
        return (self._number[text] for text in self._postings.related(self._texts[first]))
