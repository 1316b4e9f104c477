"""
Marked question: a question for an answer that a rule has marked in the passage.

The answer is in the passage whatever the model writes. Two checks verify that the question leads to it: the
rules below, and a round trip (`datagen.stages.exercises.round_trip`). A small model often writes a good
question for another part of the sentence, so another returned answer is accepted if a rule had also marked it
in that sentence, or if it is what the question leaves out of any sentence of the passage.
"""

import re
from collections.abc import Iterator

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.marked.candidates import WHOLE, Candidate, candidates, offered
from datagen.stages.exercises.marked.returned import candidate as returned_candidate
from datagen.stages.exercises.marked.returned import definition
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.round_trip import agree
from datagen.stages.exercises.task import MarkedTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims
from datagen.stages.shared.checks.agreement import agrees
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS, Line
from datagen.stages.shared.checks.gap import NOTE, names_subject, says_all
from datagen.stages.shared.checks.gap_checks import completes
from datagen.stages.shared.checks.own_words import is_person, turned
from datagen.stages.shared.checks.verb_forms import base_forms
from datagen.stages.shared.checks.whole import whole
from datagen.stages.shared.checks.worth import worth_asking
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.segment.sentences import unwrap

QUESTION = Line(160, QUESTION_MARKS)
SENTENCES = ("clause", "consequence")  # kinds of answers that are given as sentences
KIND = 1  # words of "which kind" that its sentence need not have
NAMES = ("object", "subject", "phrase", "term", "name")  # kinds of answers that name something


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a question that stands alone and is about the passage, with its marked answer."""
    marked = Candidate.load(answer.request.about)
    question = QUESTION.read(answer.text, "question")
    checks.clean(question, passage, instruction(prompt))
    asks(question, passage.words)
    checks.about(question, passage, 0.4)
    checks.spelled(question, passage)
    return {
        "question": question,
        "context": passage.text,
        "answer": marked.answer,
        "evidence": marked.sentence,
    }


def asks(question: str, language: Language) -> None:
    """Reject text that is not a question, needs its passage to be understood, or has many answers."""
    checks.question(question, language)
    checks.stands_alone(question, language, asks=True)
    checks.particular(question, language)


def suits(question: str, marked: Candidate, language: Language) -> None:
    """
    Reject an answer that does not fit the question.

    The question asks what happens and the answer is not a clause; the answer is an action and the question
    does not ask for one; the answer is a reference ("this method"); or the answer is cut from a longer name
    ("strings" from "a list of strings") whose rest is not in the question.
    """
    question_words, answer_words = words_of(question), words_of(marked.answer)
    happens = phrase_in(question_words, language.happening)
    does = happens or not language.doing or language.doing & set(question_words[2:])
    if (happens and marked.kind not in WHOLE) or (marked.kind == "action" and not does):
        raise Reject("answer of another kind", f"{question} {marked.answer}")
    if does and not happens and language.doing and language.articles & {answer_words[0]}:
        raise Reject("answer of another kind", f"no verb in: {question} {marked.answer}")
    if language.demonstrative & set(answer_words):
        raise Reject("refers to the passage", f"{question} {marked.answer}")
    if marked.kind in NAMES:
        before = _word_before(answer_words, marked.sentence, language)
        if before in language.genitive - set(question_words):
            raise Reject("cut from a longer answer", f"{question} {marked.answer}, by: {marked.sentence}")


def _word_before(answer: list[str], sentence: str, language: Language) -> str:
    """Return the word before an answer in its sentence, skipping articles; "" if there is none."""
    tokens = words_of(sentence)
    places = range(len(tokens) - len(answer) + 1)
    start = next((place for place in places if tokens[place : place + len(answer)] == answer), 0)
    return next((word for word in reversed(tokens[:start]) if word not in language.articles), "")


def leads_to(question: str, answer: str, passage: Passage) -> str:
    """Return the sentence that a question and its answer are about; reject a pair without one."""
    checks.withholds(question, answer, passage.words)
    checks.of_a_kind(question, answer, passage.words)
    return checks.located(question, answer, passage)


def holds(question: str, answer: str, evidence: str, language: Language) -> None:
    """Reject a pair that its sentence does not entail, or whose question nobody would ask."""
    completes(question, answer, evidence, language)
    whole(question, answer, evidence, language)
    claims.entailed(question, answer, evidence, language)
    turned(question, answer, evidence, language)
    agrees(question, answer, evidence, language)
    worth_asking(question, answer, evidence, language)


def accepts(question: str, answer: str, sentence: str, passage: Passage) -> None:
    """Reject a pair that the task would drop even if its round trip returned the answer."""
    asks(question, passage.words)
    leads_to(question, answer, passage)
    holds(question, answer, sentence, passage.words)


def corrected(question: str, answer: str, evidence: str, language: Language) -> str:
    """
    Return a question with "Who" for "What" if its answer is a person who does something.

    Also without an "also" after its verb, which belongs to what its sentence says before, and without a note
    that refers elsewhere: "(see Naming)".
    """
    refers = [note[0] for note in NOTE.finditer(question) if language.referring & {*words_of(note[0])[:1]}]
    for note in refers:
        question = question.replace(note, "")
    tokens, openers = words_of(question), language.inversion
    if tokens[2:3] and tokens[2] in language.additive and language.things & {tokens[0]}:
        question = re.sub(rf"(?<=\w) {re.escape(tokens[2])} ", " ", question, count=1, flags=re.IGNORECASE)
        tokens = words_of(question)
    if not openers or tokens[:1] != [openers.thing]:
        return question
    if not is_person(question, answer, evidence, language):
        return question
    if any({*tokens[2:3]} & base_forms(phrase.split()[0], language) for phrase in language.defining):
        return question  # "What shall consist of seven members?" "The board"
    return openers.person.capitalize() + question.lstrip()[len(openers.thing) :]


def _uncapitalised(question: str, evidence: str, passage: Passage) -> str:
    """Return a question without the capital of its sentence: "When must Guard evaluation stop?"."""
    first = evidence.partition(" ")[0]
    small = first[:1].lower() + first[1:]
    if not first.isalpha() or not re.search(rf"(?<!\w){small}(?!\w)", passage.text):
        return question
    inside = re.compile(rf"(?<=\w ){first}(?!\w)")
    return question if inside.search(passage.text) else inside.sub(small, question)  # unless it is a name


def confirm(pair: Pair, returned: str, passage: Passage, agreement: float) -> Pair:
    """
    Return the pair with the returned answer, if that is a candidate of the marked sentence.

    A pair with the whole content of its sentence is true whatever the model returns.
    """
    question, rejected = pair["question"], None
    for candidate in _confirmed(pair, returned, passage, agreement):
        try:
            suits(question, candidate, passage.words)
            evidence = leads_to(question, candidate.answer, passage)
            asked = corrected(question, candidate.answer, unwrap(evidence), passage.words)
            asked = _uncapitalised(asked, unwrap(evidence), passage)
            holds(asked, candidate.answer, unwrap(evidence), passage.words)
            answer = phrased(candidate, passage.words)
            return pair | {"question": asked, "answer": answer, "evidence": evidence}
        except Reject as reason:
            rejected = rejected or reason
    detail = f"{question} {pair['answer']}"
    unconfirmed = (
        Reject("round trip gives another answer", f"{detail}, but: {returned}")
        if returned
        else Reject("round trip finds no answer", detail)
    )
    raise rejected or unconfirmed


def phrased(candidate: Candidate, language: Language) -> str:
    """
    Return the answer as it is given: a clause as a sentence, anything else verbatim.

    A clause that does not open with a function word is left as it is: "pdb" must not become "Pdb".
    """
    answer = candidate.answer
    small = (
        language.stop | language.vague | language.articles | language.opening_words | {*language.subordinate}
    )
    if candidate.kind not in SENTENCES or words_of(answer)[0] not in small or not answer[0].isalpha():
        return answer
    return answer[0].upper() + answer[1:].rstrip(SENTENCE_MARKS) + "."


def _completing(question: str, passage: Passage) -> list[Candidate]:
    """List the candidates that are all that a question in the words of their sentence leaves out."""
    words, asked = passage.words, set(passage.words.content(question))
    near = {line for _, line in passage.sentences if len(asked - set(words.content(line))) <= KIND}
    return [
        candidate
        for candidate in passage.once(offered)
        if candidate.sentence in near
        and any(
            check(question, candidate.answer, candidate.sentence, words)
            for check in (says_all, names_subject)
        )
    ]


def _confirmed(pair: Pair, returned: str, passage: Passage, agreement: float) -> Iterator[Candidate]:
    """Yield the answers that a question may lead to: the marked one, those returned, those that say all."""
    question, words = pair["question"], passage.words
    nearby = [candidate for candidate in passage.once(offered) if candidate.sentence == pair["evidence"]]
    complete = _completing(question, passage)
    for candidate in sorted(nearby, key=lambda candidate: candidate.answer != pair["answer"]):
        agrees = returned and agree(returned, candidate.answer, question, words) >= agreement
        if agrees or (candidate.answer == pair["answer"] and candidate in complete):
            yield candidate
    lines = dict.fromkeys([pair["evidence"], *(line for _, line in passage.sentences)])
    for line in lines if returned else ():
        if filling := returned_candidate(question, returned, line, passage):
            yield filling
    yield from complete
    if meaning := definition(question, pair["evidence"], passage):
        yield meaning


task = MarkedTask(
    name="marked_question",
    summary="a question for an answer that a rule marked in the passage, confirmed by a round trip",
    prompt="instructions/marked_question",
    read=read,
    max_tokens=48,
    candidates=candidates,
    confirm=confirm,
)
