"""Forms of a verb, and the words between an auxiliary and its verb, by the lists of a language."""

from datagen.stages.shared.language.rules import Language


def in_group(word: str, words: Language) -> bool:
    """Check whether a word may be between an auxiliary and its verb."""
    return word in words.modals | words.verbs | words.negations or is_adverb(word, words)


def is_adverb(word: str, words: Language) -> bool:
    """Check for an adverb, by the list or by its ending."""
    return word in words.adverbs or word.endswith(words.adverb_endings)


def is_past(word: str, words: Language) -> bool:
    """Check for a past tense or a participle."""
    return word in words.pasts or word.endswith(words.participle_endings)


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
