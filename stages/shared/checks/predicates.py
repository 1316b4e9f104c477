"""
The verb of a question and the same verb in its sentence: what is on which side, and whether it happened.

English states who does what by word order, and what is only planned, refused or possible by the words before
the verb. A question in other words keeps both, so the check holds for questions that people write, too. It
judges a question only if its verb is found in the sentence; word lists are data of the language.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of

OPENERS = 3  # maximum words of "which kind of thing"
CLOSE = 2  # words between a thing and the subject of its reduced relative clause: "the car Tom sold"
GROUP = 4  # maximum words of a verb's auxiliaries and adverbs: "would not have often"
PAUSE = re.compile(r"[,;:()\[\]—–\"“”]")


@dataclass(frozen=True)
class _Claim:
    """What a question with its answer says: stems of the content words before and after its verb."""

    verb: str
    subject: frozenset[str]
    objects: tuple[frozenset[str], ...]
    passive: bool
    after: str  # the preposition after a verb whose subject is asked for: "What results from it?"
    asserts: bool  # that it happens, rather than that it may or will


@dataclass(frozen=True)
class _Line:
    """A sentence as words, with the places at which a clause begins."""

    tokens: list[str]
    stems: list[str]
    begins: frozenset[int]
    quotes: bool


def same_predicate(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question that swaps the two sides of its verb, or takes for a fact what is not one.

    "Who sued Halden Foods?" by "Halden Foods sued Nordkorn"; "When did she go?" by "she refused to go".
    """
    line = _line(evidence, words)
    claim = _claim(question, answer, line, words)
    if claim is None:
        return
    places = list(_places(claim.verb, line, words))
    if not places:
        return
    asked = words.spelled(question)
    unreal = [_governor(place, line, words) for place in places]
    if claim.asserts and all(unreal) and not set(unreal) & set(asked):
        raise Reject("question is not true", f"{unreal[0]!r} of: {evidence}, is missing in: {question}")
    if not any(_same_sides(claim, place, line, words) for place in places):
        raise Reject("confuses who does what", f"{question} {answer}, by: {evidence}")


def states_fact(question: str, answer: str, evidence: str, words: Language) -> None:
    """
    Reject a question in the words of its sentence that takes an infinitive or a possibility for a fact.

    Stricter than `same_predicate`: "When did he study medicine?" by "In 1950 he moved to study medicine".
    """
    line = _line(evidence, words)
    claim = _claim(question, answer, line, words)
    places = list(_places(claim.verb, line, words)) if claim and claim.asserts else []
    unreal = [_unreal(place, line, words) for place in places]
    stated = words.obliging | {*words.spelled(question)}  # what shall be done, is done
    if unreal and all(unreal) and not set(unreal) & stated:
        raise Reject("question is not true", f"{unreal[0]!r} of: {evidence}, is missing in: {question}")


def has_subject(question: str, words: Language) -> None:
    """Reject a question without a subject: "When do keep only globs?", "What results if trying to hash?"."""
    asked = words_of(question)
    support = next((at for at, word in enumerate(asked[: OPENERS + 1]) if word in words.support), None)
    if support is not None:
        first = next(
            (at for at in range(support + 1, len(asked)) if not _adverb(asked[at], words)), len(asked)
        )
        after = asked[first + 1 : first + 2]
        open_object = words.articles | words.object_pronouns | words.limiting
        bare = first < len(asked) and asked[first] in words.imperatives
        if bare and (not after or set(after) & open_object):
            raise Reject("ungrammatical", f"no subject after {asked[support]!r}: {question}")
    for place in range(len(asked) - 2):
        gerund = asked[place + 1]
        follows = words.articles | words.prepositions
        noun = gerund in words.vague | words.negations or not gerund.endswith(words.gerund_endings)
        if asked[place] in words.needs_subject and not noun and asked[place + 2] in follows:
            raise Reject("ungrammatical", f"no subject before {gerund!r}: {question}")


def _line(evidence: str, words: Language) -> _Line:
    tokens: list[str] = []
    begins = set[int]()
    for clause in PAUSE.split(evidence):
        begins.add(len(tokens))
        tokens += words.spelled(clause)
    stems = [words.stem(word) for word in tokens]
    return _Line(tokens, stems, frozenset(begins), bool(re.search(r"[\"“”]", evidence)))


