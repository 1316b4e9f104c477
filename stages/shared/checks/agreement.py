"""
Whether a question is one grammatical sentence, and its answer continues it.

A small model inverts sentences by pattern and keeps their verbs: "What does the rules apply to?", "What does
the text should contain?". The checks are rules over words and raise `datagen.request.Reject`.
"""

from itertools import pairwise, takewhile

from datagen.request import Reject
from datagen.stages.shared.checks.verb_forms import base_forms
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening


def agrees(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a question that is no sentence of its language, or an answer that does not continue it."""
    _one_verb(question, language)
    _inflected(question, evidence, language)
    _no_auxiliary(question, answer, language)
    _no_instruction(question, answer, language)
    _not_hollow(question, answer, language)


def _one_verb(question: str, language: Language) -> None:
    """
    Reject a second verb: "What does the text should contain?", "What is a tool but it is often misused?".

    A clause of its own has a verb of its own, so the search ends where one begins.
    """
    tokens = words_of(question)
    clauses = language.relative | {connective.partition(" ")[0] for connective in language.connectives}
    main = list(takewhile(lambda word: word not in clauses, tokens[2:]))
    infinitive = {after for before, after in pairwise(main) if before in language.infinitive}
    finite = (language.modals | language.being) - infinitive
    supported = takewhile(lambda word: word not in language.coordinating, main)
    if language.support & {*tokens[1:2]} and (
        verb := next((word for word in supported if word in finite), "")
    ):
        raise Reject("ungrammatical", f"{verb!r} after {tokens[1]!r}: {question}")
    for conjunction, subject, verb in zip(main, main[1:], main[2:], strict=False):
        clause = subject in language.pointing and verb in language.verbs | language.modals | language.actions
        if conjunction in language.coordinating and clause:
            raise Reject("asks about two things", f"{conjunction} {subject} {verb}: {question}")


def _inflected(question: str, evidence: str, language: Language) -> None:
    """
    Reject "does" in a question whose verb has no ending in its sentence: "What does the rules apply to?".

    A question in other words is not judged, nor a sentence with an auxiliary before a plain verb.
    """
    tokens, line = words_of(question), language.spelled(evidence)
    asked = {*tokens[2:]} - language.stop
    plain = any(before in language.infinitive and after in asked for before, after in pairwise(line))
    asks = language.things & {*tokens[:1]} and language.inflecting & {*tokens[1:2]}
    if not asks or language.doing & {*tokens[2:]}:
        return
    if plain or (language.modals | language.support) & {*line}:
        return
    if asked <= {*line} and not any(base_forms(word, language) & asked - {word} for word in {*line} - asked):
        raise Reject("ungrammatical", f"{tokens[1]!r} without its verb: {question}, by: {evidence}")


def _no_auxiliary(question: str, answer: str, language: Language) -> None:
    """Reject an answer to "What does it do?" that opens with an auxiliary: "should start with `set -e`"."""
    tokens = words_of(question)
    does = language.doing & {*tokens[-1:]} and language.support & {*tokens[1:2]}
    verb = opening(words_of(answer), language.verbs | language.modals)
    if does and verb:
        raise Reject("answer of another kind", f"{verb!r}: {question} {answer}")


def _no_instruction(question: str, answer: str, language: Language) -> None:
    """
    Reject an instruction as what happens: "upload the new version", "please read the manual".

    A clause has its subject first, so an article or a pronoun does not follow a word that opens nothing.
    """
    if not opening(words_of(question), language.happening):
        return
    tokens = words_of(answer)
    objects = language.articles | language.pointing | language.object_pronouns
    opens = (
        language.stop
        | language.prepositions
        | language.opening_words
        | language.limiting
        | language.adverbs
        | {*language.subordinate}
    )
    commands = tokens[0] not in opens and not tokens[0].endswith(language.adverb_endings)
    noun = (
        language.prepositions | language.verbs | language.modals | language.actions
    )  # after "Support for", "Access is"
    orders = tokens[0] in language.imperatives and not noun & {*tokens[1:2]}
    if orders or opening(tokens, language.commanding) or (commands and objects & {*tokens[1:2]}):
        raise Reject("answer of another kind", f"an instruction: {question} {answer}")


def _not_hollow(question: str, answer: str, language: Language) -> None:
    """Reject an answer of hollow words: "a good example", "more information"; and "sometimes users"."""
    tokens = words_of(answer)
    small = language.articles | language.indefinite | language.hollow
    if language.hollow & {*tokens} and small >= {*tokens}:
        raise Reject("answer says nothing", f"{question} {answer}")
    if language.things & {*words_of(question)[:1]} and len(tokens) > 1 and tokens[0] in language.frequency:
        raise Reject("answers another part of the sentence", f"{tokens[0]!r}: {question} {answer}")
