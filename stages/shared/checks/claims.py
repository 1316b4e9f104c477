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
    not_introduced(question, answer, evidence, words.excepting, words)
    same_roles(question, answer, evidence, words)
    same_predicate(question, answer, evidence, words)


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


def not_introduced(
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


def follows(tokens: list[str], word: str, evidence_words: list[str]) -> bool:
    """Check whether a word follows directly after others in a sentence."""
    run = [*tokens, word]
    return any(
        evidence_words[place : place + len(run)] == run for place in range(len(evidence_words) - len(run) + 1)
    )