def _claim(question: str, answer: str, line: _Line, words: Language) -> _Claim | None:
    """Return what a question claims; None if its verb is not in the sentence."""
    asked = words.spelled(question)
    if not words.support or not asked or asked[0] not in words.open_ended:
        return None
    filled, things = frozenset(words.content(answer)), asked[0] in words.things
    helpers = words.support | words.modals | words.verbs
    helper = next((at for at in range(1, min(OPENERS + 1, len(asked))) if asked[at] in helpers), None)
    if helper is None:
        verb = _finite(asked, line, words) if things else None
        if verb is None:
            return None
        rest, place, asserts = asked[verb:], 0, True
    else:
        rest = asked[helper + 1 :]
        if asked[helper] in words.support:
            found = _supported(rest, line, words)
        elif asked[helper] in words.being:
            found = _participle(rest, line, words)
        else:
            found = _after_helper(asked[helper], rest, line, words)
        if found is None:
            return None
        place = found
        asserts = asked[helper] in words.support | words.being | words.verbs - words.unreal
    before = [word for word in rest[:place] if not _in_group(word, words)]
    if not before and not things:
        return None
    subject = frozenset(words.content(" ".join(before))) - filled if before else filled
    follows = "" if before else next(iter(rest[place + 1 : place + 2]), "")
    after = follows if follows in words.prepositions else ""
    passive = helper is not None and bool(words.being & {asked[helper], *rest[:place]})
    objects = (_phrase(rest[place + 1 :], words), *([filled] if before and things else []))
    return _Claim(rest[place], subject, () if passive else objects, passive, after, asserts)


def _phrase(tokens: Sequence[str], words: Language) -> frozenset[str]:
    """Return the stems of the words before the first preposition: the object of a verb."""
    ends = words.prepositions - words.genitive | words.relative
    ends |= {*words.connectives, *words.subordinate, *words.coordinating}
    end = next((at for at, word in enumerate(tokens) if word in ends), len(tokens))
    return frozenset(words.content(" ".join(tokens[:end])))


def _finite(asked: Sequence[str], line: _Line, words: Language) -> int | None:
    """Find the verb of "Who found it?" and "Which court found it?" by its form."""
    first = 2 if asked[0] in words.of_kind else 1
    last = OPENERS + 1 if asked[0] in words.of_kind else first
    following = [*asked[1:], ""]
    return next(
        (
            at
            for at in range(first, min(last + 1, len(asked)))
            if _verbal(asked[at], following[at], line, words)
        ),
        None,
    )


def _verbal(word: str, after: str, line: _Line, words: Language) -> bool:
    past = word.endswith(words.participle_endings) or word in words.pasts or word in words.actions
    # "What drains the pond?", but not "What rivers drain it?"
    inflected = past or (word.endswith(tuple(words.inflections)) and after in words.articles)
    return inflected and any(same_verb(word, token, words) for token in line.tokens)


def _supported(rest: Sequence[str], line: _Line, words: Language) -> int | None:
    """Find the verb after "did X": the first word that the sentence inflects, or has as an infinitive."""
    written = set(line.tokens)
    opens_clause = words.relative | {*words.connectives}
    for at in range(1, len(rest)):
        if rest[at] in opens_clause:
            return None
        if rest[at] in words.stop or rest[at - 1] in words.articles | words.prepositions:
            continue
        if rest[at] not in written and any(same_verb(rest[at], token, words) for token in line.tokens):
            return at
        same = [place for place, token in enumerate(line.tokens) if token == rest[at]]
        if same and (rest[at] in words.pasts or all(_unreal(place, line, words) for place in same)):
            return at
    return None


def _participle(rest: Sequence[str], line: _Line, words: Language) -> int | None:
    for at, word in enumerate(rest):
        inflected = word.endswith(words.participle_endings) or word in words.pasts
        if inflected and any(same_verb(word, token, words) for token in line.tokens):
            return at
    return None


def _after_helper(helper: str, rest: Sequence[str], line: _Line, words: Language) -> int | None:
    """Find the verb that follows the same auxiliary in the sentence."""
    for place, token in enumerate(line.tokens):
        if token != helper:
            continue
        verb = next(
            (at for at in range(place + 1, len(line.tokens)) if not _in_group(line.tokens[at], words)), None
        )
        if verb is not None and line.tokens[verb] in rest:
            return rest.index(line.tokens[verb])
    return None


def _in_group(word: str, words: Language) -> bool:
    """Check whether a word may be between an auxiliary and its verb."""
    return word in words.modals | words.verbs | words.negations or _adverb(word, words)


def _adverb(word: str, words: Language) -> bool:
    return word in words.adverbs or word.endswith(words.adverb_endings)


def _places(verb: str, line: _Line, words: Language) -> Iterator[int]:
    """Yield the places of a verb in the sentence; after an article or a preposition a word is a noun."""
    nouns = words.articles | words.pointing - words.object_pronouns | words.prepositions - words.infinitive
    for place, token in enumerate(line.tokens):
        if same_verb(verb, token, words) and (not place or line.tokens[place - 1] not in nouns):
            yield place


