"""
Round-trip check: a pair is kept only if its question leads back to the answer, and only with its passage.

The model that wrote the question answers it twice: with the question's own passage, where it must return the
answer (the filter of Alberti et al. 2019, arXiv 1906.05416, and of PAQ, arXiv 2102.07033), and with another
text that does not contain the answer, where it must not. A question that is answered without its passage is
answered from memory, or gives its answer away.

The other text depends on the document alone, so that the request stays the same with other documents around.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from rapidfuzz import fuzz

from datagen.request import Answer, Reject, Request
from datagen.schema import content_id
from datagen.stage import Context
from datagen.stages.exercises.pair import Pair
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Language, language_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage

TASK = "round_trip"
OWN, OTHER = "own", "other"

# Returns the pair that a returned answer ("": none) confirms: pair, answer, passage, least agreement -> pair,
# or Reject.
Confirm = Callable[[Pair, str, Passage, float], Pair]


class Neighbours:
    """The passages of whole documents, as neighbours of each other."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = {str(passage.row["id"]): passage for passage in passages}

    @cached_property
    def _documents(self) -> dict[str, list[str]]:
        documents: dict[str, list[str]] = {}
        for key, passage in self._passages.items():
            documents.setdefault(passage.row["document_id"], []).append(key)
        for keys in documents.values():
            keys.sort(key=lambda key: self._passages[key].row["index"])
        return documents

    @cached_property
    def _lines(self) -> dict[str, str]:
        return {key: _line(passage.text) for key, passage in self._passages.items()}

    def of(self, passage: Passage, answer: str) -> tuple[str, str] | None:
        """
        Return the heading and the text of something that does not contain an answer; None if all contain it.

        That is the next such passage of the document, wrapping around at its end. If there is none, it is one
        of the unrelated texts of the language, without a heading.
        """
        siblings = self._documents[passage.row["document_id"]]
        place = siblings.index(passage.row["id"])
        for key in chain(siblings[place + 1 :], siblings[:place]):
            if _line(answer) not in self._lines[key]:
                return self._passages[key].heading, self._passages[key].text
        texts = passage.words.unrelated or language_of(passage_qa.LANGUAGE).unrelated
        for text in sorted(texts, key=lambda text: content_id(passage.row["id"], text)):
            if _line(answer) not in _line(text):
                return "", text
        return None


def _line(text: str) -> str:
    return f" {' '.join(words_of(text))} "


def ask(
    draft: Answer, pair: Pair, passage: Passage, neighbours: Neighbours, context: Context
) -> Iterator[Request]:
    """Write the requests that ask a draft's question of its own passage and of another text."""
    prompt = context.prompt(passage_qa.PROMPT)
    own, other = (passage.heading, passage.text), neighbours.of(passage, pair["answer"])
    for which, shown in ((OWN, own), (OTHER, other)):
        if shown is not None:
            heading, text = shown
            yield passage_qa.ask(
                prompt,
                passage.row["id"],
                task=TASK,
                question=pair["question"],
                passage=text,
                heading=heading,
                about=_about(draft, which),
            )


def returned(draft: Answer, trips: dict[str, Answer]) -> list[Answer]:
    """List the returned answers to a draft: with its own passage, and with another text if there is one."""
    answers = (trips.get(_about(draft, which)) for which in (OWN, OTHER))
    return [answer for answer in answers if answer is not None]


def settle(
    pair: Pair,
    trip: Sequence[Answer],
    confirm: Confirm,
    passage: Passage,
    context: Context,
    agreement: float,
) -> Pair:
    """
    Return the pair with the answer that its own passage returns.

    `trip` is the result of `returned`; answers are equal if they agree by at least `agreement`, in [0, 1].

    Raises
    ------
    Reject
        If the own passage returns no matching answer, or another text returns it too.
    """
    if not trip:
        raise Reject("no round trip", pair["question"])
    text = trip[0].text
    left_open = passage_qa.left_open(text, context.prompt(passage_qa.PROMPT))
    pair = confirm(pair, "" if left_open else text, passage, agreement)
    question, answer = pair["question"], pair["answer"]
    for other in trip[1:]:
        if (
            matching.likeness(other.text, answer, question, passage.words.stop, language=passage.words)
            >= agreement
        ):
            raise Reject("answered without its passage", f"{question} {answer}, from another: {other.text}")
    return pair


def agree(reply: str, answer: str, question: str, language: Language) -> float:
    """
    Compute the agreement of a returned answer with the marked one, in [0, 1].

    The minimum of `matching.likeness` and the Indel similarity of the words without stop words, which equals
    their ROUGE-L F1. The latter is symmetric: a sentence that contains the answer is not the answer.
    """
    expected, returned_words = (
        matching.words(text, language.stop, language=language) or matching.words(text, language=language)
        for text in (answer, reply)
    )
    if expected and expected == returned_words:
        return 1.0
    likeness = matching.likeness(reply, answer, question, language.stop, language=language)
    return min(likeness, fuzz.ratio(expected, returned_words) / 100)


def _about(draft: Answer, which: str) -> str:
    return f"{which} {draft.completion.key}"
