"""Terms: the technical terms that the passage uses."""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import Line, parse
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    terms: list[Annotated[str, Line(40)]] = Field(min_length=3, max_length=6)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept the list if each term occurs in the passage, is not a common word and is listed once."""
    output, echoed = parse(answer, Output), instruction(prompt)
    terms = output.terms
    for term in terms:
        checks.clean(term, passage, echoed)
        checks.verbatim(term, passage, "term")
        if not passage.words.content(term):
            raise Reject("not a term", term)
    if len({" ".join(passage.words.content(term)) for term in terms}) < len(terms):
        raise Reject("repetition loop", "; ".join(terms))
    text = "; ".join(terms)
    question = draw_text(prompt, "questions", passage, text)
    return {"question": question, "context": passage.text, "answer": text, "evidence": passage.text}


task = StructuredTask(
    name="terms",
    summary="the technical terms that the passage uses",
    prompt="reading/terms",
    schema=Output,
    read=read,
)
