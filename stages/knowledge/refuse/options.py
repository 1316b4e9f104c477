"""Options of the stage `refuse`."""

from typing import Literal

from pydantic import Field

import datagen.stage
from datagen.stages.shared import passage_qa


class Options(datagen.stage.Options):
    """The format of refusals, the share of each kind of row, and the certainty required of the judge."""

    form: Literal["replace", "sure", "absolute", "numeric", "verbal", "multisample"] = Field(
        "replace",
        description="replace: refuse unknown questions; sure: answer, and state whether the answer is "
        "certain; absolute, numeric, verbal, multisample: by the share of right samples",
    )
    least: float = Field(
        0.1, gt=0, le=1, description="Form absolute: minimum share of right samples of answered questions"
    )
    does_not_know: float = Field(1.0, ge=0, le=1, description="Share of unknown questions to decline")
    known_question: float = Field(1.0, ge=0, le=1, description="Share of known questions to answer")
    decline_over_guess: float = Field(
        1.0, ge=0, le=1, description="Share of unknown questions that yield a preference pair"
    )
    hold_to_answer: float = Field(
        1.0, ge=0, le=1, description="Share of misled questions that yield a preference pair"
    )
    found_in_context: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of unanswerable questions that are also answered with their passage",
    )
    point: bool = Field(True, description="Let refusals suggest the document to look in")
    aliases: str = Field(
        "",
        description="A YAML file, relative to the recipe: answer -> list of equivalent answers, which "
        "refusals do not contain either",
    )
    sure: float = Field(
        0.6, ge=0, le=1, description="Minimum probability of the judge that the passage has no answer"
    )
    judge: str = Field(
        passage_qa.PROMPT, description="Prompt file of the judge, whose `unanswerable` means no answer"
    )
    unknown: str = Field(
        "refusals/does_not_know", description="Prompt file with sentences that decline an unknown question"
    )
    elsewhere: str = Field(
        "refusals/not_in_context", description="Prompt file with sentences for passages without an answer"
    )
    confidence: str = Field(
        "refusals/confidence", description="Prompt file with phrases that state the target's certainty"
    )
