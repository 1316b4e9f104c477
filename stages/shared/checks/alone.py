"""
Whether a question can be asked without its passage.

A question may be clear beside its passage and unclear without it: "What is the new copy wrapped in?", "What
happens if *count* is omitted?". The rules look for what a question without a name leaves open. They err
towards showing the passage, which is never wrong.
"""

import re

from datagen.request import Reject
from datagen.stages.shared.checks.claims import named
from datagen.stages.shared.checks.form import NAMED, stands_alone, unnamed_pronoun
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of

PARAMETER = re.compile(r"(?<![\w*])\*[a-z_]\w*\*(?![\w*])")  # "*count*", as manuals set parameters
LABEL = re.compile(
    r"\b(\w+) \((?:\d{1,2}|[A-Za-z])\)(?:\(\w{1,3}\))*(?! of )"
)  # "paragraph (1)", not "... of section 12"
FEWEST = 4  # content words of a question without a name
WITHIN = 4  # words after "the" within which a complement must follow: "the main module for a script"
REASON = "needs its context"


def needs_no_passage(question: str, language: Language) -> None:
    """Reject a question that is only clear beside its passage."""
    stands_alone(question, language, asks=True)
    text_words = words_of(question)
    if pronoun := unnamed_pronoun(question, language):
        raise Reject(REASON, f"{pronoun!r} in: {question}")
    if label := next((match for match in LABEL.finditer(question) if match[1] in language.parts), None):
        raise Reject(REASON, f"does not name whose {label[0]!r} it asks about: {question}")
    rest = PARAMETER.sub(" ", question)
    if NAMED.search(rest):
        return
    if rest != question:
        raise Reject(REASON, f"does not name whose parameter it asks about: {question}")
    if word := next((word for word in text_words[:2] if word in language.parts), ""):
        raise Reject(REASON, f"does not name whose {word!r} it asks for: {question}")
    small = (
        language.vague
        | language.negations
        | frozenset(word for text in language.happening for word in text.split())
    ) | frozenset(text.partition(" ")[0] for text in language.connectives)
    content = {language.stem(word) for word in text_words if word not in language.stop | small}
    if language.stop and len(content) < FEWEST:
        raise Reject(REASON, f"names nothing and has fewer than {FEWEST} content words: {question}")
    if reference := _bare_reference(text_words, language):
        raise Reject(REASON, f"{reference!r} is not named in: {question}")


def names_its_subject(statement: str, language: Language) -> bool:
    """Test whether a statement names its subject, which neither "The method" nor "The *count*" does."""
    return named(PARAMETER.sub(" ", statement), language)


def _bare_reference(text_words: list[str], language: Language) -> str:
    """Return a definite reference without a complement ("the new copy"); "" if there is none."""
    for place, word in enumerate(text_words):
        if word not in language.definite & language.articles:
            continue
        following = text_words[place + 1 : place + 1 + WITHIN]
        complement = next(
            (at for at, next_word in enumerate(following) if next_word in language.completing), 0
        )
        if not complement:
            return " ".join([word, *following[:2]])
    return ""
