"""
A returned answer as a candidate, though no rule had marked it.

A question often asks for more of its sentence than the marked answer: "What is aliasing applied to?" for "the
command line" of "... to the first word of the command line". If the question repeats its sentence and the
returned answer fills the gap that it leaves (`datagen.stages.shared.checks.gap`), the answer is right.
"""

import re

from datagen.stages.exercises.marked.candidates import WHOLE, Candidate, is_answer, trim
from datagen.stages.exercises.marked.sentence import LONGEST_WHOLE, PAUSE, Sentence
from datagen.stages.shared.checks.gap import Asks, fills, opens_condition
from datagen.stages.shared.checks.gap_checks import second_predicate
from datagen.stages.shared.checks.verb_forms import base_forms
from datagen.stages.shared.language.words import WORDS, words_of
from datagen.stages.shared.passage import Passage, opening

KINDS = {
    Asks.SUBJECT: "subject",
    Asks.OBJECT: "object",
    Asks.ACTION: "action",
    Asks.CONSEQUENCE: "consequence",
    Asks.CIRCUMSTANCE: "clause",
}
SENTENCE_END = re.compile(r"[.!?] ")
BLANKS = re.compile(r"\s")


def candidate(question: str, returned: str, line: str, passage: Passage) -> Candidate | None:
    """
    Return the answer of a sentence that a returned answer gives or begins; None if it does not fill the gap.

    Actions, consequences and circumstances reach to the end of their clause. A subject begins its clause;
    another answer ends where its noun phrase does.
    """
    asks, states = fills(question, returned, line, passage.words), passage.words.states
    if asks in (None, Asks.ELSEWHERE) or (asks is Asks.ACTION and opening(words_of(returned), states)):
        return None
    sentence, spans = Sentence(line, passage.words), WORDS.spans(line)
    tokens, line_tokens = words_of(returned), words_of(line)
    for place in range(len(line_tokens) - len(tokens) + 1):
        if line_tokens[place : place + len(tokens)] != tokens:
            continue
        start, end = _to_blanks(line, spans[place][0], spans[place + len(tokens) - 1][1])
        complete = _complete(start, end, asks, sentence)
        answer = trim(line[start:complete]) if complete else ""
        if (
            answer
            and answer.count('"') % 2 == 0
            and not SENTENCE_END.search(answer)
            and (KINDS[asks] in WHOLE or not second_predicate(answer, passage.words))
            and is_answer(answer, KINDS[asks], passage, depends=asks is Asks.CONSEQUENCE)
        ):
            return Candidate(answer, line, KINDS[asks])
    return None


def definition(question: str, line: str, passage: Passage) -> Candidate | None:
    """
    Return the whole definition that a question such as "What does the term “lease” mean?" asks for.

    That is all of its sentence after the verb, whatever the model returns; None for another question, or a
    definition that is too long.
    """
    words, tokens = passage.words, words_of(question)
    if not words.meaning & {*tokens[-1:]} or not words.support & {*tokens[1:2]}:
        return None
    subject, spans, line_words = tokens[2:-1], WORDS.spans(line), words_of(line)
    size = len(subject)
    if line_words[:size] != subject or not words.meaning & base_forms(
        "".join(line_words[size : size + 1]), words
    ):
        return None
    answer = trim(line[spans[size][1] :])
    if SENTENCE_END.search(answer) or not is_answer(answer, WHOLE[0], passage):
        return None
    return Candidate(answer, line, "definition")


def _to_blanks(line: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span to whole chunks of text: "type" of "type(cls)" is no answer."""
    while start and not BLANKS.match(line, start - 1):
        start -= 1
    while end < len(line) and not BLANKS.match(line, end):
        end += 1
    return start, end


def _complete(start: int, end: int, asks: Asks, sentence: Sentence) -> int:
    """Return the end of an answer that is complete in its sentence; 0 if it is cut from a longer one."""
    line, words = sentence.line, sentence.words
    if asks in (Asks.ACTION, Asks.CONSEQUENCE):
        whole = len(line.rstrip(" .!?;:"))
        if asks is Asks.CONSEQUENCE and len(words_of(line[start:whole])) <= LONGEST_WHOLE:
            return whole
        if asks is Asks.ACTION and opening(words_of(line[end:]), words.connectives):
            return end
        pause = PAUSE.search(line, max(start, end - 1))
        end = pause.start() if pause else whole
        return 0 if opening(words_of(line[end:]), (*words.joining, *words.connectives)) else end
    before, after = words_of(line[:start]), words_of(line[end:])
    paused = line[end - 1] in ",;:.!?"
    if asks is Asks.CIRCUMSTANCE:
        return (
            end
            if paused and opening(words_of(line[start:end]), (*words.connectives, *words.subordinate))
            else 0
        )
    begins = not before or line[start - 2] in ",;:" or before[-1] in words.consequent | {*words.coordinating}
    if asks is Asks.SUBJECT and not begins:
        return 0
    if opening(after, (*words.joining, *words.genitive)) or opens_condition(after, words):
        return 0
    goes_on = (
        frozenset(connective.partition(" ")[0] for connective in words.connectives)
        | words.prepositions
        | words.relative
        | sentence.auxiliaries
        | words.actions
    )
    return end if asks is Asks.SUBJECT or not after or paused or after[0] in goes_on else 0
