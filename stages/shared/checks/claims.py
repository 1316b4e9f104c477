"""
A question and its answer as a claim, compared with the sentence that should entail it.

A round trip confirms which answer a question leads to, not that its premise is true: asked "Where was Louis
Vauquelin discovered?", a passage on beryllium gives a place. Each check compares one property of the claim
and the sentence (who did what to whom, negation, the extent of the answer's clause) by rules over words, and
raises `datagen.request.Reject`. Languages without the word lists have no such checks.
"""

import re
from collections import Counter

from datagen.request import Reject
from datagen.stages.shared.checks.predicates import has_subject, same_predicate
from datagen.stages.shared.checks.roles import same_roles
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening

SUBJECT = 3  # maximum words of a subject that only readers of the passage may know
SECOND = re.compile(r"(?P<pause>[,;])? (?P<joint>\w+)(?= (?P<next>[\w'-]+)(?: (?P<then>[^\s.,;:!?]+))?)")
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|`[^`]*`")
NAME = re.compile(r"\b[A-Z]|[\"'`“‘*_\d]")  # a name, a quotation, a number


def entailed(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question and answer that the sentence does not entail.

    The question confuses who did what, omits a negation of the sentence, or has a superfluous preposition;
    or the answer is cut from a clause, is what the sentence excepts, or is a reason where the question asks
    for a time.
    """
    has_subject(question, language)
    _no_stray_preposition(question, language)
    _whole_clause(answer, evidence, language)
    _reason_or_time(question, answer, language)
    _same_negation(question, answer, evidence, language)
    _not_disowned(question, evidence, language)
    not_introduced(question, answer, evidence, language.excepting, language)
    same_roles(question, answer, evidence, language)
    same_predicate(question, answer, evidence, language)


def named(statement: str, language: Language) -> bool:
    """Check whether a statement names its subject; "the method" is only clear within the passage."""
    tokens = words_of(statement)
    ends = (
        language.verbs
        | language.modals
        | language.support
        | language.actions
        | language.prepositions
        | language.relative
    )
    if not tokens or tokens[0] not in language.definite:
        return True
    end = next((place for place, word in enumerate(tokens) if word in ends), SUBJECT)
    subject = statement.split()[1 : end + 1]
    return end > SUBJECT or bool(NAME.search(" ".join(subject)))


def consistent(statement: str, evidence: str, language: Language) -> None:
    """
    Reject a statement that negates one half of its sentence and keeps the other.

    A negation that is not in the sentence is followed by a second clause that still holds: "Neon does not
    occur in air, and comprises 0.0018% of it".
    """
    claimed, evidence_words = language.spelled(statement), language.spelled(evidence)
    added = [word for word in claimed if word in language.negations]
    if len(added) <= sum(word in language.negations for word in evidence_words):
        return
    denying = "|".join(map(re.escape, [*language.negations, *language.spellings]))
    denied = re.search(rf"\b(?:{denying})\b", statement, re.IGNORECASE)
    rest = statement[denied.end() :] if denied else ""
    for joint in SECOND.finditer(rest):
        verb = is_verb(joint["next"], joint["then"], language)
        if joint["joint"] in language.coordinating and (joint["pause"] or verb):
            raise Reject("contradicts itself", statement)
        if joint["pause"] and joint["joint"] in language.relative:
            raise Reject("contradicts itself", statement)


def is_verb(word: str, after: str | None, language: Language) -> bool:
    """Check whether a word is a verb, by the lists or by its ending and the word after it."""
    if word in language.verbs | language.modals | language.actions | language.support:
        return True
    after = after or ""
    opens = after in language.articles | language.prepositions | language.pointing or after[:1].isdigit()
    opens = opens or after.endswith(language.gerund_endings)  # "continued trading"
    return opens and word.endswith(language.verb_endings) and word not in language.stop


def _no_stray_preposition(question: str, language: Language) -> None:
    question_words = words_of(question)
    if question_words and question_words[-1] in language.stranded.get(question_words[0], ()):
        raise Reject("superfluous preposition", question)
    stray = frozenset[str]().union(*language.stranded.values()) - language.trailing
    if (
        len(question_words) > 1
        and question_words[-2] in language.prepositions
        and question_words[-1] in stray
    ):
        raise Reject("superfluous preposition", question)


def _whole_clause(answer: str, evidence: str, language: Language) -> None:
    """Reject an answer that is a clause without its verb: "Once the appropriate metaclass"."""
    tokens = words_of(answer)
    if not opening(tokens, (*language.connectives, *language.subordinate)):
        return
    verbs = language.verbs | language.modals | language.support
    if not verbs & set(tokens) and any(follows(tokens, verb, words_of(evidence)) for verb in verbs):
        raise Reject("answer is cut from a clause", f"{answer}, by: {evidence}")


def _reason_or_time(question: str, answer: str, language: Language) -> None:
    """
    Reject a reason for a question that asks for a time, and a time for one that asks for something else.

    "Why ...?" "After Costa"; "Where ...?" "Until 1911"; "How was it built?" "1911", but not "How old ...?".
    """
    asked, tokens = words_of(question), words_of(answer)
    for asks, others in (
        (language.of_time, language.reasons),
        (language.of_reason, language.of_order),
        (language.of_place, (*language.of_order, *language.connectives)),
    ):
        if opening(asked, asks) and (phrase := opening(tokens, others)):
            raise Reject("answer of another kind", f"{phrase!r}: {question} {answer}")
    verbs = language.verbs | language.modals | language.support
    dated = [word for word in tokens if word.isdigit() or word in language.months]
    small = language.prepositions | language.articles
    if opening(asked, language.of_manner) and verbs & {*asked[1:2]}:
        phrase = opening(tokens, language.of_order)
        if phrase or (dated and all(word in small or word in dated for word in tokens)):
            raise Reject("answer of another kind", f"a time: {question} {answer}")


def _same_negation(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question that omits a negation of its sentence.

    Also one of several: "enters without a warrant", by "shall not enter without a warrant".
    """
    claimed, evidence_words = (
        language.spelled(f"{question} {answer}"),
        language.spelled(QUOTED.sub(" ", evidence)),
    )
    kept = Counter(word for word in claimed if word in language.negations)
    if kept.total() >= sum(word in language.negations for word in evidence_words):
        return
    stems = {language.stem(word) for word in claimed if word not in language.stop}
    small = language.stop | language.modals | language.verbs | language.prepositions
    for place, word in enumerate(evidence_words):
        if kept[word] > 0:
            kept[word] -= 1
        elif word in language.negations:
            denied = next((later for later in evidence_words[place + 1 :] if later not in small), "")
            if language.stem(denied) in stems and set(evidence_words[max(0, place - 2) : place]) & set(
                claimed
            ):
                raise Reject("question is not true", f"{word!r} of: {evidence}, is missing in: {question}")


def _not_disowned(question: str, evidence: str, language: Language) -> None:
    """
    Reject a question about what its sentence denies or only supposes.

    "What had they sold?" by "He denied that they had sold it", or by "He thought the guild had sold it".
    """
    asked, line = set(words_of(question)), words_of(evidence)
    supposed = next((at for at, word in enumerate(line) if at and word in language.supposing), None)
    if supposed is not None and not asked & language.supposing and not language.being & {line[supposed - 1]}:
        opens = language.relative | language.articles | language.pointing
        content = asked - language.stop
        if opens & {*line[supposed + 1 : supposed + 2]} and not content & {*line[:supposed]}:
            raise Reject("question is not true", f"only supposed in: {evidence}, but asked in: {question}")
    place = next((at for at, word in enumerate(line) if word in language.disowning), None)
    if (
        place is None
        or asked & language.disowning
        or not language.relative & set(line[place + 1 : place + 2])
    ):
        return
    if not {language.stem(word) for word in asked - language.stop} & {
        language.stem(word) for word in line[:place]
    }:
        raise Reject("question is not true", f"{line[place]!r} of: {evidence}, is missing in: {question}")


def not_introduced(
    question: str, answer: str, evidence: str, introducing: tuple[str, ...], language: Language
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
        before = [word for word in line[:place] if word not in language.articles]
        phrase = next((p for p in introducing if before[-len(p.split()) :] == p.split()), "")
        if phrase and f" {phrase} " not in asked and phrase not in answer.casefold():
            raise Reject("question is not true", f"{phrase!r} before: {answer}, in: {evidence}")


def follows(tokens: list[str], word: str, evidence_words: list[str]) -> bool:
    """Check whether a word follows directly after others in a sentence."""
    run = [*tokens, word]
    return any(
        evidence_words[place : place + len(run)] == run for place in range(len(evidence_words) - len(run) + 1)
    )
