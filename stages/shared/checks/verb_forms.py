"""Forms of a verb, and the words between an auxiliary and its verb, by the lists of a language."""

from datagen.stages.shared.language.rules import Language


def in_group(word: str, language: Language) -> bool:
    """Check whether a word may be between an auxiliary and its verb."""
    return word in language.modals | language.verbs | language.negations or is_adverb(word, language)


def is_adverb(word: str, language: Language) -> bool:
    """Check for an adverb, by the list or by its ending."""
    return word in language.adverbs or word.endswith(language.adverb_endings)


def is_past(word: str, language: Language) -> bool:
    """Check for a past tense or a participle."""
    return word in language.pasts or word.endswith(language.participle_endings)


def same_verb(first: str, second: str, language: Language) -> bool:
    """Check whether two words may be forms of one verb."""
    return first == second or bool(base_forms(first, language) & base_forms(second, language))


def base_forms(word: str, language: Language) -> set[str]:
    """List what a word may be a form of: "planned" of "plan", "carries" of "carry"."""
    forms = {word, *language.infinitives.get(word, ())}
    for ending, replacements in language.inflections.items():
        base = word.removesuffix(ending)
        if base == word or len(base) < 2:
            continue
        forms |= {base + replacement for replacement in replacements}
        if base[-1] == base[-2]:
            forms.add(base[:-1])
    return forms
