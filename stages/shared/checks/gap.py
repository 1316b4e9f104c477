"""
The gap that a question leaves in its sentence.

A question in the words of its sentence leaves out one part of it: "What is the copy wrapped in?" leaves out
"a proxy" of "The copy is wrapped in a proxy". Its answer is what fills that gap, so a pair is true by
construction if the answer adjoins the question's words, and wrong if it is elsewhere or if the question
leaves nothing out. A question in other words has no such gap and is not judged.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

ANSWER = "\0"  # represents the answer among the words of the sentence
SKIPPED = 1  # maximum words of the sentence that a question may leave out besides its answer
NOTE = re.compile(r" \([^()]*\)(?= |[.,;:!?]|$)")
INSERTED = re.compile(r", (\w+) [^,;:()]*, ")  # "The clerk, in the absence of the judge, may sign."
OPENING_COMMA = re.compile(r", (?:\w{1,3} )?[\"'“‘*`(]*\Z")  # before a subject, with its article
OPENERS = 3  # maximum words of "which kind of thing"


class Asks(Enum):
    """The part of its sentence that a question leaves out."""

    SUBJECT = "what comes before the words of the question"
    OBJECT = "what comes after them"
    ACTION = "what somebody does"
    CONSEQUENCE = "what happens under a condition"
    CIRCUMSTANCE = "when, where, why or how"
    ELSEWHERE = "another part than the answer, or nothing"


@dataclass(frozen=True)
class _Run:
    """Words of a sentence that a question repeats: from `first` to before `end`."""

    first: int
    end: int
    around: bool  # whether the answer is among them
    inverted: bool  # whether the verb that the question moved to its front is among them


def fills(question: str, answer: str, evidence: str, language: Language) -> Asks | None:
    """
    Return whether an answer fills the gap that a question leaves in its sentence.

    Returns
    -------
    Asks
        What the question asks for, if the answer fills the gap; ELSEWHERE if the question repeats its
        sentence and the answer is not what it leaves out.
    None
        If the question is in other words than its sentence.
    """
    asks = _fills(question, answer, evidence, language)
    plain = INSERTED.sub(
        lambda inserted: " " if inserted[1] in language.prepositions else inserted[0], evidence
    )
    if asks not in (Asks.SUBJECT, Asks.ELSEWHERE) or plain == evidence:
        return asks
    if asks is Asks.SUBJECT:
        inside = not phrase_in(words_of(plain), [" ".join(words_of(answer))])
        return Asks.ELSEWHERE if inside and "," not in answer else asks
    return Asks.SUBJECT if _fills(question, answer, plain, language) is Asks.SUBJECT else asks


def _fills(question: str, answer: str, evidence: str, language: Language) -> Asks | None:
    repeats = False
    for asks, moved, rest in _readings(words_of(question), language):
        for gapped in _gapped(words_of(evidence), words_of(answer)):
            run = _repeated(rest, gapped, moved, language)
            if run and _adjoins(run, gapped, asks, moved, language):
                return asks
            repeats = repeats or (run is not None and not _shares_subject(run, gapped, asks, language))
    return Asks.ELSEWHERE if repeats else None


def _filled(
    question: str, answer: str, evidence: str, language: Language, most_skipped: int = SKIPPED
) -> Iterator[tuple[Asks, str, list[str], _Run]]:
    """
    Iterate over the readings of a question whose gap the answer fills.

    Yields
    ------
    What the question asks for, the verb that it moved to its front, the words of the sentence with the answer
    as one mark, and those that the question repeats.
    """
    for asks, moved, rest in _readings(words_of(question), language):
        for gapped in _gapped(words_of(evidence), words_of(answer)):
            run = _repeated(rest, gapped, moved, language, most_skipped)
            if run and _adjoins(run, gapped, asks, moved, language):
                yield asks, moved, gapped, run


def says_all(question: str, answer: str, evidence: str, language: Language) -> bool:
    """
    Return whether a question and its answer together have the whole content of their sentence.

    A note in brackets that they leave out does not count, unless it limits the sentence: "(except in May)".
    """
    told = NOTE.sub(lambda note: _limiting(note, f"{question} {answer}", language), evidence)
    for _, moved, gapped, run in _filled(question, answer, told, language, most_skipped=0):
        outside = {*gapped[: run.first], *gapped[run.end :]}
        return outside <= {ANSWER, moved, *language.articles, *language.consequent}
    return False


def names_subject(question: str, answer: str, evidence: str, language: Language) -> bool:
    """
    Return whether the answer is the whole subject of the words that the question repeats.

    What the question leaves out behind them must not limit them: "The tower was closed because it was old",
    but not "... until May". Only a phrase such as "In 1911, " may precede the subject.
    """
    place = evidence.casefold().find(answer.casefold())
    opening_words = [word for word in words_of(evidence[: max(0, place)]) if word not in language.articles]
    answer_words = words_of(answer)
    if place < 0 or not answer_words or answer_words[-1].endswith(tuple(language.adverb_endings)):
        return False  # "Barges usually"
    if opening_words:
        phrase = opening_words[0] in language.prepositions and OPENING_COMMA.search(evidence[:place])
        if not phrase or language.relative & set(opening_words) or _limits(opening_words, language):
            return False
    return any(
        asks is Asks.SUBJECT and not _limits(gapped[run.end :], language)
        for asks, _, gapped, run in _filled(question, answer, evidence, language, most_skipped=0)
    )


def _limits(tokens: Sequence[str], language: Language) -> bool:
    """Check whether words contain a condition, a negation or an exception."""
    if {*language.negations, *language.restricting} & set(tokens) or phrase_in(tokens, language.excepting):
        return True
    return any(opens_condition(tokens[place:], language) for place in range(len(tokens)))


def _limiting(note: re.Match[str], pair: str, language: Language) -> str:
    """Return a note that is part of the pair or limits its sentence; a space for another one."""
    tokens = words_of(note[0])
    limits = phrase_in(tokens, language.conditions) or language.negations & set(tokens)
    return note[0] if limits or note[0] in pair else " "


def behind_subject(question: str, answer: str, evidence: str, language: Language) -> list[str]:
    """List the words of a sentence behind those that a question for its subject repeats."""
    filled = _filled(question, answer, evidence, language)
    return next((gapped[run.end :] for asks, _, gapped, run in filled if asks is Asks.SUBJECT), [])


def opens_condition(tokens: Sequence[str], language: Language) -> str:
    """Return the connective of a condition, not of a reason or purpose, that words begin with; or ""."""
    connective = opening(tokens, language.connectives)
    return connective if connective.partition(" ")[0] in language.conditions else ""


def _shares_subject(run: _Run, sentence: Sequence[str], asks: Asks, language: Language) -> bool:
    """Return whether a subject may be further back: "Ada Holz, who ran the mint and struck coins"."""
    joints = language.relative | language.joining
    return (
        asks is Asks.SUBJECT and sentence[max(0, run.first - 1)] in joints and ANSWER in sentence[: run.first]
    )


def _readings(question: Sequence[str], language: Language) -> Iterator[tuple[Asks, str, list[str]]]:
    """Yield what a question may ask for, the verb that it moved to its front, and its remaining words."""
    if happens := opening(question, language.happening):
        yield Asks.CONSEQUENCE, "", list(question[happens.count(" ") + 1 :])
        return
    if not question or question[0] not in language.open_ended:
        return
    circumstance = question[0] not in language.things
    for first in range(1, min(OPENERS + 1, len(question) - 1)):
        verb, rest = question[first], list(question[first + 1 :])
        if first > 1 and verb not in language.verbs | language.modals | language.support | language.actions:
            continue  # a further word of "which kind of thing"
        asks = Asks.CIRCUMSTANCE if circumstance else Asks.OBJECT
        forms = (verb, *language.permitting.get(verb, ()))  # "What can be waived?" by "may be waived"
        if not circumstance:
            yield from ((Asks.SUBJECT, "", [form, *rest]) for form in forms)
        if verb in language.support:
            if doing := next((place for place, word in enumerate(rest) if word in language.doing), 0):
                yield Asks.ACTION, "", rest[:doing] + rest[doing + 1 :]
            yield asks, "", rest
        elif verb in language.modals | language.verbs or not language.support:
            yield from ((asks, form, rest) for form in forms)
        if verb in language.support | language.modals | language.verbs:
            return


def _gapped(sentence: list[str], answer: list[str]) -> Iterator[list[str]]:
    """Yield the words of a sentence with each occurrence of the answer replaced by one mark."""
    for place in range(len(sentence) - len(answer) + 1 if answer else 0):
        if sentence[place : place + len(answer)] == answer:
            yield [*sentence[:place], ANSWER, *sentence[place + len(answer) :]]


def _repeated(
    rest: Sequence[str], sentence: Sequence[str], moved: str, language: Language, most_skipped: int = SKIPPED
) -> _Run | None:
    """Find the words of a question in its sentence, in order; articles and the moved verb may differ."""
    for first, word in enumerate(sentence):
        if not rest or not _same(rest[0], word, language):
            continue
        place, read, skipped, around, inverted = first, 0, 0, False, False
        while place < len(sentence) and read < len(rest):
            here = sentence[place]
            if here == ANSWER:
                around = True
            elif _same(rest[read], here, language):
                read += 1
            elif moved == here and not inverted:
                inverted = True
            elif rest[read] in language.articles:
                read += 1
                continue
            elif here not in language.articles:
                skipped += 1
                if skipped > most_skipped or here in _telling(language):
                    break
            place += 1
        near = [*sentence[max(0, first - 1) : first], *sentence[place : place + 2]]
        if read == len(rest) and (not moved or inverted or moved in near):
            return _Run(first, place, around, inverted)
    return None


def _telling(language: Language) -> frozenset[str]:
    """Return words that a question must not leave out of its sentence."""
    return language.negations | language.joining | language.relative | language.prepositions


def _same(asked: str, written: str, language: Language) -> bool:
    """Return whether two words are forms of one word."""
    if asked == written:
        return True
    return not {asked, written} & language.stop and language.stem(asked) == language.stem(written)


def _of_second_clause(run: _Run, sentence: Sequence[str], language: Language) -> bool:
    """Return whether the answer opens a clause after that of the question: "... and in 1564 was the site"."""
    joint = sentence.index(ANSWER) - 2
    return (
        joint >= run.end
        and sentence[joint] in language.coordinating
        and sentence[joint + 1] in language.prepositions
    )


def _adjoins(run: _Run, sentence: Sequence[str], asks: Asks, moved: str, language: Language) -> bool:
    """Return whether the answer is next to the words of the question, on the side that it asks for."""
    if asks is Asks.CIRCUMSTANCE:
        return (run.inverted or not moved) and not _of_second_clause(run, sentence, language)
    if run.around:
        return True
    passed = language.articles | language.consequent | {moved}
    before = next((word for word in reversed(sentence[: run.first]) if word not in passed), "")
    after = next((word for word in sentence[run.end :] if word not in passed), "")
    if asks is Asks.SUBJECT:
        return before == ANSWER
    return after == ANSWER or (asks is Asks.CONSEQUENCE and before == ANSWER)