def _unreal(place: int, line: _Line, words: Language) -> str:
    """Return the word before a verb because of which it is no fact: "to", "would", "almost"; "" if none."""
    unreal = words.infinitive | words.unreal | words.modals - words.being
    for word in reversed(line.tokens[max(0, place - GROUP) : place]):
        if word in unreal:
            return word
        if not _in_group(word, words):
            return ""
    return ""


def _governor(place: int, line: _Line, words: Language) -> str:
    """Return the word because of which a verb did not happen: "refused to lend", "would have visited"."""
    unreal = _unreal(place, line, words)
    before = line.tokens[max(0, place - GROUP) : place]
    if unreal in words.infinitive:
        return next((word for word in reversed(before) if _refuses(word, words)), "")
    perfect = words.perfect & set(before)
    return unreal if perfect or unreal in words.unreal - words.verbs else ""


def _refuses(word: str, words: Language) -> bool:
    return any(same_verb(verb, word, words) for verb in words.unfulfilled)


def _same_sides(claim: _Claim, place: int, line: _Line, words: Language) -> bool:
    """Check whether subject and object of a claim are on the same sides of the verb as in the sentence."""
    near = line.tokens[max(0, place - 2) : place]
    agent = line.tokens[place + 1 : place + 2]
    passive = bool(words.being & set(near)) or bool(words.agent & set(agent))
    turned = claim.after and claim.after not in agent
    infinitive = _unreal(place, line, words) in words.infinitive
    if passive != claim.passive or turned or infinitive or line.tokens[place].endswith(words.gerund_endings):
        return True
    subject = _where(claim.subject, line)
    if subject and subject[0] > place:
        between = line.tokens[place + 1 : subject[0]]
        fronted = line.tokens[0] in words.prepositions or line.quotes or place in line.begins
        given = passive and words.articles.issuperset(between)  # "was given the name"
        if not (fronted or given or words.agent & set(between)):
            return False
    if _in_other_clause(subject, place, line, words):
        return False
    wheres = (_where(stems, line) for stems in claim.objects)
    return all(_after(where, subject, place, line, words) for where in wheres)


def _in_other_clause(subject: list[int], place: int, line: _Line, words: Language) -> bool:
    """Check whether the verb has its own subject: "she told me that the parcel had arrived"."""
    before = [at for at in subject if at < place]
    for at in range(place - 1, before[-1] if before else place, -1):
        if line.tokens[at] in words.relative:
            own = [word for word in line.tokens[at + 1 : place] if not _in_group(word, words)]
            if not own:  # "her sister, who had typed it": the verb belongs to the sister
                return bool(before) and _transitive(line.tokens[before[-1] + 1 : at], words)
            second = any(_past(word, words) or word.endswith(words.gerund_endings) for word in own)
            return own[0] in words.articles and len(own) > 1 and not second
    return False


def _transitive(tokens: list[str], words: Language) -> bool:
    """Check for a past tense with an object, unlike a participle with a preposition: "founded in 1900"."""
    return any(_past(word, words) and after not in words.prepositions for word, after in pairwise(tokens))


def _past(word: str, words: Language) -> bool:
    return word in words.pasts or word.endswith(words.participle_endings)


def _after(where: list[int], subject: list[int], place: int, line: _Line, words: Language) -> bool:
    """Check whether an object follows its verb, or precedes it as the head of a relative clause."""
    if not where or where[-1] > place:
        return True
    start = place
    while start > 0 and _in_group(line.tokens[start - 1], words):
        start -= 1
    between = line.tokens[where[-1] + 1 : start]
    if words.relative & set(between[:-1]):
        return True
    return any(0 < at - where[-1] <= CLOSE and place - at <= CLOSE for at in subject)


def _where(stems: frozenset[str], line: _Line) -> list[int]:
    return [at for at, stem in enumerate(line.stems) if stem in stems]


def same_verb(first: str, second: str, words: Language) -> bool:
    """Check whether two words may be forms of one verb."""
    return first == second or bool(base_forms(first, words) & base_forms(second, words))


def base_forms(word: str, words: Language) -> set[str]:
    """List what a word may be a form of: "planned" of "plan", "carries" of "carry"."""
    forms = {word, *words.infinitives.get(word, ())}
    for ending, replacements in words.inflections.items():
        base = word.removesuffix(ending)
        if base == word or len(base) < 2:
            continue
        forms |= {base + replacement for replacement in replacements}
        if base[-1] == base[-2]:
            forms.add(base[:-1])
    return forms
