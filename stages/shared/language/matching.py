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
from pathlib import Path

import yaml
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from datagen.errors import UserError
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
_ARTICLES = frozenset(("a", "an", "the"))
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_SPELLINGS = {name: str(value) for value, name in enumerate(_NUMBERS)} | {"percent": "%"}
_SHOWN = frozenset(("text", "passage"))
_POINTING = _SHOWN | {"question", "answer"}
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|cannot|without|\w+n['’]t)\b", re.IGNORECASE)
_ABSTENTION = re.compile(
    r"\b(?:do not|don['’]t|did not|didn['’]t) (?:know|have)\b"
    r"|\b(?:does not|doesn['’]t) (?:say|specify|mention|state|tell|answer)\b"
    r"|\bnot (?:sure|certain|aware|known|able|familiar|specified|mentioned|provided|given|possible)\b"
    r"|\b(?:cannot|can['’]t|could not|couldn['’]t|unable to)\b"
    r"|\b(?:unknown|unclear|unspecified|undetermined)\b|\bno (?:information|idea|answer|context|data)\b"
    r"|\b(?:sorry|apologi[sz]e)\b|\bas an ai\b|\bplease provide\b|\bmore (?:context|information)\b",
    re.IGNORECASE,
)


def words(text: str, stop: Collection[str] = ()) -> list[str]:
    """Cut a text into its words in the form in which they are compared, stop words left out."""
    found = (_SPELLINGS.get(word, word) for word in ANSWERS(text) if word not in stop)
    return [_singular(word) for word in found if word not in _ARTICLES]


def essence(answer: str, question: str = "", stop: Collection[str] = ()) -> list[str]:
    """
    List the words by which an answer is told to be right.

    An answer in a whole sentence (more than `SENTENCE` words) says the question again: those words and
    the stop words are left out. Empty where nothing else is said.
    """
    found = words(answer)
    if len(found) <= SENTENCE:
        return found
    asked = set(words(question))
    return [word for word in words(answer, stop) if word not in asked]


def likeness(answer: str, reference: str, question: str = "", stop: Collection[str] = ()) -> float:
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
    wanted = essence(reference, question, stop)
    said = words(answer, stop if len(wanted) < len(words(reference)) else ())
    if not words(reference):  # nothing but signs, such as an operator
        said, wanted = _SIGN.findall(answer.casefold()), _SIGN.findall(reference.casefold())
    if not said or not wanted:
        return 0.0
    said, asked = _as_in(said, wanted), _as_in(words(question), wanted)
    whole = len(wanted) > len(said) or (asked and fuzz.partial_ratio(wanted, asked) == 100)
    score = (fuzz.ratio if whole else fuzz.partial_ratio)(wanted, said) / 100
    if missing := _numbers(wanted) - _numbers(said):
        other = _numbers(said) - _numbers(wanted) - _numbers(asked)
        score = 0.0 if other or missing == set(wanted) else min(score, DOUBTFUL)
    if bool(_NEGATION.search(answer)) != bool(_NEGATION.search(reference)):
        score = min(score, DOUBTFUL)
    return score


def gist(answer: str, question: str = "", stop: Collection[str] = ()) -> tuple[str, ...]:
    """
    Give what an answer says besides its question, in a form that is equal for answers that say the same.

    Stop words and words of the question are left out where others are left; all answers that decline are one.
    """
    if abstains(answer):
        return ()
    asked = set(words(question))
    said = words(answer)
    return tuple(word for word in words(answer, stop) if word not in asked) or tuple(said)


@dataclass(frozen=True)
class Aliases:
    """
    Other names of answers.

    Parameters
    ----------
    names
        The words of an answer -> all that means the same.
    """

    names: Mapping[tuple[str, ...], Sequence[str]]

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
            return cls({})
        try:
            groups = yaml.safe_load((folder / path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"the aliases {folder / path} cannot be read: {error}") from error
        if not isinstance(groups, dict) or not all(isinstance(names, list) for names in groups.values()):
            raise UserError(
                f"{folder / path}: write each answer with a list, such as United States: [USA, US]"
            )
        together = ([str(answer), *map(str, names)] for answer, names in groups.items())
        return cls({tuple(words(name)): group for group in together for name in group})

    def of(self, answer: str) -> Sequence[str]:
        """List what means the same as an answer."""
        return self.names.get(tuple(words(answer)), ())


def standing(phrase: str, text: str) -> float:
    """
    Say which share of a phrase's words stands anywhere in a text, 0 to 1, long words counting more.

    The order of the words does not matter, nor do numbers and negation: made to say "perhaps" rather
    than "no", for deciding that a text does *not* hold an answer. A phrase without words gives 1.
    """
    held, wanted = words(text), words(phrase)
    if not wanted:  # nothing but signs
        held, wanted = _SIGN.findall(text.casefold()), _SIGN.findall(phrase.casefold())
    if not wanted:
        return 1.0
    present = set(_as_in(held, wanted))
    total = sum(len(word) for word in wanted)
    return sum(len(word) for word in wanted if word in present) / total


def abstains(answer: str) -> bool:
    """Tell whether an answer (in English) declines to answer."""
    return bool(_ABSTENTION.search(answer))


def attempts(answer: str, question: str) -> bool:
    """
    Tell whether an answer tries to answer: it does not decline, and is no echo of the question.

    A share of at least `FRESH` of its words is neither the question's nor points to a text. One that begins
    with a text which the question does not speak of is about a text that was not shown.
    """
    said, asked = words(answer), {*words(question)}
    if abstains(answer) or _SHOWN.intersection(said[:1]) - asked:
        return False
    fresh = sum(word not in asked | _POINTING for word in said)
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


def _singular(word: str) -> str:
    """Take off the plural's s, as in the first step of Porter's stemmer."""
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word
