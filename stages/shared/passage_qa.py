"""
Ask a model to answer a question from a passage, or to state that the text does not say.

The round trip of generated questions and the judge of unanswerable ones use the same prompt
(``prompts/instructions/answer.yaml``), which the bundled model was trained on.
"""

import math

from datagen.prompt import Prompt
from datagen.request import Answer, Request, Sampling
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import language_of

PROMPT = "instructions/answer"
LANGUAGE = "en"  # language of the prompt's `unanswerable`
SAMPLING = Sampling(max_tokens=32, stop=("\n",))


def ask(
    prompt: Prompt, row: str, *, task: str, question: str, passage: str, heading: str = "", about: str = ""
) -> Request:
    """Build the request for the answer to a question from a passage."""
    return prompt.ask(
        row, task=task, sampling=SAMPLING, about=about, heading=heading, passage=passage, question=question
    )


def left_open(text: str, prompt: Prompt) -> bool:
    """Check whether an answer states, in the prompt's own words, that the text does not say."""
    language = language_of(LANGUAGE)
    answer, unanswerable = (
        matching.words(part, language=language) for part in (text, prompt.fields["unanswerable"])
    )
    return answer == unanswerable


def probability_left_open(answer: Answer, prompt: Prompt) -> float | None:
    """
    Return the probability of a model's statement that the text does not say; 0 if it answered otherwise.

    The product of the token probabilities; 1 if the engine returns none. None if the engine failed or the
    answer was truncated.
    """
    if answer.completion.finish != "stop":
        return None
    return math.exp(sum(answer.completion.logprobs)) if left_open(answer.text, prompt) else 0.0
