"""Whether evidence states a claim, its opposite, or neither, decided by rules over words."""

from collections import Counter
from collections.abc import Iterator

from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER
from datagen.stages.shared.passage import phrase_in


def verdict(claim: str, evidence: str, language: Language) -> bool | None:
    """
    Decide by rule whether evidence states a claim, its opposite, or neither for certain.

    The claim must follow the evidence from its first word; it may omit words at the end and one in four in
    between, but no participle, and must not add an auxiliary verb. It is true if nothing is reversed, and
    false if exactly one thing is: a negation, a word replaced by its opposite, or a number. A condition that
    only one of them has, or a negation in the omitted part of the evidence, leaves it undecided.

    Returns
    -------
    bool or None
        None if undecided.
    """
    spelled = language.spelled(claim), language.spelled(evidence)
    if any(spelled[0].count(verb) > spelled[1].count(verb) for verb in language.verbs):
        return None
    if any(
        bool(phrase_in(spelled[0], [condition])) != bool(phrase_in(spelled[1], [condition]))
        for condition in language.conditions
    ):
        return None
    claimed, stated = language.stems(claim), language.stems(evidence)
    if claimed and claimed[0] in language.conditions and claimed[0] in stated:  # Can names be bound?
        stated.remove(claimed.pop(0))
    swaps = dict(_swaps(language, set(claimed), set(stated)))
    changed = [word for word in claimed if NUMBER.fullmatch(word) and word not in stated]
    replaced = [word for word in stated if NUMBER.fullmatch(word) and word not in claimed]
    if len(changed) == 1 and replaced:
        swaps[changed[0]] = replaced[0]
    negations = {language.stem(word) for word in language.negations}
    kept = [swaps.get(word, word) for word in claimed if word not in negations]
    span = _span(kept, stated, negations)
    if not kept or not span or any(word in negations for word in stated[span:]):
        return None
    if len(kept) < 0.75 * sum(word not in negations for word in stated[:span]):
        return None
    if _participles(evidence, language) & {*(Counter(stated[:span]) - Counter(kept))}:
        return None  # "The namespace is not the first time" for "is created the first time"
    count = sum(word in negations for word in claimed), sum(word in negations for word in stated)
    return {0: True, 1: False}.get(len(swaps) + abs(count[0] - count[1]))


def _participles(evidence: str, language: Language) -> set[str]:
    """Return the stems of the participles and past tenses of a sentence."""
    endings = language.participle_endings
    return {
        language.stem(word)
        for word in language.spelled(evidence)
        if word.endswith(endings) or word in language.pasts
    }


def _span(claimed: list[str], stated: list[str], negations: set[str]) -> int:
    """Return where the claimed words end in the stated ones, in order from the first; 0 if they do not."""
    matched = 0
    for position, word in enumerate(stated):
        if matched < len(claimed) and word == claimed[matched]:
            matched += 1
            if matched == len(claimed):
                return position + 1
        elif not matched and word not in negations:
            return 0
    return 0


def _swaps(language: Language, claimed: set[str], stated: set[str]) -> Iterator[tuple[str, str]]:
    for pair in language.opposites:
        first, second = (language.stem(word) for word in pair)
        for word, opposite in ((first, second), (second, first)):
            if word in claimed and word not in stated and opposite in stated and opposite not in claimed:
                yield word, opposite
