"""
A question and its answer as a claim, compared with the sentence that should entail it.

A round trip confirms which answer a question leads to, not that its premise is true: asked "Where was Louis
Vauquelin discovered?", a passage on beryllium gives a place. Each check compares one property of the claim
and the sentence (who did what to whom, negation, the extent of the answer's clause) by rules over words, and
raises `datagen.request.Reject`. Languages without the word lists have no such checks.
"""

import re
from collections import Counter
from itertools import takewhile

from datagen.request import Reject
from datagen.stages.shared.checks.gap import Asks, fills
from datagen.stages.shared.checks.predicates import base_forms, has_subject, same_predicate, states_fact
from datagen.stages.shared.checks.roles import same_roles
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

SUBJECT = 3  # maximum words of a subject that only readers of the passage may know
NEAR = 4  # words between a kind of thing and its name: "function "ord()"", "types (such as "range")"
OPENING = 2  # words of "which kind", which its sentence need not have
PHRASE = 6  # words of a preposition's phrase
CALLED = ("function", "method", "call")  # kinds of a name with parentheses
SECOND = re.compile(r"(?P<pause>[,;])? (?P<joint>\w+)(?= (?P<next>[\w'-]+)(?: (?P<then>[^\s.,;:!?]+))?)")
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|`[^`]*`")
NAME = re.compile(r"\b[A-Z]|[\"'`“‘*_\d]")  # a name, a quotation, a number


