"""Who does what to whom in a question and its answer, compared with the passive clauses of their sentence."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from datagen.request import Reject
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of

SENTENCE_PAUSE = re.compile(r"[,;:()\[\]—–]")


@dataclass(frozen=True)
class _Roles:
    """Who does something to whom in one clause: stems of the content words; empty if not stated."""

    verb: str
    agent: frozenset[str]
    patient: frozenset[str]


def same_roles(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a question that swaps agent and patient of its sentence."""
    for stated in _passives(evidence, language):
        claimed = _claimed(question, answer, stated.verb, language)
        if claimed is None:
            continue
        for role, right, wrong in (
            (claimed.agent, stated.agent, stated.patient),
            (claimed.patient, stated.patient, stated.agent),
        ):
            if role & wrong and not role & right:
                raise Reject("confuses who does what", f"{question} {answer}, by: {evidence}")


def _passives(evidence: str, language: Language) -> Iterator[_Roles]:
    """Yield the roles of passive clauses with an agent: "X was found by Y"."""
    for clause in SENTENCE_PAUSE.split(evidence):
        tokens = words_of(clause)
        be = next((place for place, word in enumerate(tokens) if word in language.being), None)
        by = next((place for place, word in enumerate(tokens) if word in language.agent), None)
        if be is None or by is None or not be < by - 1 < len(tokens) - 1:
            continue
        verb = next((word for word in tokens[be + 1 : by] if word not in language.stop | language.being), "")
        ends = language.prepositions - language.genitive | language.relative
        end = next((place for place in range(by + 1, len(tokens)) if tokens[place] in ends), len(tokens))
        patient, agent = _content(tokens[:be], language), _content(tokens[by + 1 : end], language)
        if verb and agent:
            yield _Roles(language.stem(verb), agent, patient)


def _claimed(question: str, answer: str, verb: str, language: Language) -> _Roles | None:
    """Return the roles that a question and its answer claim for a verb; None if they do not use it."""
    question_words = words_of(question)
    place = next(
        (at for at, word in enumerate(question_words) if _same_verb(language.stem(word), verb)), None
    )
    if not place:
        return None
    nothing: frozenset[str] = frozenset()
    filled = _content(words_of(answer), language)
    before, after = question_words[:place], question_words[place + 1 :]
    if (language.relative - language.support) & set(before[2:]):
        return None  # the verb is in a subordinate clause, which has its own roles
    passive = next((at for at, word in enumerate(before) if word in language.being), None)
    if passive is not None:
        # "What was X found by?", "What can X be found by?"
        subject = _content(before[passive + 1 :], language) or _content(before[2:passive], language)
        by = next((at for at, word in enumerate(after) if word in language.agent), None)
        named_agent = _content(after[by + 1 :], language) if by is not None else nothing
        ends_with_by = by is not None and not after[by + 1 :]
        asks_subject = not subject
        return _Roles(verb, filled if ends_with_by else named_agent, filled if asks_subject else subject)
    support = next((at for at, word in enumerate(before) if word in language.support), None)
    if support is not None:
        return _Roles(verb, _content(before[support + 1 :], language), nothing)
    ends = language.prepositions - language.genitive
    end = next((at for at, word in enumerate(after) if word in ends), len(after))
    return _Roles(verb, filled, _content(after[:end], language))


def _same_verb(first: str, second: str) -> bool:
    """Check whether two stems may belong to one verb: "discov" and "discover", "eat" and "eaten"."""
    shorter, longer = sorted((first, second), key=len)
    return first == second or (len(shorter) >= 3 and longer.startswith(shorter))


def _content(tokens: Collection[str], language: Language) -> frozenset[str]:
    return frozenset(language.content(" ".join(tokens)))
