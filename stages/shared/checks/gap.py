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
from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

ANSWER = "\0"  # represents the answer among the words of the sentence
SKIPPED = 1  # maximum words of the sentence that a question may leave out besides its answer
CLOSING = "\"'”’*`)"
NOTE = re.compile(r" \([^()]*\)(?= |[.,;:!?]|$)")
INSERTED = re.compile(r", (\w+) [^,;:()]*, ")  # "The clerk, in the absence of the judge, may sign."
OPENING_COMMA = re.compile(r", (?:\w{1,3} )?[\"'“‘*`(]*\Z")  # before a subject, with its article
ITEM = re.compile(r"\W*(\w+(?: \w+)?), (\w+) ")  # the last item but one of a list: "wages, and costs"
SUBJECT_WORDS = 6  # within which the verb of a second main clause follows its conjunction
SENTENCE_START = re.compile(r"[;:.!?] ")
LIST_WORDS = 8  # before the last item of a list that is a subject
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


def fills(question: str, answer: str, evidence: str, words: Language) -> Asks | None:
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
    asks = _fills(question, answer, evidence, words)
    plain = INSERTED.sub(lambda inserted: " " if inserted[1] in words.prepositions else inserted[0], evidence)
    if asks not in (Asks.SUBJECT, Asks.ELSEWHERE) or plain == evidence:
        return asks
    if asks is Asks.SUBJECT:
        inside = not phrase_in(words_of(plain), [" ".join(words_of(answer))])
        return Asks.ELSEWHERE if inside and "," not in answer else asks
    return Asks.SUBJECT if _fills(question, answer, plain, words) is Asks.SUBJECT else asks


def _fills(question: str, answer: str, evidence: str, words: Language) -> Asks | None:
    repeats = False
    for asks, moved, rest in _readings(words_of(question), words):
        for gapped in _gapped(words_of(evidence), words_of(answer)):
            run = _repeated(rest, gapped, moved, words)
            if run and _adjoins(run, gapped, asks, moved, words):
                return asks
            repeats = repeats or (run is not None and not _shares_subject(run, gapped, asks, words))
    return Asks.ELSEWHERE if repeats else None


def says_all(question: str, answer: str, evidence: str, words: Language) -> bool:
    """
    Return whether a question and its answer together have the whole content of their sentence.

    A note in brackets that they leave out does not count, unless it limits the sentence: "(except in May)".
    """
    told = NOTE.sub(lambda note: _limiting(note, f"{question} {answer}", words), evidence)
    for asks, moved, rest in _readings(words_of(question), words):
        for gapped in _gapped(words_of(told), words_of(answer)):
            run = _repeated(rest, gapped, moved, words, most_skipped=0)
            if run and _adjoins(run, gapped, asks, moved, words):
                outside = {*gapped[: run.first], *gapped[run.end :]}
                return outside <= {ANSWER, moved, *words.articles, *words.consequent}
    return False


def names_subject(question: str, answer: str, evidence: str, words: Language) -> bool:
    """
    Return whether the answer is the whole subject of the words that the question repeats.

    What the question leaves out behind them must not limit them: "The tower was closed because it was old",
    but not "... until May". Only a phrase such as "In 1911, " may precede the subject.
    """
    place = evidence.casefold().find(answer.casefold())
    opening_words = [word for word in words_of(evidence[: max(0, place)]) if word not in words.articles]
    if place < 0 or words_of(answer)[-1].endswith(tuple(words.adverb_endings)):
        return False  # "Barges usually"
    if opening_words:
        phrase = opening_words[0] in words.prepositions and OPENING_COMMA.search(evidence[:place])
        if not phrase or words.relative & set(opening_words) or _limits(opening_words, words):
            return False
    for asks, moved, rest in _readings(words_of(question), words):
        for gapped in _gapped(words_of(evidence), words_of(answer)) if asks is Asks.SUBJECT else ():
            run = _repeated(rest, gapped, moved, words, most_skipped=0)
            if run and _adjoins(run, gapped, asks, moved, words) and not _limits(gapped[run.end :], words):
                return True
    return False


