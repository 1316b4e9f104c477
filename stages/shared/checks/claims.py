"""
A question and its answer as a claim, compared with the sentence that should entail it.

A round trip confirms what a question asks for, not that the question is true: asked "Where was Louis
Vauquelin discovered?", a passage on beryllium gives a place. Question and answer together say something of
their sentence: who did what to whom, whether it is denied, how far the answer's clause goes. Each check looks
at one of these by rules over words and raises `datagen.request.Reject`. A language without the lists has no
such checks.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from datagen.request import Reject
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

SUBJECT = 3  # words of a subject that may be known to its passage's readers only
NEAR = 4  # words between a kind of thing and its name: "function "ord()"", "types (such as "range")"
SENTENCE_PAUSE = re.compile(r"[,;:()\[\]—–]")
CALLED = ("function", "method", "call")  # what a name with brackets is
SECOND = re.compile(r"(?P<pause>[,;])? (?P<joint>\w+)(?= (?P<next>[\w'-]+)(?: (?P<then>\S+))?)")
UNENDED = re.compile(r"[-–—,;:]\s*[?？؟]\W*\Z")
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|`[^`]*`")
NAME = re.compile(r"(?<!^)\b[A-Z]|[\"'`“‘*_\d]")  # a name inside a statement, a quotation, a number


@dataclass(frozen=True)
class _Roles:
    """Who does something to whom in one clause: stems of their content words; empty where it is not said."""

    verb: str
    agent: frozenset[str]
    patient: frozenset[str]


def entailed(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Refuse a question that its sentence does not make true with its answer.

    That is one that confuses who did what, leaves out a negation of the sentence, or has a preposition too
    many, and an answer that is cut out of a clause or gives a reason for a time.
    """
    _no_stray_preposition(question, words)
    _whole_clause(answer, evidence, words)
    _no_reason_for_a_time(question, answer, words)
    _same_negation(question, answer, evidence, words)
    _same_roles(question, answer, evidence, words)


