"""
Compare answers by their words.

Answers are split into words (`datagen.stages.shared.language.words.ANSWERS`), without articles, and number
words are converted to digits. Two words match if they are equal, or if both are long and almost equal
(`WORD_LIKENESS`, same first letter): "organisation" and "organization", but not "1912" and "1913" nor
"mutable" and "immutable". Sequences of words are matched fuzzily, so that one measure covers equality,
containment of the reference in a longer answer, and partial agreement.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from datagen.errors import UserError
from datagen.paths import regular
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import ANSWERS
from datagen.yaml_loader import load

# One wrong letter in eight, two in sixteen. Shorter words, and words with a digit, must be equal.
WORD_LIKENESS = 0.87

# Maximum number of words of a name, a date or a term; a longer answer is a sentence.
SENTENCE = 6

# Score if the words agree but the statements may not: neither a match nor a mismatch.
DOUBTFUL = 0.5

# Minimum share of an answer's words that are not from the question; below it, the answer is an echo.
FRESH = 0.3

_SIGN = re.compile(r"\w+|[^\w\s]+")


def words(text: str, stop: Collection[str] = (), *, language: Language) -> list[str]:
    """Split a text into words in the form in which they are compared, without stop words."""
    numbered = (language.written_out.get(word, word) for word in ANSWERS(text) if word not in stop)
    return [language.singular(word) for word in numbered if word not in language.articles]


def essence(answer: str, question: str = "", stop: Collection[str] = (), *, language: Language) -> list[str]:
    """
    Return the words that decide whether an answer is correct.

    An answer in a whole sentence (more than `SENTENCE` words) repeats the question, so the question's words
    and the stop words are removed. Empty if nothing remains.
    """
    all_words = words(answer, language=language)
    if len(all_words) <= SENTENCE:
        return all_words
    question_words = set(words(question, language=language))
    return [word for word in words(answer, stop, language=language) if word not in question_words]


def likeness(
    answer: str, reference: str, question: str = "", stop: Collection[str] = (), *, language: Language
) -> float:
    """
    Return the similarity of an answer to a reference, from 0 to 1.

    1 if the answer equals the reference or contains all words of its `essence` consecutively; otherwise the
    Indel similarity of the best window of the answer (`rapidfuzz.fuzz.partial_ratio` over words). A threshold
    of 0.8 is therefore stricter for shorter references: all of up to three words are required, and four of
    five. In addition:

    * if a number of the reference is missing in the answer: 0 if the answer has another number instead,
      otherwise at most `DOUBTFUL`;
    * if only one of the two is negated: at most `DOUBTFUL`;
    * if the question contains the reference, an echo would match, so the whole answer is compared instead of
      its best window.

    Substring matching, as in the code of R-Tuning, finds "no" in "north" and matches any answer with an empty
    reference; here an empty reference or answer gives 0.
    """
    expected = essence(reference, question, stop, language=language)
    whole_reference = words(reference, language=language)
    answer_words = words(answer, stop if len(expected) < len(whole_reference) else (), language=language)
    if not whole_reference:  # only symbols, such as an operator
        answer_words, expected = _SIGN.findall(answer.casefold()), _SIGN.findall(reference.casefold())
    if not answer_words or not expected:
        return 0.0
    answer_words, question_words = (
        _align(answer_words, expected),
        _align(words(question, language=language), expected),
    )
    whole = len(expected) > len(answer_words) or (
        question_words and fuzz.partial_ratio(expected, question_words) == 100
    )
    score = (fuzz.ratio if whole else fuzz.partial_ratio)(expected, answer_words) / 100
    if missing := _numbers(expected) - _numbers(answer_words):
        other = _numbers(answer_words) - _numbers(expected) - _numbers(question_words)
        score = 0.0 if other or missing == set(expected) else min(score, DOUBTFUL)
    if bool(language.denying.search(answer)) != bool(language.denying.search(reference)):
        score = min(score, DOUBTFUL)
    return score


def gist(
    answer: str, question: str = "", stop: Collection[str] = (), *, language: Language
) -> tuple[str, ...]:
    """
    Return the content of an answer beyond its question, in a form that is equal for equivalent answers.

    Stop words and words of the question are removed, unless nothing would remain. All declining answers are
    equal.
    """
    if abstains(answer, language=language):
        return ()
    question_words = set(words(question, language=language))
    answer_words = words(answer, language=language)
    return tuple(
        word for word in words(answer, stop, language=language) if word not in question_words
    ) or tuple(answer_words)


@dataclass(frozen=True)
class Aliases:
    """
    Alternative names of answers.

    Parameters
    ----------
    groups
        Names that mean the same.
    """

    groups: Sequence[Sequence[str]]

    @classmethod
    def load(cls, folder: Path, path: str) -> "Aliases":
        """
        Read a YAML file: answer -> list of equivalents. An empty path gives no aliases.

        Raises
        ------
        UserError
            If the file is missing or has another format.
        """
        if not path:
            return cls(())
        try:
            groups = load(regular(folder / path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"the aliases {folder / path} cannot be read: {error}") from error
        if not isinstance(groups, dict) or not all(isinstance(names, list) for names in groups.values()):
            raise UserError(
                f"{folder / path}: write each answer with a list, such as United States: [USA, US]"
            )
        return cls([[str(answer), *map(str, names)] for answer, names in groups.items()])

    def of(self, answer: str, language: Language) -> Sequence[str]:
        """List the equivalents of an answer."""
        if not self.groups:
            return ()
        if id(language) not in self._names:
            named = {tuple(words(name, language=language)): group for group in self.groups for name in group}
            self._names[id(language)] = named
        return self._names[id(language)].get(tuple(words(answer, language=language)), ())

    @cached_property
    def _names(self) -> dict[int, Mapping[tuple[str, ...], Sequence[str]]]:
        return {}  # language -> words of an answer -> its group


def contained_share(phrase: str, text: str, *, language: Language) -> float:
    """
    Return the share of a phrase's words that occur anywhere in a text, 0 to 1, weighted by length.

    Word order, numbers and negation are ignored: the measure decides whether a text does *not* contain an
    answer, so it errs towards containment. A phrase without words gives 1.
    """
    in_text, expected = words(text, language=language), words(phrase, language=language)
    if not expected:  # only symbols
        in_text, expected = _SIGN.findall(text.casefold()), _SIGN.findall(phrase.casefold())
    if not expected:
        return 1.0
    present = set(_align(in_text, expected))
    total = sum(len(word) for word in expected)
    return sum(len(word) for word in expected if word in present) / total


def abstains(answer: str, *, language: Language) -> bool:
    """Check whether an answer declines, by the phrases of its language."""
    return bool(language.declining.search(answer))


def attempts(answer: str, question: str, *, language: Language) -> bool:
    """
    Check whether an answer is an attempt: it neither declines nor echoes the question.

    A share of at least `FRESH` of its words is neither from the question nor about the exercise. An answer
    that starts with a word such as "text", which the question does not contain, refers to a text that was not
    shown.
    """
    answer_words, question_words = words(answer, language=language), {*words(question, language=language)}
    if abstains(answer, language=language) or language.shown.intersection(answer_words[:1]) - question_words:
        return False
    fresh = sum(word not in question_words | language.exercise for word in answer_words)
    return fresh > 0 and fresh >= FRESH * len(answer_words)


def _align(answer_words: list[str], expected: Sequence[str]) -> list[str]:
    """Replace each word by the matching word of the reference."""
    expected_words = set(expected)
    fuzzy = [word for word in expected_words if _may_differ(word)]
    if not fuzzy:
        return answer_words
    unmatched = sorted({word for word in answer_words if word not in expected_words and _may_differ(word)})
    if not unmatched:
        return answer_words
    scores = process.cdist(
        unmatched, fuzzy, scorer=Levenshtein.normalized_similarity, score_cutoff=WORD_LIKENESS, workers=1
    )
    same = {
        word: fuzzy[column]
        for word, column, score in zip(unmatched, scores.argmax(axis=1), scores.max(axis=1), strict=True)
        if score >= WORD_LIKENESS and word[0] == fuzzy[column][0]
    }
    return [same.get(word, word) for word in answer_words]


def _may_differ(word: str) -> bool:
    return len(word) >= 8 and not any(sign.isdigit() for sign in word)


def _numbers(tokens: Sequence[str]) -> set[str]:
    return {word for word in tokens if any(sign.isdigit() for sign in word)}