def _limits(tokens: Sequence[str], words: Language) -> bool:
    """Check whether words contain a condition, a negation or an exception."""
    if {*words.negations, *words.restricting} & set(tokens) or phrase_in(tokens, words.excepting):
        return True
    return any(opens_condition(tokens[place:], words) for place in range(len(tokens)))


def _limiting(note: re.Match[str], pair: str, words: Language) -> str:
    """Return a note that is part of the pair or limits its sentence; a space for another one."""
    tokens = words_of(note[0])
    limits = phrase_in(tokens, words.conditions) or words.negations & set(tokens)
    return note[0] if limits or note[0] in pair else " "


def completes(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question in the words of its sentence whose answer is not the part that it leaves out.

    The answer is elsewhere in the sentence, or cut from a longer subject or from its condition ("is a number"
    of "is a number if ..."); or the question keeps the inflected verb ("When does it ends?").
    """
    asks = fills(question, answer, evidence, words)
    if asks is Asks.ELSEWHERE:
        raise Reject("answers another part of the sentence", f"{question} {answer}, by: {evidence}")
    _same_verb_form(question, asks, evidence, words)
    _one_predicate(question, asks, words)
    _moved_verb(question, asks, evidence, words)
    _not_from_list(question, answer, asks, words)
    _not_repeated(question, answer, words)
    if asks not in (Asks.SUBJECT, Asks.OBJECT):
        return
    place = evidence.casefold().find(answer.casefold())
    if place < 0:
        return
    before, after = words_of(evidence[:place]), evidence[place + len(answer) :].lstrip(CLOSING)
    outer = next((word for word in reversed(before) if word not in words.articles), "")
    if asks is Asks.SUBJECT and (outer in words.prepositions or _last_item(evidence[:place], words)):
        raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")
    if asks is Asks.SUBJECT and (limit := _limit_behind(question, answer, evidence, words)):
        raise Reject("cut from its condition", f"{limit!r} is not in: {question}, by: {evidence}")
    condition = opens_condition(words_of(after), words) if after[:1] == " " else ""
    if asks is Asks.OBJECT and condition and condition not in " ".join(words_of(question)):
        raise Reject("cut from its condition", f"{question} {answer}, by: {evidence}")


def _last_item(before: str, words: Language) -> bool:
    """Check whether words without a verb end in a conjunction: "Ferries, barges and", before "rafts"."""
    tokens = [word for word in words_of(SENTENCE_START.split(before)[-1]) if word not in words.articles]
    if not tokens or tokens[-1] not in words.coordinating or len(tokens) > LIST_WORDS:
        return False
    finite = words.verbs | words.modals | words.actions | words.pasts
    return not finite & {*tokens} and not opening(tokens, words.connectives)


def _limit_behind(question: str, answer: str, evidence: str, words: Language) -> str:
    """Return what limits a sentence behind the words of a question for its subject: "unless", "except"."""
    asked = words_of(question)
    for asks, moved, rest in _readings(asked, words):
        for gapped in _gapped(words_of(evidence), words_of(answer)) if asks is Asks.SUBJECT else ():
            run = _repeated(rest, gapped, moved, words)
            if run and _adjoins(run, gapped, asks, moved, words):
                behind = gapped[run.end :]
                return opens_condition(behind, words) or opening(behind, words.excepting)
    return ""


def opens_condition(tokens: Sequence[str], words: Language) -> str:
    """Return the connective of a condition, not of a reason or purpose, that words begin with; or ""."""
    connective = opening(tokens, words.connectives)
    return connective if connective.partition(" ")[0] in words.conditions else ""


def _same_verb_form(question: str, asks: Asks | None, evidence: str, words: Language) -> None:
    """Reject a question that keeps the verb form of its sentence after "does": "When does it ends?"."""
    asked, written = words_of(question), words_of(evidence)
    support = next((word for word in asked[: OPENERS + 1] if word in words.support), "")
    if support not in words.inflecting or support in written or asks in (None, Asks.ACTION):
        return
    rest = asked[asked.index(support) + 1 :]
    if set(rest) <= set(written):
        raise Reject("ungrammatical", f"{support!r}: {question}, by: {evidence}")


def _moved_verb(question: str, asks: Asks | None, evidence: str, words: Language) -> None:
    """Reject a verb from a relative clause: "What is the man who is near?" by "She met a man who is near"."""
    verb, rest = words_of(question)[1:2], words_of(question)[2:]
    if asks is Asks.SUBJECT or not words.being & set(verb):
        return
    of_relative = any(here in words.relative and [next_word] == verb for here, next_word in pairwise(rest))
    if of_relative and phrase_in(words_of(evidence), [" ".join(rest)]):
        raise Reject("ungrammatical", f"{verb[0]!r} is of a relative clause: {question}, by: {evidence}")


def _not_from_list(question: str, answer: str, asks: Asks | None, words: Language) -> None:
    """Reject a consequence that begins in a list of the condition: "wages, and costs, a party may appeal"."""
    item = ITEM.match(answer) if asks is Asks.CONSEQUENCE else None
    verbs = words.verbs | words.modals | words.actions
    if item and item[2] in words.coordinating and not (words.articles | verbs) & set(words_of(item[1])):
        raise Reject("answer is cut from a clause", f"{question} {answer}")


def _not_repeated(question: str, answer: str, words: Language) -> None:
    """Reject a consequence that repeats its condition: "The pump starts when the valve opens, and ..."."""
    happens = opening(words_of(question), words.happening)
    condition = words_of(question)[happens.count(" ") + 1 :]
    if happens and len(condition) > 2 and phrase_in(words_of(answer), [" ".join(condition)]):
        raise Reject("answer repeats the question", f"{question} {answer}")


def _shares_subject(run: _Run, sentence: Sequence[str], asks: Asks, words: Language) -> bool:
    """Return whether a subject may be further back: "Ada Holz, who ran the mint and struck coins"."""
    joints = words.relative | words.joining
    return (
        asks is Asks.SUBJECT and sentence[max(0, run.first - 1)] in joints and ANSWER in sentence[: run.first]
    )


def _one_predicate(question: str, asks: Asks | None, words: Language) -> None:
    """
    Reject a question with a second clause, and an inverted one with a second predicate.

    "When is it called first and may be omitted?", "What is skipped and the next block is checked?"
    """
    inverted = asks in (Asks.OBJECT, Asks.CIRCUMSTANCE)
    if (inverted and second_predicate(question, words)) or (
        (inverted or asks is Asks.SUBJECT) and _second_clause(question, words)
    ):
        raise Reject("ungrammatical", f"two predicates: {question}")


def _second_clause(question: str, words: Language) -> bool:
    """Check whether a main clause with its own subject follows a conjunction, outside a condition."""
    tokens = words_of(question)
    for place, word in enumerate(tokens):
        if opening(tokens[place:], (*words.connectives, *words.relative)) and place:
            return False
        following = tokens[place + 1 : place + 1 + SUBJECT_WORDS]
        if word in words.coordinating and (words.articles | words.distant) & set(following[:1]):
            return bool((words.being | words.modals) & set(following))
    return False


def second_predicate(text: str, words: Language) -> bool:
    """Return whether a finite verb follows a conjunction, at most one word later: "and may be omitted"."""
    tokens = words_of(text)
    verbs = words.modals | words.verbs | words.actions
    return any(
        word in words.coordinating and verbs & set(tokens[place + 1 : place + 3])
        for place, word in enumerate(tokens)
    )


def _readings(question: Sequence[str], words: Language) -> Iterator[tuple[Asks, str, list[str]]]:
    """Yield what a question may ask for, the verb that it moved to its front, and its remaining words."""
    if happens := opening(question, words.happening):
        yield Asks.CONSEQUENCE, "", list(question[happens.count(" ") + 1 :])
        return
    if not question or question[0] not in words.open_ended:
        return
    circumstance = question[0] not in words.things
    for first in range(1, min(OPENERS + 1, len(question) - 1)):
        verb, rest = question[first], list(question[first + 1 :])
        if first > 1 and verb not in words.verbs | words.modals | words.support | words.actions:
            continue  # a further word of "which kind of thing"
        asks = Asks.CIRCUMSTANCE if circumstance else Asks.OBJECT
        forms = (verb, *words.permitting.get(verb, ()))  # "What can be waived?" by "may be waived"
        if not circumstance:
            yield from ((Asks.SUBJECT, "", [form, *rest]) for form in forms)
        if verb in words.support:
            if doing := next((place for place, word in enumerate(rest) if word in words.doing), 0):
                yield Asks.ACTION, "", rest[:doing] + rest[doing + 1 :]
            yield asks, "", rest
        elif verb in words.modals | words.verbs or not words.support:
            yield from ((asks, form, rest) for form in forms)
        if verb in words.support | words.modals | words.verbs:
            return


def _gapped(sentence: list[str], answer: list[str]) -> Iterator[list[str]]:
    """Yield the words of a sentence with each occurrence of the answer replaced by one mark."""
    for place in range(len(sentence) - len(answer) + 1 if answer else 0):
        if sentence[place : place + len(answer)] == answer:
            yield [*sentence[:place], ANSWER, *sentence[place + len(answer) :]]


def _repeated(
    rest: Sequence[str], sentence: Sequence[str], moved: str, words: Language, most_skipped: int = SKIPPED
) -> _Run | None:
    """Find the words of a question in its sentence, in order; articles and the moved verb may differ."""
    for first, word in enumerate(sentence):
        if not rest or not _same(rest[0], word, words):
            continue
        place, read, skipped, around, inverted = first, 0, 0, False, False
        while place < len(sentence) and read < len(rest):
            here = sentence[place]
            if here == ANSWER:
                around = True
            elif _same(rest[read], here, words):
                read += 1
            elif moved == here and not inverted:
                inverted = True
            elif rest[read] in words.articles:
                read += 1
                continue
            elif here not in words.articles:
                skipped += 1
                if skipped > most_skipped or here in _telling(words):
                    break
            place += 1
        near = [*sentence[max(0, first - 1) : first], *sentence[place : place + 2]]
        if read == len(rest) and (not moved or inverted or moved in near):
            return _Run(first, place, around, inverted)
    return None


def _telling(words: Language) -> frozenset[str]:
    """Return words that a question must not leave out of its sentence."""
    return words.negations | words.joining | words.relative | words.prepositions


def _same(asked: str, written: str, words: Language) -> bool:
    """Return whether two words are forms of one word."""
    if asked == written:
        return True
    return not {asked, written} & words.stop and words.stem(asked) == words.stem(written)


def _of_second_clause(run: _Run, sentence: Sequence[str], words: Language) -> bool:
    """Return whether the answer opens a clause after that of the question: "... and in 1564 was the site"."""
    joint = sentence.index(ANSWER) - 2
    return (
        joint >= run.end
        and sentence[joint] in words.coordinating
        and sentence[joint + 1] in words.prepositions
    )


def _adjoins(run: _Run, sentence: Sequence[str], asks: Asks, moved: str, words: Language) -> bool:
    """Return whether the answer is next to the words of the question, on the side that it asks for."""
    if asks is Asks.CIRCUMSTANCE:
        return (run.inverted or not moved) and not _of_second_clause(run, sentence, words)
    if run.around:
        return True
    passed = words.articles | words.consequent | {moved}
    before = next((word for word in reversed(sentence[: run.first]) if word not in passed), "")
    after = next((word for word in sentence[run.end :] if word not in passed), "")
    if asks is Asks.SUBJECT:
        return before == ANSWER
    return after == ANSWER or (asks is Asks.CONSEQUENCE and before == ANSWER)
