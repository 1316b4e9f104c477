"""
Rejection of questions in the words of their sentence whose answer is not the part that they leave out.

A question in other words is judged by its form only (`datagen.stages.shared.checks.gap`).
"""

import re
from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.checks.claims import is_verb
from datagen.stages.shared.checks.gap import OPENERS, Asks, behind_subject, fills, opens_condition
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

CLOSING = "\"'”’*`)"
ITEM = re.compile(r"\W*(\w+(?: \w+)?), (\w+) ")  # the last item but one of a list: "wages, and costs"
SUBJECT_WORDS = 6  # within which the verb of a second main clause follows its conjunction
SENTENCE_START = re.compile(r"[;:.!?] ")
COLON = re.compile(r"[:;] (?:\w{1,3} )?[\"'“‘*`(]*\Z")  # before a subject, with its article
LIST_WORDS = 8  # before the last item of a list that is a subject


def completes(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question in the words of its sentence whose answer is not the part that it leaves out.

    The answer is elsewhere in the sentence, or cut from a longer subject or from its condition ("is a number"
    of "is a number if ..."); or the question keeps the inflected verb ("When does it ends?").
    """
    asks = fills(question, answer, evidence, language)
    if asks is Asks.ELSEWHERE:
        raise Reject("answers another part of the sentence", f"{question} {answer}, by: {evidence}")
    _same_verb_form(question, asks, evidence, language)
    _one_predicate(question, asks, language)
    _moved_verb(question, asks, evidence, language)
    _not_from_list(question, answer, asks, language)
    _not_repeated(question, answer, language)
    if asks not in (Asks.SUBJECT, Asks.OBJECT):
        return
    place = evidence.casefold().find(answer.casefold())
    if place < 0:
        return
    if asks is Asks.OBJECT:
        _not_of_next_clause(question, answer, evidence, language)
        _whole_definition(question, answer, evidence, language)
    before, after = words_of(evidence[:place]), evidence[place + len(answer) :].lstrip(CLOSING)
    outer = next((word for word in reversed(before) if word not in language.articles), "")
    if asks is Asks.SUBJECT and (outer in language.prepositions or _last_item(evidence[:place], language)):
        raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")
    behind = behind_subject(question, answer, evidence, language) if asks is Asks.SUBJECT else []
    if limit := opens_condition(behind, language) or opening(behind, language.excepting):
        raise Reject("cut from its condition", f"{limit!r} is not in: {question}, by: {evidence}")
    condition = opens_condition(words_of(after), language) if after[:1] == " " else ""
    if asks is Asks.OBJECT and condition and condition not in " ".join(words_of(question)):
        raise Reject("cut from its condition", f"{question} {answer}, by: {evidence}")


def _not_of_next_clause(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a subject behind a colon: "What does it use?" "a pump", by "It uses it: a pump may clog"."""
    place = evidence.casefold().find(answer.casefold())
    verb, *rest = words_of(evidence[place + len(answer) :]) or [""]
    if COLON.search(evidence[:place]) and is_verb(verb, next(iter(rest), ""), language):
        raise Reject("answers another part of the sentence", f"{question} {answer}, by: {evidence}")


def _whole_definition(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a definition without what limits it: "the items", by "is defined as the items with an index"."""
    asked = " ".join(words_of(question))
    moved = (phrase.split(maxsplit=1) for phrase in language.defining if phrase.count(" ") > 1)
    defines = any(asked.endswith(f" {rest}") for _, rest in moved)
    after = evidence[evidence.casefold().find(answer.casefold()) + len(answer) :].lstrip(CLOSING)
    limits = language.prepositions | language.relative
    if defines and after[:1] == " " and limits & {*words_of(after)[:1]}:
        raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")


def _last_item(before: str, language: Language) -> bool:
    """Check whether words without a verb end in a conjunction: "Ferries, barges and", before "rafts"."""
    tokens = [word for word in words_of(SENTENCE_START.split(before)[-1]) if word not in language.articles]
    if not tokens or tokens[-1] not in language.coordinating or len(tokens) > LIST_WORDS:
        return False
    finite = language.verbs | language.modals | language.actions | language.pasts
    return not finite & {*tokens} and not opening(tokens, language.connectives)


def _same_verb_form(question: str, asks: Asks | None, evidence: str, language: Language) -> None:
    """Reject a question that keeps the verb form of its sentence after "does": "When does it ends?"."""
    asked, written = words_of(question), words_of(evidence)
    support = next((word for word in asked[: OPENERS + 1] if word in language.support), "")
    if support not in language.inflecting or support in written or asks in (None, Asks.ACTION):
        return
    rest = asked[asked.index(support) + 1 :]
    if set(rest) <= set(written):
        raise Reject("ungrammatical", f"{support!r}: {question}, by: {evidence}")


def _moved_verb(question: str, asks: Asks | None, evidence: str, language: Language) -> None:
    """Reject a verb from a relative clause: "What is the man who is near?" by "She met a man who is near"."""
    verb, rest = words_of(question)[1:2], words_of(question)[2:]
    if asks is Asks.SUBJECT or not language.being & set(verb):
        return
    of_relative = any(here in language.relative and [next_word] == verb for here, next_word in pairwise(rest))
    if of_relative and phrase_in(words_of(evidence), [" ".join(rest)]):
        raise Reject("ungrammatical", f"{verb[0]!r} is of a relative clause: {question}, by: {evidence}")


def _not_from_list(question: str, answer: str, asks: Asks | None, language: Language) -> None:
    """Reject a consequence that begins in a list of the condition: "wages, and costs, a party may appeal"."""
    item = ITEM.match(answer) if asks is Asks.CONSEQUENCE else None
    verbs = language.verbs | language.modals | language.actions
    if item and item[2] in language.coordinating and not (language.articles | verbs) & set(words_of(item[1])):
        raise Reject("answer is cut from a clause", f"{question} {answer}")


def _not_repeated(question: str, answer: str, language: Language) -> None:
    """Reject a consequence that repeats its condition: "The pump starts when the valve opens, and ..."."""
    happens = opening(words_of(question), language.happening)
    condition = words_of(question)[happens.count(" ") + 1 :]
    if happens and len(condition) > 2 and phrase_in(words_of(answer), [" ".join(condition)]):
        raise Reject("answer repeats the question", f"{question} {answer}")


def _one_predicate(question: str, asks: Asks | None, language: Language) -> None:
    """
    Reject a question with a second clause, and an inverted one with a second predicate.

    "When is it called first and may be omitted?", "What is skipped and the next block is checked?"
    """
    inverted = asks in (Asks.OBJECT, Asks.CIRCUMSTANCE)
    if (inverted and second_predicate(question, language)) or (
        (inverted or asks is Asks.SUBJECT) and _second_clause(question, language)
    ):
        raise Reject("ungrammatical", f"two predicates: {question}")


def _second_clause(question: str, language: Language) -> bool:
    """Check whether a main clause with its own subject follows a conjunction, outside a condition."""
    tokens = words_of(question)
    for place, word in enumerate(tokens):
        if opening(tokens[place:], (*language.connectives, *language.relative)) and place:
            return False
        following = tokens[place + 1 : place + 1 + SUBJECT_WORDS]
        if word in language.coordinating and (language.articles | language.distant) & set(following[:1]):
            return bool((language.being | language.modals) & set(following))
    return False


def second_predicate(text: str, language: Language) -> bool:
    """Return whether a finite verb follows a conjunction, at most one word later: "and may be omitted"."""
    tokens = words_of(text)
    verbs = language.modals | language.verbs | language.actions
    return any(
        word in language.coordinating and verbs & set(tokens[place + 1 : place + 3])
        for place, word in enumerate(tokens)
    )
