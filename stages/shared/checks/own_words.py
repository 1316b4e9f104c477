"""
Checks of a question in the words of its sentence: it must be a transformation of that sentence.

Stricter than `datagen.stages.shared.checks.claims`, whose checks hold for questions in other words, too.
"""

from itertools import takewhile
from typing import NamedTuple

from datagen.request import Reject
from datagen.stages.shared.checks.claims import not_introduced
from datagen.stages.shared.checks.gap import Asks, fills
from datagen.stages.shared.checks.predicates import states_fact
from datagen.stages.shared.checks.verb_forms import base_forms
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

NEAR = 4  # words between a kind of thing and its name: "function "ord()"", "types (such as "range")"
OPENING = 2  # words of "which kind", which its sentence need not have
PHRASE = 6  # words of a preposition's phrase
CALLED = ("function", "method", "call")  # kinds of a name with parentheses


class _Pair(NamedTuple):
    """A question and answer with their sentence."""

    question: str
    answer: str
    evidence: str
    asked: list[str]  # the words of the question
    line: list[str]  # the words of the sentence


def turned(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question that is not a transformation of its sentence.

    For questions in the words of the sentence: they must not add a modal verb or a form of "be", must keep
    the voice of each verb, and must name the answer by the kind that the sentence gives.
    """
    pair = _Pair(question, answer, evidence, words_of(question), words_of(evidence))
    modals = language.modals - language.being
    for place, word in enumerate(pair.asked):
        same = {word, *language.permitting.get(word, ())} & set(pair.line)
        verb = next(iter(pair.asked[place + 1 : place + 2]), "")
        form = verb in pair.line or language.stem(verb) not in map(language.stem, pair.line)
        if word in modals and not (same and form):
            raise _added(f"{word!r} {verb}", pair)
    _adds_nothing(pair, language)
    _same_number(pair, language)
    _same_voice(pair, language)
    _same_kind(pair, language)
    _same_participles(pair, language)
    _whole_definition(pair, language)
    _within_bounds(pair, language)
    if is_person(question, answer, evidence, language):
        raise Reject("answer of another kind", f"{pair.asked[0]!r}: {pair.question} {pair.answer}")
    _no_other_preposition(pair, language)
    _same_preposition(pair, language)
    if opening(pair.asked, language.of_kind):
        not_introduced(question, answer, evidence, language.exemplifying, language)
    states_fact(question, answer, evidence, language)


def _added(what: str, pair: _Pair) -> Reject:
    return Reject("question is not true", f"{what} is not in: {pair.evidence}, but in: {pair.question}")


def _same_preposition(pair: _Pair, language: Language) -> None:
    """Reject another preposition: "What did the bank lower its rate to?" "4.5", by "from 4.5 to 4.25"."""
    asked, tokens, line = pair.asked, words_of(pair.answer), pair.line
    if not asked or not tokens or asked[-1] not in language.prepositions:
        return
    found = set[str]()
    for place in range(1, len(line) - len(tokens) + 1):
        if line[place : place + len(tokens)] == tokens:
            before = [word for word in line[max(0, place - 3) : place] if word not in language.articles]
            found.add(before[-1] if before and asked[-1] not in before[-2:] else "")
    if found and found <= language.prepositions - language.genitive:
        raise Reject(
            "question is not true", f"{min(found)!r} before: {pair.answer}, not as in: {pair.question}"
        )


def _adds_nothing(pair: _Pair, language: Language) -> None:
    """Reject a content word that the sentence does not have: "When did it rise?" by "It fell in August"."""
    if not language.inflections:
        return
    stems = set(map(language.stem, pair.line))
    forms = set[str]().union(*(base_forms(word, language) for word in pair.line))
    small = language.stop | language.modals | language.verbs | language.prepositions | language.opening_words
    for word in pair.asked[OPENING:]:
        if word not in small and language.stem(word) not in stems and not base_forms(word, language) & forms:
            raise _added(f"{word!r}", pair)


def _same_participles(pair: _Pair, language: Language) -> None:
    """Reject "an officer describe in subsection (b)": only after "do" a verb loses its ending."""
    if language.support & set(pair.asked):
        return
    participles = [word for word in pair.line if word.endswith(language.participle_endings)]
    for word in set(pair.asked[OPENING:]) - set(pair.line) - language.stop:
        if participle := next((form for form in participles if word in base_forms(form, language)), ""):
            raise Reject(
                "ungrammatical", f"{word!r} for {participle!r}: {pair.question}, by: {pair.evidence}"
            )


def _whole_definition(pair: _Pair, language: Language) -> None:
    """Reject a definition that goes on after the answer: "means all books, correspondence, ..."."""
    place = pair.evidence.casefold().find(pair.answer.casefold())
    if place < 0 or not language.meaning & set(pair.asked[-1:]):
        return
    rest = pair.evidence[place + len(pair.answer) :].lstrip("\"'”’*`) ")
    if rest and rest[0] not in ".;:":
        raise Reject("cut from a longer answer", f"{pair.question} {pair.answer}, by: {pair.evidence}")


def _within_bounds(pair: _Pair, language: Language) -> None:
    """Reject "How long does a term last?" "5 years", by "not less than 5 years"."""
    line, tokens = pair.line, words_of(pair.answer)
    told = words_of(f"{pair.question} {pair.answer}")
    for place in range(1, len(line) - len(tokens) + 1):
        if line[place : place + len(tokens)] == tokens:
            before, after = line[:place], line[place + len(tokens) :]
            bound = next((p for p in language.bounding if before[-len(p.split()) :] == p.split()), "")
            first, last = _range(before, after, language)
            if (bound and not phrase_in(told, [bound])) or (first and not {first, last} & set(told)):
                raise Reject(
                    "cut from a longer answer",
                    f"{bound or first!r} before: {pair.answer}, in: {pair.evidence}",
                )


def _range(before: list[str], after: list[str], language: Language) -> tuple[str, str]:
    """Return the words of a range of which an answer is one end: "from 1991 until 2000"; else two ""."""
    for first, lasts in language.ranges.items():
        if before[-1:] == [first] and {*after[:1]} & lasts:
            return first, after[0]
        if {*before[-1:]} & lasts and before[-3:-2] == [first]:
            return first, before[-1]
    return "", ""


def is_person(question: str, answer: str, evidence: str, language: Language) -> bool:
    """Check whether a question asks for a thing, and a person does it: "What may grant a patent?"."""
    asked, subject = words_of(question), words_of(answer)
    things = language.things - language.naming - {*language.of_kind}
    if not things & {*asked[:1]} or fills(question, answer, evidence, language) is not Asks.SUBJECT:
        return False
    head = list(takewhile(lambda word: word not in language.prepositions, subject))
    return bool(language.people & {*head[-1:]} or language.personal & {*asked})


def _no_other_preposition(pair: _Pair, language: Language) -> None:
    """Reject a preposition inside a question that the sentence does not have there: "for the strike"."""
    ends = language.prepositions | language.support | language.modals | language.verbs | language.open_ended
    for place in range(1, len(pair.asked) - 1):
        word = pair.asked[place]
        if word not in language.prepositions - language.agent:
            continue
        phrase = takewhile(lambda next_word: next_word not in ends, pair.asked[place + 1 :])
        named = next((next_word for next_word in phrase if next_word not in language.stop), "")
        after = [
            near
            for at, written in enumerate(pair.line)
            if written == word
            for near in pair.line[at + 1 : at + 1 + PHRASE]
        ]
        if word not in pair.line or (named in pair.line and named not in after):
            raise _added(f"{word!r} {named}", pair)


def _same_number(pair: _Pair, language: Language) -> None:
    """Reject a form of "be" that is not in the sentence, or not at its verb: "When are tides occur?"."""
    forms = [word for word in pair.asked[:3] if word in language.being]
    if forms and forms[0] not in pair.line:
        raise _added(f"{forms[0]!r}", pair)
    if not forms or pair.asked[0] in language.things:
        return
    rest = pair.asked[pair.asked.index(forms[0]) + 1 :]
    for place in range(len(pair.line) - len(rest) if len(rest) > 1 else 0):
        if pair.line[place : place + len(rest)] != rest:
            continue
        before, after = pair.line[max(0, place - 2) : place], pair.line[place + len(rest) :]
        if forms[0] not in before and opening(after, language.connectives):
            raise Reject("ungrammatical", f"{forms[0]!r}: {pair.question}, by: {pair.evidence}")


def _same_voice(pair: _Pair, language: Language) -> None:
    """Reject a verb that is active in the question and passive in its sentence, or the reverse."""
    support = next((place for place, word in enumerate(pair.asked[:4]) if word in language.support), None)
    if support is not None:
        later = [word for word in pair.asked[support + 1 :] if word not in language.stop]
        for word in later:
            forms = [
                place for place, form in enumerate(pair.line) if language.stem(form) == language.stem(word)
            ]
            passive = [place for place in forms if language.being & set(pair.line[max(0, place - 2) : place])]
            if (
                forms
                and word not in pair.line
                and len(passive) == len(forms)
                and pair.line[forms[0]].endswith(language.participle_endings)
            ):
                raise Reject(
                    "question is not true",
                    f"{word!r} is passive in: {pair.evidence}, not in: {pair.question}",
                )
    elif language.being & set(pair.asked[:6]):
        for word in pair.asked[2:]:
            stem = language.stem(word)
            if (
                word.endswith(language.participle_endings)
                and word not in pair.line
                and stem in map(language.stem, pair.line)
            ):
                raise _added(f"{word!r}", pair)


def _same_kind(pair: _Pair, language: Language) -> None:
    """Reject "Which class ...?" if the sentence does not call the answer a class."""
    small = language.verbs | language.modals | language.support
    if len(pair.asked) < 3 or pair.asked[1] in small | language.actions | language.prepositions:
        return
    of_thing = (language.things - language.naming) & {pair.asked[0]} and pair.asked[2] in small
    if pair.asked[0] not in language.of_kind and (not of_thing or opening(pair.asked, language.counting)):
        return
    kind, name = language.stem(pair.asked[1]), words_of(pair.answer)
    if kind in map(language.stem, name) or (pair.answer.endswith("()") and pair.asked[1] in CALLED):
        return
    for place in range(len(pair.line) - len(name) + 1):
        if pair.line[place : place + len(name)] == name:
            around = [
                *pair.line[max(0, place - NEAR) : place],
                *pair.line[place + len(name) : place + len(name) + NEAR],
            ]
            if kind in map(language.stem, around):
                return
    raise Reject(
        "answer of another kind", f"not a {pair.asked[1]}: {pair.question} {pair.answer}, by: {pair.evidence}"
    )
