"""
Whether two answers say the same, told from their words.

Answers are cut into words (`datagen.stages.shared.language.words.ANSWERS`), without articles, number words
as digits. Two words are the same when they are equal, or when both are long and almost
equal (`WORD_LIKENESS`, first letters equal): "organisation" and "organization", not "1912" and "1913"
nor "mutable" and "immutable". Above the words it is a fuzzy match of sequences, so that one measure
covers equality, containment of the reference in a longer answer, and partial agreement.
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
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import ANSWERS

# One wrong letter in eight, two in sixteen; a shorter word must be equal, and so must any with a digit.
WORD_LIKENESS = 0.87

# More words than a name, a date or a term has.
SENTENCE = 6

# Where a rule says that words agree but the statements may not: neither a match nor a miss.
DOUBTFUL = 0.5

# Share of an answer's words that must be its own for it to be more than an echo of the question.
FRESH = 0.3

_SIGN = re.compile(r"\w+|[^\w\s]+")


def words(text: str, stop: Collection[str] = (), *, language: Language) -> list[str]:
    """Cut a text into its words in the form in which they are compared, stop words left out."""
    found = (language.written_out.get(word, word) for word in ANSWERS(text) if word not in stop)
    return [language.singular(word) for word in found if word not in language.articles]


def essence(answer: str, question: str = "", stop: Collection[str] = (), *, language: Language) -> list[str]:
    """
    List the words by which an answer is told to be right.

    An answer in a whole sentence (more than `SENTENCE` words) says the question again: those words and
    the stop words are left out. Empty where nothing else is said.
    """
    found = words(answer, language=language)
    if len(found) <= SENTENCE:
        return found
    asked = set(words(question, language=language))
    return [word for word in words(answer, stop, language=language) if word not in asked]


def likeness(
    answer: str, reference: str, question: str = "", stop: Collection[str] = (), *, language: Language
) -> float:
    """
    Say how well an answer agrees with a reference, from 0 to 1.

    1 for an answer that equals the reference, or holds all words of its `essence` in a row; otherwise the
    Indel similarity of the best window of the answer (`rapidfuzz.fuzz.partial_ratio` over words). A
    threshold of 0.8 is so the stricter the shorter the reference: up to three words must all be there, of
    five four. On top of that:

    * a number of the reference that is not in the answer: 0 when the answer gives another number
      instead, else at most `DOUBTFUL`;
    * one of the two negated and the other not: at most `DOUBTFUL`;
    * a reference that stands in the question can be had by repeating the question, so the whole answer
      is compared, not its best part.

    Substring matching as in the code of R-Tuning takes "no" for a part of "north" and any answer for a
    match of an empty reference; here an empty reference or answer gives 0.
    """
    wanted = essence(reference, question, stop, language=language)
    whole_reference = words(reference, language=language)
    said = words(answer, stop if len(wanted) < len(whole_reference) else (), language=language)
    if not whole_reference:  # nothing but signs, such as an operator
        said, wanted = _SIGN.findall(answer.casefold()), _SIGN.findall(reference.casefold())
    if not said or not wanted:
        return 0.0
    said, asked = _as_in(said, wanted), _as_in(words(question, language=language), wanted)
    whole = len(wanted) > len(said) or (asked and fuzz.partial_ratio(wanted, asked) == 100)
    score = (fuzz.ratio if whole else fuzz.partial_ratio)(wanted, said) / 100
    if missing := _numbers(wanted) - _numbers(said):
        other = _numbers(said) - _numbers(wanted) - _numbers(asked)
        score = 0.0 if other or missing == set(wanted) else min(score, DOUBTFUL)
    if bool(language.denying.search(answer)) != bool(language.denying.search(reference)):
        score = min(score, DOUBTFUL)
    return score


def gist(
    answer: str, question: str = "", stop: Collection[str] = (), *, language: Language
) -> tuple[str, ...]:
    """
    Give what an answer says besides its question, in a form that is equal for answers that say the same.

    Stop words and words of the question are left out where others are left; all answers that decline are one.
    """
    if abstains(answer, language=language):
        return ()
    asked = set(words(question, language=language))
    said = words(answer, language=language)
    return tuple(word for word in words(answer, stop, language=language) if word not in asked) or tuple(said)


@dataclass(frozen=True)
class Aliases:
    """
    Other names of answers.

    Parameters
    ----------
    groups
        Names that mean the same.
    """

    groups: Sequence[Sequence[str]]

    @classmethod
    def load(cls, folder: Path, path: str) -> "Aliases":
        """
        Read a YAML file: answer -> list of what means the same. None is read for an empty path.

        Raises
        ------
        UserError
            When the file is not there or holds something else.
        """
        if not path:
            return cls(())
        try:
            groups = yaml.safe_load((folder / path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"the aliases {folder / path} cannot be read: {error}") from error
        if not isinstance(groups, dict) or not all(isinstance(names, list) for names in groups.values()):
            raise UserError(
                f"{folder / path}: write each answer with a list, such as United States: [USA, US]"
            )
        return cls([[str(answer), *map(str, names)] for answer, names in groups.items()])

    def of(self, answer: str, language: Language) -> Sequence[str]:
        """List what means the same as an answer."""
        if not self.groups:
            return ()
        if id(language) not in self._names:
            named = {tuple(words(name, language=language)): group for group in self.groups for name in group}
            self._names[id(language)] = named
        return self._names[id(language)].get(tuple(words(answer, language=language)), ())

    @cached_property
    def _names(self) -> dict[int, Mapping[tuple[str, ...], Sequence[str]]]:
        return {}  # language -> the words of an answer -> all that means the same


def standing(phrase: str, text: str, *, language: Language) -> float:
    """
    Say which share of a phrase's words stands anywhere in a text, 0 to 1, long words counting more.

    The order of the words does not matter, nor do numbers and negation: made to say "perhaps" rather
    than "no", for deciding that a text does *not* hold an answer. A phrase without words gives 1.
    """
    held, wanted = words(text, language=language), words(phrase, language=language)
    if not wanted:  # nothing but signs
        held, wanted = _SIGN.findall(text.casefold()), _SIGN.findall(phrase.casefold())
    if not wanted:
        return 1.0
    present = set(_as_in(held, wanted))
    total = sum(len(word) for word in wanted)
    return sum(len(word) for word in wanted if word in present) / total


def abstains(answer: str, *, language: Language) -> bool:
    """Tell whether an answer declines to answer, by the phrases of its language."""
    return bool(language.declining.search(answer))


def attempts(answer: str, question: str, *, language: Language) -> bool:
    """
    Tell whether an answer tries to answer: it does not decline, and is no echo of the question.

    A share of at least `FRESH` of its words is neither the question's nor points to a text. One that begins
    with a text which the question does not speak of is about a text that was not shown.
    """
    said, asked = words(answer, language=language), {*words(question, language=language)}
    if abstains(answer, language=language) or language.shown.intersection(said[:1]) - asked:
        return False
    fresh = sum(word not in asked | language.exercise for word in said)
    return fresh > 0 and fresh >= FRESH * len(said)


def _as_in(said: list[str], wanted: Sequence[str]) -> list[str]:
    """Write each word as the reference writes it where the two are the same."""
    known = set(wanted)
    fuzzy = [word for word in known if _may_differ(word)]
    if not fuzzy:
        return said
    fresh = sorted({word for word in said if word not in known and _may_differ(word)})
    if not fresh:
        return said
    scores = process.cdist(
        fresh, fuzzy, scorer=Levenshtein.normalized_similarity, score_cutoff=WORD_LIKENESS, workers=1
    )
    same = {
        word: fuzzy[column]
        for word, column, score in zip(fresh, scores.argmax(axis=1), scores.max(axis=1), strict=True)
        if score >= WORD_LIKENESS and word[0] == fuzzy[column][0]
    }
    return [same.get(word, word) for word in said]


def _may_differ(word: str) -> bool:
    return len(word) >= 8 and not any(sign.isdigit() for sign in word)


def _numbers(found: Sequence[str]) -> set[str]:
    return {word for word in found if any(sign.isdigit() for sign in word)}
