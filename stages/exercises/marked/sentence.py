"""A sentence as the candidate rules see it: words with their positions, and tests of single words."""

import re
from collections.abc import Collection

from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import COMPOUND, NUMBER, case_folded

MOST, LONGEST_WHOLE = 15, 24  # words of an answer, and of an answer that covers most of its sentence
PHRASE = 6  # words of a term, of a subject, or of the phrase at the end of a clause

INITIALS = re.compile(r"(?:\w\.)+\w")  # U.S, before its final full stop
MARKED = re.compile(
    r"(?<!\w)(?:“([^“”]+)”|\"([^\"]+)\"|(?<!`)`+([^`]+)`+|(?<!\*)\*+(?! )([^*]+)(?<! )\*+)(?!\w)"
)
YEAR = re.compile(r"1\d{3}|20\d{2}")
ROMAN = re.compile(r"[ivxlc]+")
PAUSE = re.compile(r"[,;:\[\]—–]|\((?!\))|(?<!\()\)| - |(?<![.!?。！？])[.!?。！？]+[\"”’)]*\Z")

Span = tuple[int, int, str]  # start and end in the sentence, in code points, and the kind of candidate


class Sentence:
    """A sentence for the rules: its line, its words and their positions."""

    def __init__(self, line: str, language: Language) -> None:
        self.line, self.words = line, language
        self.spans = COMPOUND.spans(line)
        self.tokens = [line[start:end] for start, end in self.spans]
        self.folded = [case_folded(token) for token in self.tokens]
        self.auxiliaries = language.verbs | language.modals
        self._small = language.stop | language.modals | language.prepositions

    def __len__(self) -> int:
        return len(self.tokens)

    def word(self, place: int) -> str:
        """Return a word, case-folded; "" if there is none."""
        return self.folded[place] if 0 <= place < len(self) else ""

    def adjoins(self, place: int) -> bool:
        """Check whether only a space separates this word from the previous one."""
        return 0 < place < len(self) and self.line[self.spans[place - 1][1] : self.spans[place][0]] == " "

    def small(self, place: int) -> bool:
        """Check whether a word is a function word, which ends or opens a noun phrase."""
        return self.word(place) in self._small

    def capital(self, place: int) -> bool:
        """Check whether a word is capitalised."""
        return place < len(self) and self.tokens[place][0].isupper()

    def number(self, place: int) -> bool:
        """Check whether a word is a number, in digits or letters."""
        word = self.word(place)
        return bool(NUMBER.fullmatch(word)) or (word in self.words.numerals and word not in self.words.vague)

    def opens(self, place: int, phrases: Collection[str]) -> int:
        """Return the length in words of the longest phrase that starts at this word; 0 for none."""
        here = " ".join(self.folded[place : place + 6]) + " "
        return max((phrase.count(" ") + 1 for phrase in phrases if here.startswith(f"{phrase} ")), default=0)

    def pause(self, place: int) -> int:
        """Return the end of the clause that contains a word, in code points."""
        pause = PAUSE.search(self.line, self.spans[min(place, len(self) - 1)][1])
        return pause.start() if pause else len(self.line)

    def span(self, first: int, last: int, kind: str) -> Span:
        """Return the span from one word to another, inclusive."""
        return self.spans[first][0], self.spans[last][1], kind


def runs_on(sentence: Sentence, place: int) -> bool:
    """Check whether the next word continues the noun phrase, judging by function words."""
    after = place + 1
    return (
        sentence.adjoins(after)
        and not sentence.small(after)
        and sentence.word(after) not in sentence.words.verbs | sentence.words.relative
    )
