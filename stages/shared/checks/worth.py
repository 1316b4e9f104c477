"""
Whether a question is worth asking and its answer worth learning.

A pair may be true and still useless for training: it asks for the subject of an obligation or for one of
countless things that are not the case, or its answer has no content without the passage. The checks are rules
over words and raise `datagen.request.Reject`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

from datagen.request import Reject
from datagen.stages.shared.checks.claims import follows, named
from datagen.stages.shared.checks.form import NAMED, unnamed_pronoun
from datagen.stages.shared.checks.gap import Asks, fills
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening, phrase_in

SHORT = 5  # maximum words of an answer that one empty word makes useless
BARE = 2  # maximum words of a reference such as "the file", which names nothing
FEW = (
    3  # maximum content words of a question that ends in an empty phrase: "called with appropriate arguments"
)
REFERENCE = 3  # maximum words of a reference in a question without a name
UNENDED = re.compile(r"[-–—,;:]\s*[?？؟]\W*\Z")
NOTE = re.compile(r"\(([^()]*)\)")
PAUSE = re.compile(r"(?:[,;]| [-–—]+) ")
UNLIKELY = "question nobody would ask"


def worth_asking(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a question that nobody would ask, or an answer without content."""
    _one_question(question, evidence, language)
    _specific(question, language)
    _no_ellipsis(question, answer, language)
    _one_place(question, language)
    _no_obligation(question, answer, evidence, language)
    _tells_something(question, answer, language)
    asks_subject = fills(question, answer, evidence, language) is Asks.SUBJECT
    _negated(question, answer, evidence, asks_subject, language)
    if asks_subject:
        _names_its_subject(question, answer, language)
        _one_antecedent(question, answer, language)


def _one_question(question: str, evidence: str, language: Language) -> None:
    """
    Reject a question that is double, unfinished or contains a whole clause as a note.

    Also one that repeats itself, unless its sentence does: "the rent in advance of the rent".
    """
    question_words = words_of(question)
    finite = language.verbs | language.modals | language.actions
    for note in NOTE.finditer(question):
        if language.referring & {*words_of(note[1])[:1]}:
            raise Reject("refers to the passage", f"{note[0]!r} in: {question}")  # "(see Naming)"
        if verb := next((word for word in words_of(note[1])[1:] if word in finite), ""):
            raise Reject("asks about two things", f"{verb!r} in a note: {question}")
    if language.genitive & set(question_words[-1:]) & set(question_words[:-1]):
        raise Reject("ungrammatical", f"{question_words[-1]!r} twice: {question}")
    for pause in PAUSE.finditer(question):
        rest = words_of(question[pause.end() :])
        if not language.open_ended & set(words_of(question[: pause.start()])):
            continue  # "Historically, which ...?"
        if opening(rest, language.second) or pause[0].strip() != ",":
            raise Reject("asks about two things", question)
    if UNENDED.search(question):
        raise Reject("unfinished sentence", question)
    if language.restricting & set(question_words[-1:]):
        raise Reject("cut from its condition", question)
    asked, written = Counter(_trigrams(question_words)), Counter(_trigrams(words_of(evidence)))
    if any(count > max(1, written[trigram]) for trigram, count in asked.items()):
        raise Reject("repetition loop", question)


def _trigrams(tokens: list[str]) -> Iterator[tuple[str, str, str]]:
    return zip(tokens, tokens[1:], tokens[2:], strict=False)


def _specific(question: str, language: Language) -> None:
    """Reject a question with many answers, or with a word that belongs to the omitted part."""
    question_words = words_of(question)
    if phrase := phrase_in(question_words, language.unspecific):
        raise Reject(UNLIKELY, f"{phrase!r} in: {question}")
    small = language.verbs | language.modals | language.support
    after = next((place + 1 for place, word in enumerate(question_words) if word in small), 0)
    if after and after < len(question_words) and question_words[after] in language.adrift:
        raise Reject(UNLIKELY, f"{question_words[after]!r} in: {question}")
    empty = language.indefinite & set(question_words[-2:])
    if (
        empty
        and not NAMED.search(question)
        and len(set(language.content(question)) - {*map(language.stem, empty)}) <= FEW
    ):
        raise Reject(UNLIKELY, f"{min(empty)!r} in: {question}")
    if word := _likened(question_words, language):
        raise Reject("refers to the passage", f"{word!r} in: {question}")
    if word := _distant(question_words, language):
        raise Reject("refers to the passage", f"{word!r} in: {question}")
    if opening(question_words, language.choosing) and question_words[1] in small:
        raise Reject(UNLIKELY, f"does not name what to choose from: {question}")


def _one_place(question: str, language: Language) -> None:
    """Reject a preposition that belongs to one of two phrases: "used as names or as targets in?"."""
    tokens = words_of(question)
    small = language.prepositions - language.infinitive
    if not small & {*tokens[-1:]}:
        return
    for place, word in enumerate(tokens[1:-2], 1):
        joined = word in language.coordinating and tokens[place + 1] in small
        if joined and tokens[place + 1] in tokens[:place] and tokens[-2] not in small:
            raise Reject("ungrammatical", f"{tokens[-1]!r} is of one of two phrases: {question}")


