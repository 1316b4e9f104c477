"""An inverted index of passages, to find those that fit a question and those that share rare words."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from datagen.stages.shared.language.rules import Language

RARE = 12  # maximum passages with a word that relates them


class Postings:
    """
    The passages that contain each content word.

    Parameters
    ----------
    passages
        Their texts, each with the rules of its language.
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

        They contain all of the question's content words that its own passage contains. A question without
        such words fits all passages.
        """
        own = self._number[passage]
        fitting = set(self._number.values())
        for word in set(self._language[passage].content(question)):
            if own in self._holding[word]:
                fitting &= self._holding[word]
        return len(fitting - {own})

    def most_held(self, text: str, language: Language) -> float:
        """
        Return the largest share of a text's content words in one passage.

        1 for a text without content words, which cannot be distinguished from any passage.
        """
        content = set(language.content(text))
        held = Counter(number for word in content for number in self._holding.get(word, ()))
        return max(held.values(), default=0) / len(content) if content else 1.0

    def related(self, passage: str) -> list[str]:
        """
        List the passages that share rare words with a passage, the most similar first.

        The weight of a word decreases with the number of passages that contain it; above `RARE` it is 0.
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
