"""
A question put to a model with a passage: its answer, or that the text does not say.

The round trip of a written question and the judge of what a passage leaves open ask the same thing in
the same words (``prompts/instructions/answer.yaml``), which the bundled model was trained to answer.
"""

import math

from datagen.prompt import Prompt
from datagen.request import Answer, Request, Sampling
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import language_of

PROMPT = "instructions/answer"
LANGUAGE = "en"  # of its `unanswerable`
SAMPLING = Sampling(max_tokens=32, stop=("\n",))


def ask(
    prompt: Prompt, row: str, *, task: str, question: str, passage: str, heading: str = "", about: str = ""
) -> Request:
    """Write the request for the answer to a question from a passage."""
    return prompt.ask(
        row, task=task, sampling=SAMPLING, about=about, heading=heading, passage=passage, question=question
    )


def left_open(text: str, prompt: Prompt) -> bool:
    """Tell whether an answer says that the text does not say: in the prompt's own words, no others."""
    language = language_of(LANGUAGE)
    said, wanted = (matching.words(one, language=language) for one in (text, prompt.fields["unanswerable"]))
    return said == wanted


def probability_left_open(answer: Answer, prompt: Prompt) -> float | None:
    """
    Give the probability with which a model said that the text does not say; 0 where it said otherwise.

    It is the product of the probabilities of the tokens of that sentence; 1 where the engine gives none. None
    where the engine failed or cut the answer off.
    """
    if answer.completion.finish != "stop":
        return None
    return math.exp(sum(answer.completion.logprobs)) if left_open(answer.text, prompt) else 0.0