def _no_ellipsis(question: str, answer: str, language: Language) -> None:
    """Reject a condition without a subject: "What happens when invoked as a module?", "If set to true."."""
    question_words, answer_words = words_of(question), words_of(answer)
    if happens := opening(question_words, language.happening):
        condition = _after_connective(question_words[happens.count(" ") + 1 :], language)
        finite = language.verbs | language.modals | language.actions | language.support
        if condition and condition[0].endswith(language.participle_endings) and not finite & set(condition):
            raise Reject("refers to the passage", f"no subject in: {question}")
    if language.elliptical & set(_after_connective(answer_words, language)[:1]):
        raise Reject("refers to the passage", f"no subject in: {answer}")


def _after_connective(clause: list[str], language: Language) -> list[str]:
    """Return the words of a clause after its connective; none if it has no connective."""
    connective = opening(clause, language.connectives)
    return clause[connective.count(" ") + 1 :] if connective else []


def _distant(question_words: list[str], language: Language) -> str:
    """Return "there", unless it opens a sentence ("is there") or a preposition names a place before it."""
    for place, word in enumerate(question_words):
        before = question_words[:place]
        if word in language.distant and not language.being & {
            *before[-1:],
            *question_words[place + 1 : place + 2],
        }:
            return "" if language.prepositions & set(before) else word
    return ""


def _likened(question_words: list[str], language: Language) -> str:
    """Return a word such as "such" outside its phrases ("such as"); "" if there is none."""
    line = f" {' '.join(question_words)} "
    for phrase in sum(language.likening.values(), ()):
        line = line.replace(f" {phrase} ", " ")
    return next((word for word in language.likening if f" {word} " in line), "")


def _no_obligation(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a question for the subject of an obligation, "What must stop?"; but "Who must pay?" is asked."""
    question_words, subject = words_of(question), words_of(answer)
    if (
        len(question_words) > 1
        and question_words[0] not in language.naming
        and question_words[1] in language.obliging
        and follows(subject, question_words[1], words_of(evidence))
    ):
        raise Reject(UNLIKELY, f"for the subject of {question_words[1]!r}: {question}")
    pronouns = language.pointing & set(question_words[-1:])
    if pronouns & set(subject):
        raise Reject("refers to the passage", f"{question_words[-1]!r} in: {question}")


def _tells_something(question: str, answer: str, language: Language) -> None:
    """Reject an answer without content: "appropriate arguments", "several subpatterns"."""
    answer_words = words_of(answer)
    head = takewhile(lambda word: word not in language.prepositions, answer_words[:-1])
    if len(answer_words) <= SHORT and (indefinite := language.indefinite.intersection(head)):
        raise Reject("answer says nothing", f"{min(indefinite)!r}: {question} {answer}")
    if answer_words and language.negations.issuperset(answer_words):
        raise Reject("answer says nothing", f"{question} {answer}")
    if word := next((word for word in answer_words if word in language.speaking), ""):
        raise Reject("refers to the passage", f"{word!r} in: {answer}")
    if phrase := phrase_in(answer_words, language.unspecific):
        raise Reject("refers to the passage", f"{phrase!r} in: {answer}")


def _negated(question: str, answer: str, evidence: str, asks_subject: bool, language: Language) -> None:
    """
    Reject a negated question without a certain answer.

    Countless things "are not part of" another; a condition after a negation is ambiguous ("names are not
    deleted when the loop ends"); and one half of "not in X, but in Y" misleads.
    """
    question_words, evidence_words = language.spelled(question), language.spelled(evidence)
    if opening(question_words, language.happening) or not language.negations & set(question_words):
        return
    negation = next((place for place, word in enumerate(evidence_words) if word in language.negations), None)
    if negation is None:
        return
    rest = evidence_words[negation + 1 :]
    if language.contrasting & set(rest):
        raise Reject(UNLIKELY, f"half of a contrast: {question}, by: {evidence}")
    circumstance = question_words[0] in language.open_ended - language.things
    if circumstance and f" {' '.join(words_of(answer))} " in f" {' '.join(rest)} ":
        raise Reject(UNLIKELY, f"negated before its condition: {question}, by: {evidence}")
    denied = language.negations & set(question_words[2:3])
    subordinate = language.relative | {connective.partition(" ")[0] for connective in language.connectives}
    main = takewhile(lambda word: word not in subordinate, question_words[1:])
    asks_subject = asks_subject and bool(language.negations & set(main))  # not "stable if it does not change"
    if asks_subject and (language.being if not denied else language.being | language.modals) & set(
        question_words[:2]
    ):
        raise Reject(UNLIKELY, f"for what is not so: {question}")


def _names_its_subject(question: str, answer: str, language: Language) -> None:
    """Reject a subject that only its passage identifies: "the file", "the returned value"."""
    count = len(words_of(answer))
    if named(answer, language) or count > REFERENCE:
        return
    if count <= BARE or not NAMED.search(question):
        raise Reject("refers to the passage", f"{answer!r}: {question}")


def _one_antecedent(question: str, answer: str, language: Language) -> None:
    """
    Reject a pronoun of the question that may refer to either of two things in the answer.

    "What can be retrieved from its code object?": the code object of "information on a function", of either.
    """
    pronoun = unnamed_pronoun(question, language)
    if language.inversion and opening(words_of(question), [language.inversion.person]):
        return  # "Who receives no pay for their service?": theirs who receive it
    parts = language.prepositions & set(words_of(answer)) or language.owning.search(answer)
    if pronoun and parts:
        raise Reject("refers to the passage", f"{pronoun!r} may be either: {question} {answer}")
