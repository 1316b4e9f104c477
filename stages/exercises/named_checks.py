"""The checks that a declared task may name: ``about 0.5``, ``words 15-400``, ``stands_alone`` and so on."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from datagen.request import Reject
from datagen.stages.shared import checks, formats
from datagen.stages.shared.language.detect import UNDETERMINED, detect_language
from datagen.stages.shared.language.rules import code_of
from datagen.stages.shared.passage import Passage

TELLS = 60  # characters from which a text's language can be told
NAMED = re.compile(r"(?P<name>[a-z_]+)(?: (?P<first>\d+(?:\.\d+)?)(?:-(?P<second>\d+))?)?")


@dataclass(frozen=True)
class Written:
    """What a declared task made of an answer."""

    question: str
    answer: str
    passage: Passage


# A check is given what was written and its numbers; it may return the evidence that it finds.
Check = Callable[..., str | None]


def _question(said: Written) -> None:
    checks.question(said.question, said.passage.words)


def _stands_alone(said: Written) -> None:
    checks.stands_alone(said.question, said.passage.words, asks=True)
    checks.stands_alone(said.answer, said.passage.words)


def _asks_alone(said: Written) -> None:
    checks.stands_alone(said.question, said.passage.words, asks=True)


def _particular(said: Written) -> None:
    checks.particular(said.question, said.passage.words)


def _about(said: Written, least: float = 0.5) -> None:
    checks.about(said.answer, said.passage, least)
    checks.grounded(said.answer, said.passage)


def _grounded(said: Written) -> None:
    checks.grounded(said.answer, said.passage)


def _numbers(said: Written) -> None:
    checks.numbers(_unnumbered(said.answer), f"{said.passage.heading} {said.passage.text} {said.question}")


def _original(said: Written, most: float = 0.7) -> None:
    checks.original(said.answer, said.passage, most)


def _copied(said: Written) -> str:
    return checks.verbatim(said.answer, said.passage, "answer")


def _supported(said: Written) -> str:
    return checks.supported(said.question, said.answer, said.passage)


def _withholds(said: Written) -> None:
    checks.withholds(said.question, said.answer, said.passage.words)


def _of_a_kind(said: Written) -> None:
    checks.of_a_kind(said.question, said.answer, said.passage.words)


def _fields(said: Written) -> None:
    for value in formats.read("json", said.answer).cells:
        for line in value.splitlines():
            checks.verbatim(line, said.passage, "value")


def _finished(said: Written) -> None:
    checks.finished(said.answer)


def _words(said: Written, least: float = 1, most: float = 1000) -> None:
    checks.sized(said.answer, int(least), int(most))


def _language(said: Written) -> None:
    own = code_of(said.passage.row)
    for text in (said.question, said.answer):
        told = detect_language(text) if len(text) >= TELLS else UNDETERMINED
        if UNDETERMINED not in (own, told) and told != own:
            raise Reject("another language", f"{told}, not {own}: {text}")


CHECKS: dict[str, Check] = {
    "question": _question,  # it is a question
    "particular": _particular,  # the question asks for something in particular
    "asks_alone": _asks_alone,  # the question can be understood without the passage
    "stands_alone": _stands_alone,  # the answer, too
    "withholds": _withholds,  # the question does not hold its answer, nor the answer only the question
    "of_a_kind": _of_a_kind,  # the answer is of the kind that is asked for
    "about": _about,  # share of the answer's content words that are the passage's
    "grounded": _grounded,  # no sentence of the answer without a word of the passage; about checks it too
    "numbers": _numbers,  # no number that the passage does not have
    "original": _original,  # largest share of the answer that is copied
    "copied": _copied,  # the answer stands in the passage, word for word
    "supported": _supported,  # one sentence supports the answer; it becomes the evidence
    "fields": _fields,  # the answer is a JSON object whose values stand in the passage
    "finished": _finished,  # the answer ends with its sentence
    "words": _words,  # least and most words of the answer
    "language": _language,  # the passage's language; always checked
}
NUMBERS = {"about": 1, "original": 1, "words": 2}


def parse_check(text: str) -> tuple[str, list[float]]:
    """
    Read a check's name and numbers.

    Raises
    ------
    ValueError
        When there is no such check, or it takes other numbers.
    """
    found = NAMED.fullmatch(text)
    if not found or found["name"] not in CHECKS:
        raise ValueError(f"there is no check {text!r}; there are {', '.join(CHECKS)}")
    numbers = [float(part) for part in (found["first"], found["second"]) if part]
    if len(numbers) not in (0, NUMBERS.get(found["name"], 0)):
        raise ValueError(
            f"{found['name']} takes {('no number', 'a share', 'words A-B')[NUMBERS.get(found['name'], 0)]}"
        )
    return found["name"], numbers


def check_named(text: str, said: Written) -> str | None:
    """
    Apply a named check; return the evidence where it finds some.

    Raises
    ------
    Reject
        When what was written does not pass.
    """
    name, numbers = parse_check(text)
    return CHECKS[name](said, *numbers)


def _unnumbered(text: str) -> str:
    return re.sub(r"(?m)^\d+\. ", "", text)
