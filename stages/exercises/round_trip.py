"""
The round trip: a pair is kept only if its question leads back to an answer, and only from its passage.

The model that wrote the question is shown it again, without the answer, twice: with its own passage,
where it must return the answer (the filter of Alberti et al. 2019, arXiv 1906.05416, and of PAQ, arXiv
2102.07033), and with a neighbouring passage that does not hold the answer, where it must not: a question
that is answered without its passage is answered from memory, or gives its answer away.
"""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from rapidfuzz import fuzz

from datagen.request import Answer, Reject, Request
from datagen.stage import Context
from datagen.stages.exercises.pair import Pair
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage

TASK = "round_trip"
OWN, OTHER = "own", "other"

# Says which pair a returned answer bears out: pair, answer, passage, least agreement -> pair, or Reject.
Confirm = Callable[[Pair, str, Passage, float], Pair]


class Neighbours:
    """The passages of a partition, as neighbours of each other."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = {str(passage.row["id"]): passage for passage in passages}

    @cached_property
    def _ring(self) -> list[str]:
        # Ids are hashes of content, so that their order is a drawn one that an added passage hardly changes.
        return sorted(self._passages)

    @cached_property
    def _documents(self) -> dict[str, list[str]]:
        documents: dict[str, list[str]] = {}
        for key, passage in self._passages.items():
            documents.setdefault(passage.row["document_id"], []).append(key)
        for keys in documents.values():
            keys.sort(key=lambda key: self._passages[key].row["index"])
        return documents

    @cached_property
    def _said(self) -> dict[str, str]:
        return {key: _line(passage.text) for key, passage in self._passages.items()}

    def of(self, passage: Passage, answer: str) -> Passage | None:
        """
        Return the nearest passage that does not hold an answer; None where all of them hold it.

        That is the next one in the document, round to its beginning, and else one of another document.
        """
        key = passage.row["id"]
        siblings = self._documents[passage.row["document_id"]]
        place, spot = siblings.index(key) + 1, bisect(self._ring, key)
        near = chain(siblings[place:], siblings[: place - 1])
        far = chain(self._ring[spot:], self._ring[: spot - 1])
        found = (one for one in chain(near, far) if one != key and _line(answer) not in self._said[one])
        return next((self._passages[one] for one in found), None)


def _line(text: str) -> str:
    return f" {' '.join(words_of(text))} "


def ask(
    draft: Answer, pair: Pair, passage: Passage, neighbours: Neighbours, context: Context
) -> Iterator[Request]:
    """Write the requests that show a draft's question with its own passage and with a neighbouring one."""
    prompt = context.prompt(passage_qa.PROMPT)
    for which, shown in ((OWN, passage), (OTHER, neighbours.of(passage, pair["answer"]))):
        if shown is not None:
            yield passage_qa.ask(
                prompt,
                passage.row["id"],
                task=TASK,
                question=pair["question"],
                passage=shown.text,
                heading=shown.heading,
                about=_about(draft, which),
            )


def returned(draft: Answer, trips: dict[str, Answer]) -> list[Answer]:
    """List what came back for a draft: from its own passage, and from its neighbour if it has one."""
    found = (trips.get(_about(draft, which)) for which in (OWN, OTHER))
    return [answer for answer in found if answer is not None]


def settle(
    pair: Pair,
    trip: Sequence[Answer],
    confirm: Confirm,
    passage: Passage,
    context: Context,
    agreement: float,
) -> Pair:
    """
    Give a pair the answer that comes back from its passage; refuse one that none does, or does without it.

    `trip` is what `returned` gives; two answers are the same that agree by `agreement`, from 0 to 1.
    """
    if not trip:
        raise Reject("no round trip", pair["question"])
    if passage_qa.left_open(trip[0].text, context.prompt(passage_qa.PROMPT)):
        raise Reject("round trip finds no answer", f"{pair['question']} {pair['answer']}")
    pair = confirm(pair, trip[0].text, passage, agreement)
    question, answer = pair["question"], pair["answer"]
    for other in trip[1:]:
        if (
            matching.likeness(other.text, answer, question, passage.words.stop, language=passage.words)
            >= agreement
        ):
            raise Reject("answered without its passage", f"{question} {answer}, from another: {other.text}")
    return pair


def agree(said: str, answer: str, question: str, words: Language) -> float:
    """
    Say how well what came back agrees with the marked answer, from 0 to 1.

    `matching.likeness`, and in both directions: a sentence that holds the answer somewhere is not the
    answer. The latter is the Indel similarity of the words without stop words, which is their ROUGE-L F1.
    """
    wanted, given = (
        matching.words(text, words.stop, language=words) or matching.words(text, language=words)
        for text in (answer, said)
    )
    if wanted and wanted == given:
        return 1.0
    return min(
        matching.likeness(said, answer, question, words.stop, language=words), fuzz.ratio(wanted, given) / 100
    )


def _about(draft: Answer, which: str) -> str:
    return f"{which} {draft.completion.key}"
