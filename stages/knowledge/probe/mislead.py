"""
Ask a model again about what it knows, with misleading prompts: does it err? WACK, arXiv 2410.22071.

A misleading prompt (lure) is a prompt file: it puts wrong answers to other questions, from its ``examples``,
before the question, or tries to persuade. A model that errs knows and errs (HK+): it needs correction, not
refusal.
"""

from collections.abc import Callable, Sequence

from datagen.prompt import Prompt
from datagen.request import Answer, Reject, Request, Sampling
from datagen.rows import Fields
from datagen.schema import content_id
from datagen.stages.knowledge.probe.choices import Lettered
from datagen.stages.knowledge.probe.knowledge import text_of
from datagen.stages.shared.language.matching import attempts
from datagen.stages.shared.language.rules import Language

TASK = "misled"
EXAMPLES = 3  # wrong answers shown


def ask(lure: Prompt, row: str, question: str, lettered: Lettered | None, max_tokens: int) -> Request:
    """Ask a question with a misleading prompt, greedily."""
    examples = lure.fields.get("examples", [])
    drawn = sorted(examples, key=lambda example: content_id(question, example["question"]))[:EXAMPLES]
    sampling = Sampling(1 if lettered else max_tokens, stop=() if lettered else ("\n",))
    choices = lettered.letters if lettered else ()
    return lure.ask(row, task=TASK, sampling=sampling, choices=choices, question=question, examples=drawn)


def read(
    answers: Sequence[Answer], match: Callable[[str], float], wrong: float, language: Language
) -> Fields:
    """Return whether a model erred, and the first lure and answer; declining is not an error."""
    answered = False
    for answer in answers:
        try:
            text = _chosen(answer) if answer.request.choices else text_of(answer)
        except Reject:
            continue
        answered = True
        if match(text) <= wrong and (answer.request.choices or attempts(text, "", language=language)):
            return {"misled": True, "lure": answer.request.messages, "lured": text}
    return {"misled": False if answered else None, "lure": None, "lured": None}


def _chosen(answer: Answer) -> str:
    scores = answer.completion.choices
    if not scores:
        raise Reject("no probabilities", answer.completion.error)
    return answer.request.choices[max(range(len(scores)), key=scores.__getitem__)]