def entailed(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question and answer that the sentence does not entail.

    The question confuses who did what, omits a negation of the sentence, or has a superfluous preposition;
    or the answer is cut from a clause, is what the sentence excepts, or is a reason where the question asks
    for a time.
    """
    has_subject(question, words)
    _no_stray_preposition(question, words)
    _whole_clause(answer, evidence, words)
    _reason_or_time(question, answer, words)
    _same_negation(question, answer, evidence, words)
    _not_disowned(question, evidence, words)
    _not_introduced(question, answer, evidence, words.excepting, words)
    same_roles(question, answer, evidence, words)
    same_predicate(question, answer, evidence, words)


def turned(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question that is not a transformation of its sentence.

    For questions in the words of the sentence: they must not add a modal verb or a form of "be", must keep
    the voice of each verb, and must name the answer by the kind that the sentence gives.
    """
    question_words, evidence_words = words_of(question), words_of(evidence)
    modals = words.modals - words.being
    for place, word in enumerate(question_words):
        same = {word, *words.permitting.get(word, ())} & set(evidence_words)
        verb = next(iter(question_words[place + 1 : place + 2]), "")
        form = verb in evidence_words or words.stem(verb) not in map(words.stem, evidence_words)
        if word in modals and not (same and form):
            raise Reject("question is not true", f"{word!r} {verb} is not in: {evidence}, but in: {question}")
    _adds_nothing(question_words, evidence_words, question, evidence, words)
    _same_number(question_words, evidence_words, question, evidence, words)
    _same_voice(question_words, evidence_words, question, evidence, words)
    _same_kind(question_words, answer, evidence_words, question, evidence, words)
    _same_participles(question_words, evidence_words, question, evidence, words)
    _whole_definition(question_words, answer, evidence, question, words)
    _within_bounds(question, answer, evidence, words)
    if is_person(question, answer, evidence, words):
        raise Reject("answer of another kind", f"{question_words[0]!r}: {question} {answer}")
    _no_other_preposition(question_words, evidence_words, question, evidence, words)
    _same_preposition(question, answer, evidence, words)
    if opening(question_words, words.of_kind):
        _not_introduced(question, answer, evidence, words.exemplifying, words)
    states_fact(question, answer, evidence, words)


def named(statement: str, words: Language) -> bool:
    """Check whether a statement names its subject; "the method" is only clear within the passage."""
    tokens = words_of(statement)
    ends = words.verbs | words.modals | words.support | words.actions | words.prepositions | words.relative
    if not tokens or tokens[0] not in words.definite:
        return True
    end = next((place for place, word in enumerate(tokens) if word in ends), SUBJECT)
    subject = statement.split()[1 : end + 1]
    return end > SUBJECT or bool(NAME.search(" ".join(subject)))


def consistent(statement: str, evidence: str, words: Language) -> None:
    """
    Reject a statement that negates one half of its sentence and keeps the other.

    A negation that is not in the sentence is followed by a second clause that still holds: "Neon does not
    occur in air, and comprises 0.0018% of it".
    """
    claimed, evidence_words = words.spelled(statement), words.spelled(evidence)
    added = [word for word in claimed if word in words.negations]
    if len(added) <= sum(word in words.negations for word in evidence_words):
        return
    denying = "|".join(map(re.escape, [*words.negations, *words.spellings]))
    denied = re.search(rf"\b(?:{denying})\b", statement, re.IGNORECASE)
    rest = statement[denied.end() :] if denied else ""
    for joint in SECOND.finditer(rest):
        verb = is_verb(joint["next"], joint["then"], words)
        if joint["joint"] in words.coordinating and (joint["pause"] or verb):
            raise Reject("contradicts itself", statement)
        if joint["pause"] and joint["joint"] in words.relative:
            raise Reject("contradicts itself", statement)


def is_verb(word: str, after: str | None, words: Language) -> bool:
    """Check whether a word is a verb, by the lists or by its ending and the word after it."""
    if word in words.verbs | words.modals | words.actions | words.support:
        return True
    after = after or ""
    opens = after in words.articles | words.prepositions | words.pointing or after[:1].isdigit()
    opens = opens or after.endswith(words.gerund_endings)  # "continued trading"
    return opens and word.endswith(words.verb_endings) and word not in words.stop


def _no_stray_preposition(question: str, words: Language) -> None:
    question_words = words_of(question)
    if question_words and question_words[-1] in words.stranded.get(question_words[0], ()):
        raise Reject("superfluous preposition", question)
    stray = frozenset[str]().union(*words.stranded.values()) - words.trailing
    if len(question_words) > 1 and question_words[-2] in words.prepositions and question_words[-1] in stray:
        raise Reject("superfluous preposition", question)


def _whole_clause(answer: str, evidence: str, words: Language) -> None:
    """Reject an answer that is a clause without its verb: "Once the appropriate metaclass"."""
    tokens = words_of(answer)
    if not opening(tokens, (*words.connectives, *words.subordinate)):
        return
    verbs = words.verbs | words.modals | words.support
    if not verbs & set(tokens) and any(follows(tokens, verb, words_of(evidence)) for verb in verbs):
        raise Reject("answer is cut from a clause", f"{answer}, by: {evidence}")


def _reason_or_time(question: str, answer: str, words: Language) -> None:
    """
    Reject a reason for a question that asks for a time, and a time for one that asks for something else.

    "Why ...?" "After Costa"; "Where ...?" "Until 1911"; "How was it built?" "1911", but not "How old ...?".
    """
    asked, tokens = words_of(question), words_of(answer)
    for asks, others in (
        (words.of_time, words.reasons),
        (words.of_reason, words.of_order),
        (words.of_place, (*words.of_order, *words.connectives)),
    ):
        if opening(asked, asks) and (phrase := opening(tokens, others)):
            raise Reject("answer of another kind", f"{phrase!r}: {question} {answer}")
    verbs = words.verbs | words.modals | words.support
    dated = [word for word in tokens if word.isdigit() or word in words.months]
    small = words.prepositions | words.articles
    if opening(asked, words.of_manner) and verbs & {*asked[1:2]}:
        phrase = opening(tokens, words.of_order)
        if phrase or (dated and all(word in small or word in dated for word in tokens)):
            raise Reject("answer of another kind", f"a time: {question} {answer}")


def _same_negation(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question that omits a negation of its sentence.

    Also one of several: "enters without a warrant", by "shall not enter without a warrant".
    """
    claimed, evidence_words = words.spelled(f"{question} {answer}"), words.spelled(QUOTED.sub(" ", evidence))
    kept = Counter(word for word in claimed if word in words.negations)
    if kept.total() >= sum(word in words.negations for word in evidence_words):
        return
    stems = {words.stem(word) for word in claimed if word not in words.stop}
    small = words.stop | words.modals | words.verbs | words.prepositions
    for place, word in enumerate(evidence_words):
        if kept[word] > 0:
            kept[word] -= 1
        elif word in words.negations:
            denied = next((later for later in evidence_words[place + 1 :] if later not in small), "")
            if words.stem(denied) in stems and set(evidence_words[max(0, place - 2) : place]) & set(claimed):
                raise Reject("question is not true", f"{word!r} of: {evidence}, is missing in: {question}")


def _not_disowned(question: str, evidence: str, words: Language) -> None:
    """
    Reject a question about what its sentence denies or only supposes.

    "What had they sold?" by "He denied that they had sold it", or by "He thought the guild had sold it".
    """
    asked, line = set(words_of(question)), words_of(evidence)
    supposed = next((at for at, word in enumerate(line) if at and word in words.supposing), None)
    if supposed is not None and not asked & words.supposing and not words.being & {line[supposed - 1]}:
        opens = words.relative | words.articles | words.pointing
        content = asked - words.stop
        if opens & {*line[supposed + 1 : supposed + 2]} and not content & {*line[:supposed]}:
            raise Reject("question is not true", f"only supposed in: {evidence}, but asked in: {question}")
    place = next((at for at, word in enumerate(line) if word in words.disowning), None)
    if place is None or asked & words.disowning or not words.relative & set(line[place + 1 : place + 2]):
        return
    if not {words.stem(word) for word in asked - words.stop} & {words.stem(word) for word in line[:place]}:
        raise Reject("question is not true", f"{line[place]!r} of: {evidence}, is missing in: {question}")


def _same_preposition(question: str, answer: str, evidence: str, words: Language) -> None:
    """Reject another preposition: "What did the bank lower its rate to?" "4.5", by "from 4.5 to 4.25"."""
    asked, tokens, line = words_of(question), words_of(answer), words_of(evidence)
    if not asked or not tokens or asked[-1] not in words.prepositions:
        return
    found = set[str]()
    for place in range(1, len(line) - len(tokens) + 1):
        if line[place : place + len(tokens)] == tokens:
            before = [word for word in line[max(0, place - 3) : place] if word not in words.articles]
            found.add(before[-1] if before and asked[-1] not in before[-2:] else "")
    if found and found <= words.prepositions - words.genitive:
        raise Reject("question is not true", f"{min(found)!r} before: {answer}, not as in: {question}")


def _adds_nothing(
    question_words: list[str], evidence_words: list[str], question: str, evidence: str, words: Language
) -> None:
    """Reject a content word that the sentence does not have: "When did it rise?" by "It fell in August"."""
    if not words.inflections:
        return
    stems = set(map(words.stem, evidence_words))
    forms = set[str]().union(*(base_forms(word, words) for word in evidence_words))
    small = words.stop | words.modals | words.verbs | words.prepositions | words.opening_words
    for word in question_words[OPENING:]:
        if word not in small and words.stem(word) not in stems and not base_forms(word, words) & forms:
            raise Reject("question is not true", f"{word!r} is not in: {evidence}, but in: {question}")


def _same_participles(
    question_words: list[str], evidence_words: list[str], question: str, evidence: str, words: Language
) -> None:
    """Reject "an officer describe in subsection (b)": only after "do" a verb loses its ending."""
    if words.support & set(question_words):
        return
    participles = [word for word in evidence_words if word.endswith(words.participle_endings)]
    for word in set(question_words[OPENING:]) - set(evidence_words) - words.stop:
        if participle := next((form for form in participles if word in base_forms(form, words)), ""):
            raise Reject("ungrammatical", f"{word!r} for {participle!r}: {question}, by: {evidence}")


def _whole_definition(
    question_words: list[str], answer: str, evidence: str, question: str, words: Language
) -> None:
    """Reject a definition that goes on after the answer: "means all books, correspondence, ..."."""
    place = evidence.casefold().find(answer.casefold())
    if place < 0 or not words.meaning & set(question_words[-1:]):
        return
    rest = evidence[place + len(answer) :].lstrip("\"'”’*`) ")
    if rest and rest[0] not in ".;:":
        raise Reject("cut from a longer answer", f"{question} {answer}, by: {evidence}")


def _within_bounds(question: str, answer: str, evidence: str, words: Language) -> None:
    """Reject "How long does a term last?" "5 years", by "not less than 5 years"."""
    line, tokens = words_of(evidence), words_of(answer)
    told = words_of(f"{question} {answer}")
    for place in range(1, len(line) - len(tokens) + 1):
        if line[place : place + len(tokens)] == tokens:
            before, after = line[:place], line[place + len(tokens) :]
            bound = next((p for p in words.bounding if before[-len(p.split()) :] == p.split()), "")
            first, last = _range(before, after, words)
            if (bound and not phrase_in(told, [bound])) or (first and not {first, last} & set(told)):
                raise Reject(
                    "cut from a longer answer", f"{bound or first!r} before: {answer}, in: {evidence}"
                )


def _range(before: list[str], after: list[str], words: Language) -> tuple[str, str]:
    """Return the words of a range of which an answer is one end: "from 1991 until 2000"; else two ""."""
    for first, lasts in words.ranges.items():
        if before[-1:] == [first] and {*after[:1]} & lasts:
            return first, after[0]
        if {*before[-1:]} & lasts and before[-3:-2] == [first]:
            return first, before[-1]
    return "", ""


def is_person(question: str, answer: str, evidence: str, words: Language) -> bool:
    """Check whether a question asks for a thing, and a person does it: "What may grant a patent?"."""
    asked, subject = words_of(question), words_of(answer)
    things = words.things - words.naming - {*words.of_kind}
    if not things & {*asked[:1]} or fills(question, answer, evidence, words) is not Asks.SUBJECT:
        return False
    head = list(takewhile(lambda word: word not in words.prepositions, subject))
    return bool(words.people & {*head[-1:]} or words.personal & {*asked})


def _no_other_preposition(
    question_words: list[str], evidence_words: list[str], question: str, evidence: str, words: Language
) -> None:
    """Reject a preposition inside a question that the sentence does not have there: "for the strike"."""
    ends = words.prepositions | words.support | words.modals | words.verbs | words.open_ended
    for place in range(1, len(question_words) - 1):
        word = question_words[place]
        if word not in words.prepositions - words.agent:
            continue
        phrase = takewhile(lambda next_word: next_word not in ends, question_words[place + 1 :])
        named = next((next_word for next_word in phrase if next_word not in words.stop), "")
        after = [
            near
            for at, written in enumerate(evidence_words)
            if written == word
            for near in evidence_words[at + 1 : at + 1 + PHRASE]
        ]
        if word not in evidence_words or (named in evidence_words and named not in after):
            raise Reject(
                "question is not true", f"{word!r} {named} is not in: {evidence}, but in: {question}"
            )


def _not_introduced(
    question: str, answer: str, evidence: str, introducing: tuple[str, ...], words: Language
) -> None:
    """
    Reject an answer that its sentence excepts, or gives as one of several.

    "Which continent is it found on?" by "all except Asia"; "Which type has it?" by "types such as range".
    """
    asked, tokens = f" {' '.join(words_of(question))} ", words_of(answer)
    for place in (at for at, word in enumerate(words_of(evidence)) if tokens and word == tokens[0]):
        line = words_of(evidence)
        if line[place : place + len(tokens)] != tokens:
            continue
        before = [word for word in line[:place] if word not in words.articles]
        phrase = next((p for p in introducing if before[-len(p.split()) :] == p.split()), "")
        if phrase and f" {phrase} " not in asked and phrase not in answer.casefold():
            raise Reject("question is not true", f"{phrase!r} before: {answer}, in: {evidence}")


def _same_number(
    question_words: list[str], evidence_words: list[str], question: str, evidence: str, words: Language
) -> None:
    """Reject a form of "be" that is not in the sentence, or not at its verb: "When are tides occur?"."""
    forms = [word for word in question_words[:3] if word in words.being]
    if forms and forms[0] not in evidence_words:
        raise Reject("question is not true", f"{forms[0]!r} is not in: {evidence}, but in: {question}")
    if not forms or question_words[0] in words.things:
        return
    rest = question_words[question_words.index(forms[0]) + 1 :]
    for place in range(len(evidence_words) - len(rest) if len(rest) > 1 else 0):
        if evidence_words[place : place + len(rest)] != rest:
            continue
        before, after = evidence_words[max(0, place - 2) : place], evidence_words[place + len(rest) :]
        if forms[0] not in before and opening(after, words.connectives):
            raise Reject("ungrammatical", f"{forms[0]!r}: {question}, by: {evidence}")


def _same_voice(
    question_words: list[str], evidence_words: list[str], question: str, evidence: str, words: Language
) -> None:
    """Reject a verb that is active in the question and passive in its sentence, or the reverse."""
    support = next((place for place, word in enumerate(question_words[:4]) if word in words.support), None)
    if support is not None:
        later = [word for word in question_words[support + 1 :] if word not in words.stop]
        for word in later:
            forms = [
                place for place, form in enumerate(evidence_words) if words.stem(form) == words.stem(word)
            ]
            passive = [
                place for place in forms if words.being & set(evidence_words[max(0, place - 2) : place])
            ]
            if (
                forms
                and word not in evidence_words
                and len(passive) == len(forms)
                and evidence_words[forms[0]].endswith(words.participle_endings)
            ):
                raise Reject(
                    "question is not true", f"{word!r} is passive in: {evidence}, not in: {question}"
                )
    elif words.being & set(question_words[:6]):
        for word in question_words[2:]:
            stem = words.stem(word)
            if (
                word.endswith(words.participle_endings)
                and word not in evidence_words
                and stem in map(words.stem, evidence_words)
            ):
                raise Reject("question is not true", f"{word!r} is not in: {evidence}, but in: {question}")


def _same_kind(
    question_words: list[str],
    answer: str,
    evidence_words: list[str],
    question: str,
    evidence: str,
    words: Language,
) -> None:
    """Reject "Which class ...?" if the sentence does not call the answer a class."""
    small = words.verbs | words.modals | words.support
    if len(question_words) < 3 or question_words[1] in small | words.actions | words.prepositions:
        return
    of_thing = (words.things - words.naming) & {question_words[0]} and question_words[2] in small
    if question_words[0] not in words.of_kind and (not of_thing or opening(question_words, words.counting)):
        return
    kind, name = words.stem(question_words[1]), words_of(answer)
    if kind in map(words.stem, name) or (answer.endswith("()") and question_words[1] in CALLED):
        return
    for place in range(len(evidence_words) - len(name) + 1):
        if evidence_words[place : place + len(name)] == name:
            around = [
                *evidence_words[max(0, place - NEAR) : place],
                *evidence_words[place + len(name) : place + len(name) + NEAR],
            ]
            if kind in map(words.stem, around):
                return
    raise Reject("answer of another kind", f"not a {question_words[1]}: {question} {answer}, by: {evidence}")


def follows(tokens: list[str], word: str, evidence_words: list[str]) -> bool:
    """Check whether a word follows directly after others in a sentence."""
    run = [*tokens, word]
    return any(
        evidence_words[place : place + len(run)] == run for place in range(len(evidence_words) - len(run) + 1)
    )