def turned(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Refuse a question that was not made of its sentence by putting an answer's place first.

    For questions in the sentence's own words: they bring no modal or form of "be" that it does not have,
    change no active verb to passive or back, and call an answer what it is called there.
    """
    said, given = words_of(question), words_of(evidence)
    if added := [word for word in said if word in words.modals - words.being and word not in given]:
        raise Reject("question is not true", f"{added[0]!r} is not in: {evidence}, but in: {question}")
    _same_number(said, given, question, evidence, words)
    _same_voice(said, given, question, evidence, words)
    _named_so(said, answer, given, question, evidence, words)


def worth_asking(question: str, answer: str, evidence: str, words: Language) -> None:
    """Refuse a question that nobody would ask: for an example, for whatever must, or about two things."""
    said = words_of(question)
    if phrase := phrase_in(said, words.unspecific):
        raise Reject("question nobody would ask", f"{phrase!r} in: {question}")
    small = words.verbs | words.modals | words.support
    after = next((place + 1 for place, word in enumerate(said) if word in small), 0)
    if after and after < len(said) and said[after] in words.adrift:
        raise Reject("question nobody would ask", f"{said[after]!r} in: {question}")
    subject = words_of(answer)
    if len(said) > 1 and said[1] in words.obliging and _follows(subject, said[1], words_of(evidence)):
        raise Reject("question nobody would ask", f"for the subject of {said[1]!r}: {question}")
    for pause in re.finditer(r"(?:[,;]| [-–—]+) ", question):
        rest = words_of(question[pause.end() :])
        if not words.open_ended & set(words_of(question[: pause.start()])):
            continue  # "Historically, which ...?"
        if opening(rest, words.second) or pause[0].strip() not in (",", ";"):
            raise Reject("asks about two things", question)
    if UNENDED.search(question):
        raise Reject("unfinished sentence", question)
    pairs = list(zip(said, said[1:], said[2:], strict=False))
    if len(set(pairs)) < len(pairs):
        raise Reject("repetition loop", question)
    pronouns = words.pointing & set(said[-1:])
    if pronouns & set(subject):
        raise Reject("refers to the passage", f"{said[-1]!r} in: {question}")


def named(statement: str, words: Language) -> bool:
    """Tell whether a statement names its subject: "the method" means something in its passage only."""
    said = words_of(statement)
    ends = words.verbs | words.modals | words.support | words.actions | words.prepositions | words.relative
    if not said or said[0] not in words.definite:
        return True
    end = next((place for place, word in enumerate(said) if word in ends), SUBJECT)
    subject = statement.split()[1 : end + 1]
    return end > SUBJECT or bool(NAME.search(" ".join(subject)))


def consistent(statement: str, evidence: str, words: Language) -> None:
    """
    Refuse a statement that denies one half of its sentence and keeps the other.

    A negation that the sentence does not have is followed by a second clause that still holds: "Neon does not
    occur in air, and comprises 0.0018% of it".
    """
    said, given = words.spelled(statement), words.spelled(evidence)
    added = [word for word in said if word in words.negations]
    if len(added) <= sum(word in words.negations for word in given):
        return
    denying = "|".join(map(re.escape, [*words.negations, *words.spellings]))
    denied = re.search(rf"\b(?:{denying})\b", statement, re.IGNORECASE)
    rest = statement[denied.end() :] if denied else ""
    for joint in SECOND.finditer(rest):
        verb = _verb(joint["next"], joint["then"], words)
        if joint["joint"] in words.coordinating and (joint["pause"] or verb):
            raise Reject("contradicts itself", statement)
        if joint["pause"] and joint["joint"] in words.relative:
            raise Reject("contradicts itself", statement)


def _verb(word: str, after: str | None, words: Language) -> bool:
    """Tell whether a word is a verb: one of the lists, or by its ending and the word after it."""
    if word in words.verbs | words.modals | words.actions | words.support:
        return True
    opens = (after or "") in words.articles | words.prepositions or (after or "")[:1].isdigit()
    return opens and word.endswith(("s", "ed")) and word not in words.stop


def _no_stray_preposition(question: str, words: Language) -> None:
    said = words_of(question)
    if said and said[-1] in words.stranded.get(said[0], ()):
        raise Reject("preposition too many", question)
    stray = frozenset[str]().union(*words.stranded.values()) - {"as"}  # "referred to as"
    if len(said) > 1 and said[-2] in words.prepositions and said[-1] in stray:
        raise Reject("preposition too many", question)


def _whole_clause(answer: str, evidence: str, words: Language) -> None:
    """Refuse an answer that opens a clause and stops before its verb: "Once the appropriate metaclass"."""
    said = words_of(answer)
    if not opening(said, (*words.connectives, *words.subordinate)):
        return
    verbs = words.verbs | words.modals | words.support
    if not verbs & set(said) and any(_follows(said, verb, words_of(evidence)) for verb in verbs):
        raise Reject("answer is cut from a clause", f"{answer}, by: {evidence}")


def _no_reason_for_a_time(question: str, answer: str, words: Language) -> None:
    if words_of(question)[:1] == ["when"] and (phrase := opening(words_of(answer), words.reasons)):
        raise Reject("answer of another kind", f"{phrase!r}: {question} {answer}")


def _same_negation(question: str, answer: str, evidence: str, words: Language) -> None:
    """Refuse a question on what the sentence denies, asked without the denial."""
    said, given = words.spelled(f"{question} {answer}"), words.spelled(QUOTED.sub(" ", evidence))
    if words.negations & set(said):
        return
    asked = {words.stem(word) for word in said if word not in words.stop}
    small = words.stop | words.modals | words.verbs
    for place, word in enumerate(given):
        if word in words.negations:
            denied = next((later for later in given[place + 1 :] if later not in small), "")
            if words.stem(denied) in asked and set(given[max(0, place - 2) : place]) & set(said):
                raise Reject("question is not true", f"{word!r} is left out of: {evidence}, in: {question}")


def _same_roles(question: str, answer: str, evidence: str, words: Language) -> None:
    """Refuse a question whose doer is the one that it is done to in the sentence, or the other way round."""
    for known in _passives(evidence, words):
        claimed = _claimed(question, answer, known.verb, words)
        if claimed is None:
            continue
        for mine, right, wrong in (
            (claimed.agent, known.agent, known.patient),
            (claimed.patient, known.patient, known.agent),
        ):
            if mine & wrong and not mine & right:
                raise Reject("confuses who does what", f"{question} {answer}, by: {evidence}")


def _passives(evidence: str, words: Language) -> Iterator[_Roles]:
    """Find who does what in the passive clauses of a sentence that name the doer: "X was found by Y"."""
    for clause in SENTENCE_PAUSE.split(evidence):
        said = words_of(clause)
        be = next((place for place, word in enumerate(said) if word in words.being), None)
        by = next((place for place, word in enumerate(said) if word in words.agent), None)
        if be is None or by is None or not be < by - 1 < len(said) - 1:
            continue
        verb = next((word for word in said[be + 1 : by] if word not in words.stop | words.being), "")
        ends = words.prepositions - {"of"} | words.relative
        end = next((place for place in range(by + 1, len(said)) if said[place] in ends), len(said))
        patient, agent = _content(said[:be], words), _content(said[by + 1 : end], words)
        if verb and agent:
            yield _Roles(words.stem(verb), agent, patient)


def _claimed(question: str, answer: str, verb: str, words: Language) -> _Roles | None:
    """Say who does what in a question with its answer, where it uses the verb; None where it does not."""
    said = words_of(question)
    place = next((at for at, word in enumerate(said) if _alike(words.stem(word), verb)), None)
    if not place:
        return None
    nothing: frozenset[str] = frozenset()
    filled = _content(words_of(answer), words)
    before, after = said[:place], said[place + 1 :]
    if (words.relative - words.support) & set(before[2:]):
        return None  # of a clause inside the question, whose roles are its own
    passive = next((at for at, word in enumerate(before) if word in words.being), None)
    if passive is not None:
        subject = _content(before[passive + 1 :], words)
        by = next((at for at, word in enumerate(after) if word in words.agent), None)
        named_agent = _content(after[by + 1 :], words) if by is not None else nothing
        ends_with_by = by is not None and not after[by + 1 :]
        asks_subject = not subject
        return _Roles(verb, filled if ends_with_by else named_agent, filled if asks_subject else subject)
    support = next((at for at, word in enumerate(before) if word in words.support), None)
    if support is not None:
        return _Roles(verb, _content(before[support + 1 :], words), nothing)
    ends = words.prepositions - {"of"}
    end = next((at for at, word in enumerate(after) if word in ends), len(after))
    return _Roles(verb, filled, _content(after[:end], words))


def _alike(one: str, other: str) -> bool:
    """Tell whether two stems may be of one verb: "discov" of "discover", "eat" of "eaten"."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) >= 3 and longer.startswith(shorter))


def _same_number(said: list[str], given: list[str], question: str, evidence: str, words: Language) -> None:
    """Refuse a form of "be" that the sentence does not have, unless a comma there stands for it."""
    mine = [word for word in said[:3] if word in words.being]
    if mine and mine[0] not in given:
        raise Reject("question is not true", f"{mine[0]!r} is not in: {evidence}, but in: {question}")


def _same_voice(said: list[str], given: list[str], question: str, evidence: str, words: Language) -> None:
    """Refuse a verb that is active in the question and passive in its sentence, or the other way round."""
    support = next((place for place, word in enumerate(said[:4]) if word in words.support), None)
    if support is not None:
        later = [word for word in said[support + 1 :] if word not in words.stop]
        for word in later:
            forms = [place for place, one in enumerate(given) if words.stem(one) == words.stem(word)]
            passive = [place for place in forms if words.being & set(given[max(0, place - 2) : place])]
            if forms and word not in given and len(passive) == len(forms) and given[forms[0]].endswith("ed"):
                raise Reject(
                    "question is not true", f"{word!r} is passive in: {evidence}, not in: {question}"
                )
    elif words.being & set(said[:4]):
        for word in said[2:]:
            stem = words.stem(word)
            if word.endswith("ed") and word not in given and stem in map(words.stem, given):
                raise Reject("question is not true", f"{word!r} is not in: {evidence}, but in: {question}")


def _named_so(
    said: list[str], answer: str, given: list[str], question: str, evidence: str, words: Language
) -> None:
    """Refuse "Which class ...?" where the sentence calls the answer no class."""
    if len(said) < 3 or said[0] != "which" or said[1] in words.verbs | words.modals | words.prepositions:
        return
    kind, name = words.stem(said[1]), words_of(answer)
    if kind in map(words.stem, name) or (answer.endswith("()") and said[1] in CALLED):
        return
    for place in range(len(given) - len(name) + 1):
        if given[place : place + len(name)] == name:
            around = [
                *given[max(0, place - NEAR) : place],
                *given[place + len(name) : place + len(name) + NEAR],
            ]
            if kind in map(words.stem, around):
                return
    raise Reject("answer of another kind", f"no {said[1]}: {question} {answer}, by: {evidence}")


def _content(said: Collection[str], words: Language) -> frozenset[str]:
    return frozenset(words.content(" ".join(said)))


def _follows(said: list[str], word: str, given: list[str]) -> bool:
    """Tell whether a word follows right after others in a sentence."""
    row = [*said, word]
    return any(given[place : place + len(row)] == row for place in range(len(given) - len(row) + 1))
