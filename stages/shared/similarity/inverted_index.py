"""An inverted index of passages: which fit a question as well, and which share rare words."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from datagen.stages.shared.language.rules import Language

RARE = 12  # passages that a word stands in at most, for it to relate them


class Postings:
    """
    The passages that each content word stands in.

    Parameters
    ----------
    passages
        Their texts, each with what is known of its language.
    """

    def __init__(self, passages: Mapping[str, Language]) -> None:
        self._language = passages
        self._number = {text: number for number, text in enumerate(passages)}
        self._texts = list(self._number)
        self._holding: dict[str, set[int]] = defaultdict(set)
        for text, number in self._number.items():
            for word in passages[text].content(text):
                self._holding[word].add(number)

    def fits_others(self, question: str, passage: str) -> int:
        """
        Count the other passages that a question fits as well as its own.

        They hold each of its content words that its own passage holds. A question without such words fits
        them all.
        """
        own = self._number[passage]
        fitting = set(self._number.values())
        for word in set(self._language[passage].content(question)):
            if own in self._holding[word]:
                fitting &= self._holding[word]
        return len(fitting - {own})

    def most_held(self, text: str, language: Language) -> float:
        """
        Give the share of a text's content words that the passage which holds most of them holds.

        A text without such words gives 1: nothing tells it from any passage.
        """
        wanted = set(language.content(text))
        held = Counter(number for word in wanted for number in self._holding.get(word, ()))
        return max(held.values(), default=0) / len(wanted) if wanted else 1.0

    def related(self, passage: str) -> list[str]:
        """
        List the passages that share rare words with one of them, the nearest first.

        A word weighs the less the more passages it stands in, and nothing from `RARE` on.
        """
        own = self._number[passage]
        weight: dict[int, float] = defaultdict(float)
        for word in set(self._language[passage].content(passage)):
            holding = self._holding[word]
            if 1 < len(holding) <= RARE:
                for number in holding:
                    weight[number] += 1 / (len(holding) - 1)
        weight.pop(own, None)
        return [self._texts[number] for number in sorted(weight, key=lambda n: (-weight[n], self._texts[n]))]
