"""Checks by name, for declared tasks: ``about 0.5``, ``words 15-400``, ``stands_alone``."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from datagen.request import Reject
from datagen.stages.shared import checks, formats
from datagen.stages.shared.language.detect import UNDETERMINED, detect_language
from datagen.stages.shared.language.rules import code_of
from datagen.stages.shared.passage import Passage

DETECTABLE = 60  # fewest characters of a text for its language to be detected
NAMED = re.compile(r"(?P<name>[a-z_]+)(?: (?P<first>\d+(?:\.\d+)?)(?:-(?P<second>\d+))?)?")


@dataclass(frozen=True)
class Written:
    """The question and answer that a declared task makes from a completion."""

    question: str
    answer: str
    passage: Passage


# A check takes the exercise and the numbers after its name; it may return the evidence that it finds.
Check = Callable[..., str | None]


def _question(written: Written) -> None:
    checks.question(written.question, written.passage.words)


def _stands_alone(written: Written) -> None:
    checks.stands_alone(written.question, written.passage.words, asks=True)
    checks.stands_alone(written.answer, written.passage.words)


def _asks_alone(written: Written) -> None:
    checks.stands_alone(written.question, written.passage.words, asks=True)


def _particular(written: Written) -> None:
    checks.particular(written.question, written.passage.words)


def _about(written: Written, least: float = 0.5) -> None:
    checks.about(written.answer, written.passage, least)
    checks.grounded(written.answer, written.passage)


def _grounded(written: Written) -> None:
    checks.grounded(written.answer, written.passage)


def _numbers(written: Written) -> None:
    passage = written.passage
    checks.numbers(_unnumbered(written.answer), f"{passage.heading} {passage.text} {written.question}")


def _original(written: Written, most: float = 0.7) -> None:
    checks.original(written.answer, written.passage, most)


def _copied(written: Written) -> str:
    return checks.verbatim(written.answer, written.passage, "answer")


def _supported(written: Written) -> str:
    return checks.supported(written.question, written.answer, written.passage)


def _withholds(written: Written) -> None:
    checks.withholds(written.question, written.answer, written.passage.words)


def _of_a_kind(written: Written) -> None:
    checks.of_a_kind(written.question, written.answer, written.passage.words)


def _fields(written: Written) -> None:
    for value in formats.read("json", written.answer).cells:
        for line in value.splitlines():
            checks.verbatim(line, written.passage, "value")


def _finished(written: Written) -> None:
    checks.finished(written.answer)


def _words(written: Written, least: float = 1, most: float = 1000) -> None:
    checks.sized(written.answer, int(least), int(most))


def _language(written: Written) -> None:
    expected = code_of(written.passage.row)
    for text in (written.question, written.answer):
        language = detect_language(text) if len(text) >= DETECTABLE else UNDETERMINED
        if UNDETERMINED not in (expected, language) and language != expected:
            raise Reject("another language", f"{language}, not {expected}: {text}")


CHECKS: dict[str, Check] = {
    "question": _question,  # it is a question
    "particular": _particular,  # the question is specific
    "asks_alone": _asks_alone,  # the question can be understood without the passage
    "stands_alone": _stands_alone,  # question and answer can be understood without the passage
    "withholds": _withholds,  # the question does not contain its answer, and the answer adds to the question
    "of_a_kind": _of_a_kind,  # the answer is of the kind that the question asks for
    "about": _about,  # least share of the answer's content words that occur in the passage
    "grounded": _grounded,  # each sentence of the answer shares a word with the passage; part of about
    "numbers": _numbers,  # each number occurs in the passage
    "original": _original,  # largest share of the answer that is copied
    "copied": _copied,  # the answer is copied from the passage verbatim
    "supported": _supported,  # one sentence supports the answer; it becomes the evidence
    "fields": _fields,  # the answer is a JSON object whose values occur in the passage
    "finished": _finished,  # the answer ends with a complete sentence
    "words": _words,  # least and most words of the answer
    "language": _language,  # question and answer are in the passage's language; always checked
}
NUMBERS = {"about": 1, "original": 1, "words": 2}


def parse_check(text: str) -> tuple[str, list[float]]:
    """
    Parse the name of a check and its numbers.

    Raises
    ------
    ValueError
        If there is no such check, or it takes other numbers.
    """
    match = NAMED.fullmatch(text)
    if not match or match["name"] not in CHECKS:
        raise ValueError(f"there is no check {text!r}; there are {', '.join(CHECKS)}")
    name = match["name"]
    numbers = [float(part) for part in (match["first"], match["second"]) if part]
    if len(numbers) not in (0, NUMBERS.get(name, 0)):
        raise ValueError(f"{name} takes {('no number', 'a share', 'words A-B')[NUMBERS.get(name, 0)]}")
    return name, numbers


def check_named(text: str, written: Written) -> str | None:
    """
    Apply a named check; return the evidence if the check finds it.

    Raises
    ------
    Reject
        If the exercise fails the check.
    """
    name, numbers = parse_check(text)
    return CHECKS[name](written, *numbers)


def _unnumbered(text: str) -> str:
    return re.sub(r"(?m)^\d+\. ", "", text)
