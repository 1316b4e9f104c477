"""
The verb of a question and the same verb in its sentence: what is on which side, and whether it happened.

English states who does what by word order, and what is only planned, refused or possible by the words before
the verb. A question in other words keeps both, so the check holds for questions that people write, too. It
judges a question only if its verb is found in the sentence; word lists are data of the language.
"""

from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.checks.asked_verb import (
    GROUP,
    Claim,
    Line,
    places_of,
    read_claim,
    read_line,
    unreal_word,
)
from datagen.stages.shared.checks.gap import OPENERS
from datagen.stages.shared.checks.verb_forms import in_group, is_adverb, is_past, same_verb
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of

CLOSE = 2  # words between a thing and the subject of its reduced relative clause: "the car Tom sold"


def same_predicate(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question that swaps the two sides of its verb, or takes for a fact what is not one.

    "Who sued Halden Foods?" by "Halden Foods sued Nordkorn"; "When did she go?" by "she refused to go".
    """
    line = read_line(evidence, language)
    claim = read_claim(question, answer, line, language)
    if claim is None:
        return
    places = list(places_of(claim.verb, line, language))
    if not places:
        return
    asked = language.spelled(question)
    unreal = [_governor(place, line, language) for place in places]
    if claim.asserts and all(unreal) and not set(unreal) & set(asked):
        raise Reject("question is not true", f"{unreal[0]!r} of: {evidence}, is missing in: {question}")
    if not any(_same_sides(claim, place, line, language) for place in places):
        raise Reject("confuses who does what", f"{question} {answer}, by: {evidence}")


def states_fact(question: str, answer: str, evidence: str, language: Language) -> None:
    """
    Reject a question in the words of its sentence that takes an infinitive or a possibility for a fact.

    Stricter than `same_predicate`: "When did he study medicine?" by "In 1950 he moved to study medicine".
    """
    line = read_line(evidence, language)
    claim = read_claim(question, answer, line, language)
    places = list(places_of(claim.verb, line, language)) if claim and claim.asserts else []
    unreal = [unreal_word(place, line, language) for place in places]
    stated = language.obliging | {*language.spelled(question)}  # what shall be done, is done
    if unreal and all(unreal) and not set(unreal) & stated:
        raise Reject("question is not true", f"{unreal[0]!r} of: {evidence}, is missing in: {question}")


def has_subject(question: str, language: Language) -> None:
    """Reject a question without a subject: "When do keep only globs?", "What results if trying to hash?"."""
    asked = words_of(question)
    support = next((at for at, word in enumerate(asked[: OPENERS + 1]) if word in language.support), None)
    if support is not None:
        first = next(
            (at for at in range(support + 1, len(asked)) if not is_adverb(asked[at], language)), len(asked)
        )
        after = asked[first + 1 : first + 2]
        open_object = language.articles | language.object_pronouns | language.limiting
        bare = first < len(asked) and asked[first] in language.imperatives
        if bare and (not after or set(after) & open_object):
            raise Reject("ungrammatical", f"no subject after {asked[support]!r}: {question}")
    for place in range(len(asked) - 2):
        gerund = asked[place + 1]
        follows = language.articles | language.prepositions
        noun = gerund in language.vague | language.negations or not gerund.endswith(language.gerund_endings)
        if asked[place] in language.needs_subject and not noun and asked[place + 2] in follows:
            raise Reject("ungrammatical", f"no subject before {gerund!r}: {question}")


def _governor(place: int, line: Line, language: Language) -> str:
    """Return the word because of which a verb did not happen: "refused to lend", "would have visited"."""
    unreal = unreal_word(place, line, language)
    before = line.tokens[max(0, place - GROUP) : place]
    if unreal in language.infinitive:
        return next((word for word in reversed(before) if _refuses(word, language)), "")
    perfect = language.perfect & set(before)
    return unreal if perfect or unreal in language.unreal - language.verbs else ""


def _refuses(word: str, language: Language) -> bool:
    return any(same_verb(verb, word, language) for verb in language.unfulfilled)


def _same_sides(claim: Claim, place: int, line: Line, language: Language) -> bool:
    """Check whether subject and object of a claim are on the same sides of the verb as in the sentence."""
    near = line.tokens[max(0, place - 2) : place]
    agent = line.tokens[place + 1 : place + 2]
    passive = bool(language.being & set(near)) or bool(language.agent & set(agent))
    turned = claim.after and claim.after not in agent
    infinitive = unreal_word(place, line, language) in language.infinitive
    if (
        passive != claim.passive
        or turned
        or infinitive
        or line.tokens[place].endswith(language.gerund_endings)
    ):
        return True
    subject = _where(claim.subject, line)
    if subject and subject[0] > place:
        between = line.tokens[place + 1 : subject[0]]
        fronted = line.tokens[0] in language.prepositions or line.quotes or place in line.begins
        given = passive and language.articles.issuperset(between)  # "was given the name"
        if not (fronted or given or language.agent & set(between)):
            return False
    if _in_other_clause(subject, place, line, language):
        return False
    wheres = (_where(stems, line) for stems in claim.objects)
    return all(_after(where, subject, place, line, language) for where in wheres)


def _in_other_clause(subject: list[int], place: int, line: Line, language: Language) -> bool:
    """Check whether the verb has its own subject: "she told me that the parcel had arrived"."""
    before = [at for at in subject if at < place]
    for at in range(place - 1, before[-1] if before else place, -1):
        if line.tokens[at] in language.relative:
            own = [word for word in line.tokens[at + 1 : place] if not in_group(word, language)]
            if not own:  # "her sister, who had typed it": the verb belongs to the sister
                return bool(before) and _transitive(line.tokens[before[-1] + 1 : at], language)
            second = any(is_past(word, language) or word.endswith(language.gerund_endings) for word in own)
            return own[0] in language.articles and len(own) > 1 and not second
    return False


def _transitive(tokens: list[str], language: Language) -> bool:
    """Check for a past tense with an object, unlike a participle with a preposition: "founded in 1900"."""
    return any(
        is_past(word, language) and after not in language.prepositions for word, after in pairwise(tokens)
    )


def _after(where: list[int], subject: list[int], place: int, line: Line, language: Language) -> bool:
    """Check whether an object follows its verb, or precedes it as the head of a relative clause."""
    if not where or where[-1] > place:
        return True
    start = place
    while start > 0 and in_group(line.tokens[start - 1], language):
        start -= 1
    between = line.tokens[where[-1] + 1 : start]
    if language.relative & set(between[:-1]):
        return True
    return any(0 < at - where[-1] <= CLOSE and place - at <= CLOSE for at in subject)


def _where(stems: frozenset[str], line: Line) -> list[int]:
    return [at for at, stem in enumerate(line.stems) if stem in stems]
