"""
Checks of the relations between the parts of an exercise.

Like those of `datagen.stages.shared.checks` they are rules over words, and each raises
`datagen.request.Reject` with a fixed reason.
"""

from collections.abc import Sequence

from datagen.request import Reject
from datagen.stages.shared.checks import grounding
from datagen.stages.shared.checks.entailment import verdict
from datagen.stages.shared.checks.field_patterns import STATEMENT
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, overlap


def stated(passage: Passage) -> list[str]:
    """List the quotable sentences that are statements."""
    return list(filter(STATEMENT.holds, passage.quotable))


def one_right(right: str, wrong: Sequence[str], evidence: str, language: Language) -> None:
    """
    Reject options if more than one may be correct.

    Options are compared by their words without stop words and articles, with numbers as digits. A wrong
    option that contains the correct one, or is contained in it or in the evidence, may be correct too.
    """
    longest = 2 * len(words_of(right)) + 3
    if too_long := next((option for option in wrong if len(words_of(option)) > longest), ""):
        raise Reject("option of another kind", f"{too_long}, next to: {right}")
    evidence_line = f" {' '.join(_normal(evidence, language))} "
    answer, seen = _normal(right, language), set[tuple[str, ...]]()
    for option in wrong:
        normal = _normal(option, language)
        line, other = f" {' '.join(normal)} ", f" {' '.join(answer)} "
        if line in other or other in line or line in evidence_line:
            raise Reject("more than one right option", f"{right}; {option}, by: {evidence}")
        if normal in seen:
            raise Reject("repeated option", "; ".join((right, *wrong)))
        seen.add(normal)


def _normal(text: str, language: Language) -> tuple[str, ...]:
    return tuple(
        matching.words(text, language.stop, language=language) or matching.words(text, language=language)
    )


def left_open(claim: str, evidence: str, passage: Passage, least: int = 2) -> None:
    """
    Reject a claim that the evidence may decide, or that is about another subject.

    The claim must share a content word with the evidence, have at least `least` content words that do not
    occur in the passage, and not be negated, because the evidence may state what it negates.
    """
    words = passage.words
    content = words.content(claim)
    if not set(content) & set(words.content(evidence)):
        raise Reject("not about its evidence", f"{claim} by: {evidence}")
    new = set(content) - passage.content
    negated = words.negations & set(words.spelled(claim))
    if len(new) < least or negated or verdict(claim, evidence, words) is not None:
        raise Reject("not shown to be left open", f"{claim} by: {evidence}")


def reworded(text: str, evidence: str, passage: Passage, least: float = 0.4) -> None:
    """
    Reject a sentence that may not say the same as the evidence, or says it in the same words.

    It must have the same numbers and as many negations, half to twice as many words, and a share of `least`
    of its content words from the evidence; most of it must not be copied. Words cannot prove equal meaning.
    """
    words = passage.words
    grounding.numbers(text, evidence)
    if lost := set(NUMBER.findall(evidence)) - set(NUMBER.findall(text)):
        raise Reject("loses a number", f"{', '.join(sorted(lost))} of: {evidence}")
    length, own = len(words_of(evidence)), len(words_of(text))
    if not length / 2 <= own <= length * 2:
        raise Reject("too short" if own < length else "too long", f"{text} for: {evidence}")
    if overlap(words.content(text), set(words.content(evidence))) < least:
        raise Reject("not about its evidence", f"{text} by: {evidence}")
    negations = [sum(word in words.negations for word in words.spelled(each)) for each in (text, evidence)]
    if negations[0] != negations[1] or verdict(text, evidence, words) is False:
        raise Reject("not shown to mean the same", f"{text} by: {evidence}")
    grounding.original(text, passage)


def applies(application: str, rule: str, facts: str, language: Language, least: int = 2) -> None:
    """Reject an application with fewer than `least` content words specific to the rule, or to the facts."""
    applied, of_rule, of_facts = (set(language.content(text)) for text in (application, rule, facts))
    if min(len(applied & of_rule - of_facts), len(applied & of_facts - of_rule)) < least:
        raise Reject("does not apply the rule to the facts", f"{application} by: {rule} to: {facts}")


def joined(text: str, source: str, language: Language, least: float = 0.5) -> None:
    """Reject a text if less than a share of `least` of its content words is in its source."""
    content = language.content(text)
    if overlap(content, set(language.content(source))) < least:
        raise Reject("parts do not fit together", f"{text} after: {source}")
