"""
The verb of a question in its sentence, and what the question claims about it.

A question is judged only if its verb is found in the sentence.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datagen.stages.shared.checks.gap import OPENERS
from datagen.stages.shared.checks.verb_forms import in_group, is_past, same_verb
from datagen.stages.shared.language.rules import Language

GROUP = 4  # maximum words of a verb's auxiliaries and adverbs: "would not have often"
PAUSE = re.compile(r"[,;:()\[\]—–\"“”]")


@dataclass(frozen=True)
class Claim:
    """What a question with its answer says: stems of the content words before and after its verb."""

    verb: str
    subject: frozenset[str]
    objects: tuple[frozenset[str], ...]
    passive: bool
    after: str  # the preposition after a verb whose subject is asked for: "What results from it?"
    asserts: bool  # that it happens, rather than that it may or will


@dataclass(frozen=True)
class Line:
    """A sentence as words, with the places at which a clause begins."""

    tokens: list[str]
    stems: list[str]
    begins: frozenset[int]
    quotes: bool


def read_line(evidence: str, language: Language) -> Line:
    """Cut a sentence into words."""
    tokens: list[str] = []
    begins = set[int]()
    for clause in PAUSE.split(evidence):
        begins.add(len(tokens))
        tokens += language.spelled(clause)
    stems = [language.stem(word) for word in tokens]
    return Line(tokens, stems, frozenset(begins), bool(re.search(r"[\"“”]", evidence)))


def read_claim(question: str, answer: str, line: Line, language: Language) -> Claim | None:
    """Return what a question claims; None if its verb is not in the sentence."""
    asked = language.spelled(question)
    if not language.support or not asked or asked[0] not in language.open_ended:
        return None
    filled, things = frozenset(language.content(answer)), asked[0] in language.things
    helpers = language.support | language.modals | language.verbs
    helper = next((at for at in range(1, min(OPENERS + 1, len(asked))) if asked[at] in helpers), None)
    if helper is None:
        verb = _finite(asked, line, language) if things else None
        if verb is None:
            return None
        rest, place, asserts = asked[verb:], 0, True
    else:
        rest = asked[helper + 1 :]
        if asked[helper] in language.support:
            found = _supported(rest, line, language)
        elif asked[helper] in language.being:
            found = _participle(rest, line, language)
        else:
            found = _after_helper(asked[helper], rest, line, language)
        if found is None:
            return None
        place = found
        asserts = asked[helper] in language.support | language.being | language.verbs - language.unreal
    before = [word for word in rest[:place] if not in_group(word, language)]
    if not before and not things:
        return None
    subject = frozenset(language.content(" ".join(before))) - filled if before else filled
    follows = "" if before else next(iter(rest[place + 1 : place + 2]), "")
    after = follows if follows in language.prepositions else ""
    passive = helper is not None and bool(language.being & {asked[helper], *rest[:place]})
    objects = (_phrase(rest[place + 1 :], language), *([filled] if before and things else []))
    return Claim(rest[place], subject, () if passive else objects, passive, after, asserts)


def _phrase(tokens: Sequence[str], language: Language) -> frozenset[str]:
    """Return the stems of the words before the first preposition: the object of a verb."""
    ends = language.prepositions - language.genitive | language.relative
    ends |= {*language.connectives, *language.subordinate, *language.coordinating}
    end = next((at for at, word in enumerate(tokens) if word in ends), len(tokens))
    return frozenset(language.content(" ".join(tokens[:end])))


def _finite(asked: Sequence[str], line: Line, language: Language) -> int | None:
    """Find the verb of "Who found it?" and "Which court found it?" by its form."""
    first = 2 if asked[0] in language.of_kind else 1
    last = OPENERS + 1 if asked[0] in language.of_kind else first
    following = [*asked[1:], ""]
    return next(
        (
            at
            for at in range(first, min(last + 1, len(asked)))
            if _verbal(asked[at], following[at], line, language)
        ),
        None,
    )


def _verbal(word: str, after: str, line: Line, language: Language) -> bool:
    past = is_past(word, language) or word in language.actions
    # "What drains the pond?", but not "What rivers drain it?"
    inflected = past or (word.endswith(tuple(language.inflections)) and after in language.articles)
    return inflected and any(same_verb(word, token, language) for token in line.tokens)


def _supported(rest: Sequence[str], line: Line, language: Language) -> int | None:
    """Find the verb after "did X": the first word that the sentence inflects, or has as an infinitive."""
    written = set(line.tokens)
    opens_clause = language.relative | {*language.connectives}
    for at in range(1, len(rest)):
        if rest[at] in opens_clause:
            return None
        if rest[at] in language.stop or rest[at - 1] in language.articles | language.prepositions:
            continue
        if rest[at] not in written and any(same_verb(rest[at], token, language) for token in line.tokens):
            return at
        same = [place for place, token in enumerate(line.tokens) if token == rest[at]]
        if same and (rest[at] in language.pasts or all(unreal_word(place, line, language) for place in same)):
            return at
    return None


def _participle(rest: Sequence[str], line: Line, language: Language) -> int | None:
    for at, word in enumerate(rest):
        if is_past(word, language) and any(same_verb(word, token, language) for token in line.tokens):
            return at
    return None


def _after_helper(helper: str, rest: Sequence[str], line: Line, language: Language) -> int | None:
    """Find the verb that follows the same auxiliary in the sentence."""
    for place, token in enumerate(line.tokens):
        if token != helper:
            continue
        verb = next(
            (at for at in range(place + 1, len(line.tokens)) if not in_group(line.tokens[at], language)), None
        )
        if verb is not None and line.tokens[verb] in rest:
            return rest.index(line.tokens[verb])
    return None


def places_of(verb: str, line: Line, language: Language) -> Iterator[int]:
    """Yield the places of a verb in the sentence; after an article or a preposition a word is a noun."""
    nouns = (
        language.articles
        | language.pointing - language.object_pronouns
        | language.prepositions - language.infinitive
    )
    for place, token in enumerate(line.tokens):
        if same_verb(verb, token, language) and (not place or line.tokens[place - 1] not in nouns):
            yield place


def unreal_word(place: int, line: Line, language: Language) -> str:
    """Return the word before a verb because of which it is no fact: "to", "would", "almost"; "" if none."""
    unreal = language.infinitive | language.unreal | language.modals - language.being
    for word in reversed(line.tokens[max(0, place - GROUP) : place]):
        if word in unreal:
            return word
        if not in_group(word, language):
            return ""
    return ""
