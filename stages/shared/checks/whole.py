"""
Whether a question and its answer have all of their sentence that they depend on.

"If a proxy is set, the file is copied" does not say that the file is copied, and "users should either copy it
or move it" does not say that they should copy it. Conditions are compared for questions in the
words of their sentence (`datagen.stages.shared.checks.gap`): others may reword them.
"""

import re
from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.checks.claims import is_verb
from datagen.stages.shared.checks.gap import Asks, fills, opens_condition
from datagen.stages.shared.language.rules import Language, words_pattern
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening

TOLD = 0.5  # least share of a condition's content words that a pair must have
ITEM = r"(?: [\w-]+){1,4}"  # of a list
CLAUSE = re.compile(r"[^,()]+(?:\([^()]*\)[^,()]*)*,")  # the opening clause of a sentence


def whole(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a pair that omits its sentence's condition, one of two alternatives, or half of what happens."""
    asked = words_of(question)
    if language.support & set(asked[1:2]) and language.doing & set(asked[2:]):
        _both_actions(question, answer, evidence, language)
    _with_alternative(question, answer, evidence, language)
    asks = fills(question, answer, evidence, language)
    if asks not in (None, Asks.ELSEWHERE):
        _with_condition(question, answer, evidence, language)
    place = evidence.casefold().find(answer.casefold())
    before = [word for word in words_of(evidence[: max(0, place)]) if word not in language.articles][-1:]
    stranded = before == asked[-1:] and language.prepositions & {*before}  # "give notice to?" "to the clerk"
    if asks is Asks.OBJECT or stranded:
        _with_list(question, answer, evidence, language)


def _with_condition(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a pair without the condition or purpose that opens its sentence: "To copy a file, ..."."""
    clause = CLAUSE.match(evidence)
    if not clause or answer.casefold() in clause[0].casefold():
        return
    tokens = words_of(clause[0])
    conditional = opens_condition(tokens, language) or language.infinitive & set(tokens[:1])
    if conditional and not _told(clause[0], question, answer, language):
        raise Reject("cut from its condition", f"{clause[0]!r} is not in: {question} {answer}")


def _with_alternative(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject one half of "either ... or"."""
    for first, second in language.alternatives.items():
        if choice := re.search(rf"\b{first}\b(.+)\b{second}\b([^,.;:]+)", evidence, re.IGNORECASE):
            told = [_told(part, question, answer, language) for part in choice.groups()]
            if any(told) and not all(told):
                raise Reject("cut from its alternative", f"{question} {answer}, by: {evidence}")


def _with_list(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject the first items of a list: "the clerk", by "gives notice to the clerk and the parties"."""
    place = evidence.casefold().find(answer.casefold())
    rest = evidence[place + len(answer) :] if place >= 0 else ""
    joints, small = (
        words_pattern(map(re.escape, of)) for of in (language.coordinating, language.prepositions)
    )
    items = re.match(rf"(?:,(?! {small}){ITEM})*?,? {joints} (?P<last>\w[^,.;:()—]*)", rest)
    if not items:
        return
    tokens = words_of(items["last"])
    clause = is_verb(tokens[0], next(iter(tokens[1:]), ""), language) or any(
        word in language.verbs | language.modals | language.actions | language.pasts
        or (after in language.articles and word.endswith(language.verb_endings))
        for word, after in pairwise(tokens)
    )
    if (
        not clause
        and not opening(tokens, language.connectives)
        and not _told(rest, question, answer, language)
    ):
        raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")


def _told(part: str, question: str, answer: str, language: Language) -> bool:
    """Check whether a pair has most content words of a part of its sentence."""
    content, told = {*language.content(part)}, {*language.content(f"{question} {answer}")}
    return len(content & told) >= TOLD * len(content)


def _both_actions(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject the first of two actions: "clears the list", by "It clears the list and raises an error"."""
    place = evidence.casefold().find(answer.casefold())
    rest = words_of(evidence[place + len(answer) :]) if place >= 0 else []
    if len(rest) > 1 and rest[0] in language.coordinating:
        verb = next(iter(words_of(answer)), "")
        same = verb.endswith(language.verb_endings) and rest[1].endswith(language.verb_endings)
        verbs = language.modals | language.verbs | language.actions
        if rest[1] in verbs or (same and rest[1] not in language.stop):
            raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")
