"""Question writing: the pupil writes a question about the passage to a given answer."""

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text
from datagen.stages.exercises.tasks import extractive_question
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a question and an answer that pass the checks of an extractive question, and swap them."""
    pair = extractive_question.read(answer, passage, prompt)
    template = draw_text(prompt, "questions", passage, pair["question"])
    question = fill(template, answer=pair["answer"])
    return {**pair, "question": question, "answer": pair["question"]}


task = StructuredTask(
    name="question_writing",
    summary="a question about the passage to a given answer",
    prompt="instructions/question_writing",
    schema=extractive_question.Output,
    read=read,
)
