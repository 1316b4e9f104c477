"""
Marked question: a question for an answer that a rule has found in the passage beforehand.

The answer stands in the passage whatever the model writes; that the question leads to it is checked twice:
by the rules below, and by a round trip (`datagen.stages.exercises.round_trip`). A small model often writes
a good question for another part of the sentence than the marked one. So where another answer comes back, it
is kept if a rule, too, had found it in that sentence.
"""

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.marked.candidates import WHOLE, Candidate, candidates, offered
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.round_trip import agree
from datagen.stages.exercises.task import MarkedTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.segment.sentences import unwrap

QUESTION = Line(160, QUESTION_MARKS)
NAMES = ("object", "subject", "phrase", "term", "name")  # kinds of answers that name something


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Keep a question that stands alone and is about the passage, with the answer that it was written for."""
    marked = Candidate.load(answer.request.about)
    question = QUESTION.read(answer.text, "question")
    checks.clean(question, passage, instruction(prompt))
    asks(question, passage.words)
    checks.about(question, passage, 0.4)
    return {
        "question": question,
        "context": passage.text,
        "answer": marked.answer,
        "evidence": marked.sentence,
    }


def asks(question: str, words: Language) -> None:
    """Refuse what is no question, needs its passage to be understood, or has many answers."""
    checks.question(question, words)
    checks.stands_alone(question, words, asks=True)
    checks.particular(question, words)


def suits(question: str, marked: Candidate, words: Language) -> None:
    """
    Refuse an answer that does not fit what is asked.

    It takes no clause of its sentence, and the question is what happens; it says what something does, and
    that is not asked; it points elsewhere ("this method"); or it is cut from a longer name ("strings" from "a
    list of strings") of which the question leaves out the rest.
    """
    asked, said = words_of(question), words_of(marked.answer)
    happens = phrase_in(asked, words.happening)
    does = happens or not words.doing or words.doing & set(asked[2:])
    if (happens and marked.kind not in WHOLE) or (marked.kind == "action" and not does):
        raise Reject("answer of another kind", f"{question} {marked.answer}")
    if words.demonstrative & set(said):
        raise Reject("refers to the passage", f"{question} {marked.answer}")
    if marked.kind in NAMES and _before(said, marked.sentence, words) in words.genitive - set(asked):
        raise Reject("cut from a longer answer", f"{question} {marked.answer}, by: {marked.sentence}")


def _before(answer: list[str], sentence: str, words: Language) -> str:
    """Return the word before an answer in its sentence, but for articles; "" where there is none."""
    said = words_of(sentence)
    places = range(len(said) - len(answer) + 1)
    at = next((place for place in places if said[place : place + len(answer)] == answer), 0)
    return next((word for word in reversed(said[:at]) if word not in words.articles), "")


def leads_to(question: str, answer: str, passage: Passage) -> str:
    """Return the sentence that a question with its answer is about; refuse a pair that has none."""
    checks.withholds(question, answer, passage.words)
    checks.of_a_kind(question, answer, passage.words)
    return checks.located(question, answer, passage)


def holds(question: str, answer: str, evidence: str, words: Language) -> None:
    """Refuse a pair whose sentence does not entail what it claims, or whose question nobody would ask."""
    claims.entailed(question, answer, evidence, words)
    claims.turned(question, answer, evidence, words)
    claims.worth_asking(question, answer, evidence, words)


def confirm(pair: Pair, returned: str, passage: Passage, agreement: float) -> Pair:
    """Give a question the answer that came back, if it is the marked one or another of its sentence."""
    here = [one for one in passage.once(offered) if one.sentence == pair["evidence"]]
    wrong = None
    for one in sorted(here, key=lambda one: one.answer != pair["answer"]):
        if agree(returned, one.answer, pair["question"], passage.words) >= agreement:
            try:
                suits(pair["question"], one, passage.words)
                evidence = leads_to(pair["question"], one.answer, passage)
                holds(pair["question"], one.answer, unwrap(evidence), passage.words)
                return pair | {"answer": one.answer, "evidence": evidence}
            except Reject as why:
                wrong = wrong or why
    seen = f"{pair['question']} {pair['answer']}, but: {returned}"
    raise wrong or Reject("round trip gives another answer", seen)


task = MarkedTask(
    name="marked_question",
    summary="a question for an answer that was found in the passage by rule, confirmed by a round trip",
    prompt="instructions/marked_question",
    read=read,
    max_tokens=48,
    candidates=candidates,
    confirm=confirm,
)
