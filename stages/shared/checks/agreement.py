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


def agrees(question: str, answer: str, evidence: str, words: Language) -> None:
    """Reject a question that is no sentence of its language, or an answer that does not continue it."""
    _one_verb(question, words)
    _inflected(question, evidence, words)
    _no_auxiliary(question, answer, words)
    _no_instruction(question, answer, words)
    _not_hollow(question, answer, words)


def _one_verb(question: str, words: Language) -> None:
    """
    Reject a second verb: "What does the text should contain?", "What is a tool but it is often misused?".

    A clause of its own has a verb of its own, so the search ends where one begins.
    """
    tokens = words_of(question)
    clauses = words.relative | {connective.partition(" ")[0] for connective in words.connectives}
    main = list(takewhile(lambda word: word not in clauses, tokens[2:]))
    infinitive = {after for before, after in pairwise(main) if before in words.infinitive}
    finite = (words.modals | words.being) - infinitive
    supported = takewhile(lambda word: word not in words.coordinating, main)
    if words.support & {*tokens[1:2]} and (verb := next((word for word in supported if word in finite), "")):
        raise Reject("ungrammatical", f"{verb!r} after {tokens[1]!r}: {question}")
    for conjunction, subject, verb in zip(main, main[1:], main[2:], strict=False):
        clause = subject in words.pointing and verb in words.verbs | words.modals | words.actions
        if conjunction in words.coordinating and clause:
            raise Reject("asks about two things", f"{conjunction} {subject} {verb}: {question}")


def _inflected(question: str, evidence: str, words: Language) -> None:
    """
    Reject "does" in a question whose verb has no ending in its sentence: "What does the rules apply to?".

    A question in other words is not judged, nor a sentence with an auxiliary before a plain verb.
    """
    tokens, line = words_of(question), words.spelled(evidence)
    asked = {*tokens[2:]} - words.stop
    plain = any(before in words.infinitive and after in asked for before, after in pairwise(line))
    asks = words.things & {*tokens[:1]} and words.inflecting & {*tokens[1:2]}
    if not asks or words.doing & {*tokens[2:]}:
        return
    if plain or (words.modals | words.support) & {*line}:
        return
    if asked <= {*line} and not any(base_forms(word, words) & asked - {word} for word in {*line} - asked):
        raise Reject("ungrammatical", f"{tokens[1]!r} without its verb: {question}, by: {evidence}")


def _no_auxiliary(question: str, answer: str, words: Language) -> None:
    """Reject an answer to "What does it do?" that opens with an auxiliary: "should start with `set -e`"."""
    tokens = words_of(question)
    does = words.doing & {*tokens[-1:]} and words.support & {*tokens[1:2]}
    verb = opening(words_of(answer), words.verbs | words.modals)
    if does and verb:
        raise Reject("answer of another kind", f"{verb!r}: {question} {answer}")


def _no_instruction(question: str, answer: str, words: Language) -> None:
    """
    Reject an instruction as what happens: "upload the new version", "please read the manual".

    A clause has its subject first, so an article or a pronoun does not follow a word that opens nothing.
    """
    if not opening(words_of(question), words.happening):
        return
    tokens = words_of(answer)
    objects = words.articles | words.pointing | words.object_pronouns
    opens = (
        words.stop
        | words.prepositions
        | words.opening_words
        | words.limiting
        | words.adverbs
        | {*words.subordinate}
    )
    commands = tokens[0] not in opens and not tokens[0].endswith(words.adverb_endings)
    noun = words.prepositions | words.verbs | words.modals | words.actions  # after "Support for", "Access is"
    orders = tokens[0] in words.imperatives and not noun & {*tokens[1:2]}
    if orders or opening(tokens, words.commanding) or (commands and objects & {*tokens[1:2]}):
        raise Reject("answer of another kind", f"an instruction: {question} {answer}")


def _not_hollow(question: str, answer: str, words: Language) -> None:
    """Reject an answer of hollow words: "a good example", "more information"; and "sometimes users"."""
    tokens = words_of(answer)
    small = words.articles | words.indefinite | words.hollow
    if words.hollow & {*tokens} and small >= {*tokens}:
        raise Reject("answer says nothing", f"{question} {answer}")
    if words.things & {*words_of(question)[:1]} and len(tokens) > 1 and tokens[0] in words.frequency:
        raise Reject("answers another part of the sentence", f"{tokens[0]!r}: {question} {answer}")
