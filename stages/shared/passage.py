"""
A passage as the checks use it: its words, its quotable sentences, and the location of quotes.

Words are split by script, without assuming English. Rules of a language are data:
`datagen.stages.shared.language.rules`.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TypeVar, cast

from datagen.rows import Row
from datagen.scripts import cluster
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import edges, words_of
from datagen.stages.shared.segment.sentences import ITEM, is_sentence, split_sentences, unwrap

T = TypeVar("T")

INITIAL = re.compile(r"[A-Z]\.\s+")
QUOTES = re.compile("[\"'`´‘’“”„«»]+")
SHORTEST, LONGEST = 6, 40  # words of a quotable sentence


class Passage:
    """
    A passage with the properties that the checks need.

    Parameters
    ----------
    row
        A row of passages.
    words
        The rules of its language.
    """

    def __init__(self, row: Row, language: Language) -> None:
        self.row, self.words, self.text = row, language, str(row["text"])
        self._results: dict[Callable[[Passage], object], object] = {}

    def once(self, find: Callable[["Passage"], T]) -> T:
        """Call a function of the passage, or return its cached result, which must not be modified."""
        if find not in self._results:
            self._results[find] = find(self)
        return cast(T, self._results[find])

    @cached_property
    def heading(self) -> str:
        """The title and the headings above the passage, without duplicates."""
        names = [self.row.get("title") or "", *(self.row.get("section") or ())]
        return " > ".join(name for name in dict.fromkeys(names) if name)

    @cached_property
    def content(self) -> frozenset[str]:
        """Stems of the content words of the passage and its headings."""
        return frozenset(self.words.content(f"{self.heading} {self.text}"))

    @cached_property
    def sentences(self) -> list[tuple[str, str]]:
        """The complete sentences without list markers: verbatim, and on one line."""
        spans = [_unmarked(self.text[start:end]) for start, end in split_sentences(self.text)]
        return [(span, line) for span in spans if is_sentence(line := unwrap(span))]

    @cached_property
    def quotable(self) -> list[str]:
        """The self-contained sentences of moderate length, on one line, without editorial notes."""
        return [line for line in dict.fromkeys(line for _, line in self.sentences) if self._is_quotable(line)]

    @cached_property
    def units(self) -> list[frozenset[str]]:
        """Stems of the content words of each sentence, list item, line of code, and of the headings."""
        spans = [self.text[start:end] for start, end in split_sentences(self.text)]
        return [frozenset(self.words.content(span)) for span in [self.heading, *spans]]

    def shares(self, content: Sequence[str]) -> list[float]:
        """
        Return the share of content words, given as stems, that each of `sentences` contains.

        The weight of a word decreases with the number of sentences that contain it: one that is in all of
        them, such as the passage's subject, identifies none.
        """
        weights = [1 / max(1, sum(word in sentence for sentence in self._stems)) for word in content]
        total = sum(weights) or 1.0
        return [
            sum(weight for word, weight in zip(content, weights, strict=True) if word in sentence) / total
            for sentence in self._stems
        ]

    @cached_property
    def _stems(self) -> list[frozenset[str]]:
        return [frozenset(self.words.content(line)) for _, line in self.sentences]

    @cached_property
    def _characters(self) -> str:
        return "".join(sorted(set(self.text)))

    def find(self, quote: str) -> str | None:
        """
        Find a quote in the passage and return it verbatim.

        White space, case and the type of quotation marks may differ: passages are often hard-wrapped, and
        models change quotation marks. In scripts with spaces a quote must start and end at a word boundary,
        in others at a grapheme boundary.
        """
        words = quote.split()
        shortest = QUOTES.sub('"', " ".join(words))
        if not words or len(shortest) > len(self.text):
            return None
        parts = [_pattern(word) for word in words]
        before, after = edges(quote, self._characters)
        quoted = r"\s+".join(parts)
        match = re.search(f"{before}(?i:{quoted}){after}", self.text)
        return match[0].rstrip() if match else None

    def _is_quotable(self, sentence: str) -> bool:
        words = words_of(sentence)
        return (
            SHORTEST <= len(words) <= LONGEST
            and words[0] not in self.words.subjectless
            and not opening(words, self.words.dangling)
            and not phrase_in(words, self.words.outside)
            and not phrase_in(words, self.words.apparatus)
        )


def _unmarked(span: str) -> str:
    """Remove a list marker: "(a)(1) ", "- ", "2. "; "J. " may be the initial of a name."""
    mark = ITEM.match(span)
    return span if mark is None or INITIAL.fullmatch(mark[0]) else span[mark.end() :]


def _pattern(word: str) -> str:
    escaped = QUOTES.sub(f"(?:{QUOTES.pattern})", re.escape(word).replace(r"\-", "-"))
    # A line break here may have been joined without a blank: see `sentences.unwrap`.
    return re.sub("-" if word.isascii() else f"{cluster()}|-", r"\g<0>\\s*", escaped)


def phrase_in(words: Sequence[str], phrases: Collection[str]) -> str:
    """Return the first of the phrases that occurs in a sequence of words; "" if none does."""
    line = f" {' '.join(words)} "
    return next((phrase for phrase in phrases if f" {phrase} " in line), "")


def opening(words: Sequence[str], phrases: Collection[str]) -> str:
    """Return the phrase that a sequence of words starts with; "" if none does."""
    line = f"{' '.join(words)} "
    return next((phrase for phrase in phrases if line.startswith(f"{phrase} ")), "")


def overlap(words: Sequence[str], others: Collection[str]) -> float:
    """Return the share of words that are among the others; 1 if there are no words."""
    return sum(word in others for word in words) / len(words) if words else 1.0
