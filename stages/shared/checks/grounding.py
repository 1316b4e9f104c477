"""Checks that a text is grounded in its passage: its words, numbers, quotes and evidence."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from rapidfuzz.distance import Hamming

from datagen.request import Reject
from datagen.stages.shared.checks.form import SENTENCE_END, sentences
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, overlap, phrase_in

LETTERS = 7  # minimum letters of a word that can be recognised although one is wrong
ENDING = 3  # last letters, in which forms of a word differ


def about(text: str, passage: Passage, least: float = 0.5) -> None:
    """Reject a text if less than a share of `least` of its content words is from the passage."""
    content = passage.words.content(text)
    share = overlap(content, passage.content)
    if share < least:
        missing = [word for word in content if word not in passage.content]
        raise Reject(
            "not about the passage", f"{share:.2f} of its words, not {' '.join(missing)}, in: {text}"
        )


def spelled(text: str, passage: Passage) -> None:
    """Reject a text with a word that differs from a word of the passage in one letter: "disible"."""
    known = set(words_of(passage.text))
    for word in set(words_of(text)) - known:
        if len(word) >= LETTERS and word.isalpha() and word not in passage.words.stop:
            like = (v for v in known if (len(v), v[0], v[-ENDING:]) == (len(word), word[0], word[-ENDING:]))
            if meant := next((other for other in like if Hamming.distance(other, word) == 1), ""):
                raise Reject("misspelt", f"{word!r} for {meant!r} in: {text}")


def grounded(text: str, passage: Passage, least: int = 3) -> None:
    """Reject a text with a sentence of at least `least` content words, none of them from the passage."""
    for sentence in re.split(r"\n|" + SENTENCE_END, text):
        content = passage.words.content(sentence)
        if len(content) >= least and not passage.content.intersection(content):
            raise Reject("not about the passage", f"none of the words of: {sentence}")


def related(text: str, passage: Passage, least: float = 0.85) -> None:
    """
    Reject a text that recombines the passage's words.

    A share of `least` of its pairs of adjacent content words must occur together in a sentence of the
    passage. A summary that uses only words of the passage can still state anything; one in other words may be
    correct, but rules over words cannot decide that, so it is rejected too.
    """
    pairs = [pair for sentence in sentences(text) for pair in pairwise(passage.words.content(sentence))]
    unrelated = [pair for pair in pairs if not any(unit.issuperset(pair) for unit in passage.units)]
    if len(unrelated) > (1 - least) * len(pairs):
        raise Reject("not what the passage says", f"{'; '.join(map(' '.join, unrelated))}, in: {text}")


def original(text: str, passage: Passage, most: float = 0.7) -> None:
    """Reject a text of which more than a share of `most` is copied in runs of four words, or the heading."""
    heading = set(passage.words.content(passage.heading))
    if heading.issuperset(passage.words.content(text)):
        raise Reject("copies the passage", text)
    text_words, passage_words = words_of(text), words_of(passage.text)
    blocks = SequenceMatcher(None, text_words, passage_words, autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks if block.size >= 4) > most * len(text_words):
        raise Reject("copies the passage", text)


def verbatim(quote: str, passage: Passage, name: str = "evidence") -> str:
    """Return a quote as written in the passage; reject one that is not in it."""
    original_quote = passage.find(quote)
    if original_quote is None:
        raise Reject(f"{name} not in passage", quote)
    return original_quote


def defined(term: str, evidence: str, language: Language) -> None:
    """Reject a term that its evidence does not define with a directly following phrase such as "is a"."""
    name = " ".join(words_of(term))
    if not name or not phrase_in(words_of(evidence), [f"{name} {phrase}" for phrase in language.defining]):
        raise Reject("evidence does not define the term", f"{term} by: {evidence}")


def numbers(text: str, source: str) -> None:
    """Reject a text with a number that is not in the source."""
    source_numbers = set(NUMBER.findall(source))
    for number in NUMBER.findall(text):
        if number not in source_numbers:
            raise Reject("number not in passage", f"{number} in: {text}")


def supported(asked: str, answer: str, passage: Passage) -> str:
    """
    Return the sentence of the passage that supports an answer; reject an answer without one.

    It is the sentence that contains most of the words that the answer adds to the question.
    """
    if not passage.sentences:
        raise Reject("not supported by the passage", "it has no whole sentence")
    new = _added(asked, answer, passage.words)
    shares = [overlap(new, set(passage.words.content(line))) for _, line in passage.sentences]
    holding = [place for place, share in enumerate(shares) if share == max(shares)]
    supported_by(asked, answer, passage.sentences[holding[0]][0], passage.words)
    return passage.sentences[fits(asked, holding, passage)][0]


def supported_by(asked: str, answer: str, evidence: str, language: Language, least: float = 0.75) -> None:
    """
    Reject an answer that its evidence does not support.

    The evidence must contain every number of the answer, and a share of `least` of the content words that the
    answer adds to the question.
    """
    numbers(answer, f"{evidence} {asked}")
    share = overlap(_added(asked, answer, language), set(language.content(evidence)))
    if share < least:
        raise Reject("not supported by the passage", f"{share:.2f} of: {answer}, by: {evidence}")


def _added(asked: str, answer: str, language: Language) -> list[str]:
    question_content = set(language.content(asked))
    return [word for word in dict.fromkeys(language.content(answer)) if word not in question_content]


def located(asked: str, answer: str, passage: Passage) -> str:
    """Return the sentence that contains an answer and that the question is about; reject if there is none."""
    answer_line = f" {' '.join(words_of(answer))} "
    holding = [
        place
        for place, (_, line) in enumerate(passage.sentences)
        if answer_line in f" {' '.join(words_of(line))} "
    ]
    if not holding:
        raise Reject("answer not in a sentence", answer)
    return passage.sentences[fits(asked, holding, passage)][0]


def fits(asked: str, holding: Sequence[int], passage: Passage, least: float = 0.4) -> int:
    """
    Return the sentence that the question is about, among those that contain the answer.

    Reject a question if less than a share of `least` of its content words (weighted as in `Passage.shares`)
    is in that sentence, or if a sentence without the answer matches as well. Three in four of 1,148 human
    pairs (XQuAD, English) pass; with the answer of another question about the same passage, fewer than one in
    four.
    """
    shares = passage.shares(passage.words.content(asked))
    best = max(holding, key=lambda place: shares[place])
    rival = max((share for place, share in enumerate(shares) if place not in holding), default=0.0)
    if shares[best] < least or shares[best] <= rival:
        detail = f"{shares[best]:.2f}, another sentence {rival:.2f} of: {asked}"
        raise Reject("question is not about its evidence", f"{detail}, by: {passage.sentences[best][1]}")
    return best
