"""The options of dialogues."""

from typing import Literal, get_args

from pydantic import Field, model_validator

import datagen.stage

Kind = Literal["abrupt", "gradual", "persuasive", "rule"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Options(datagen.stage.Options):
    """Topics, lengths and distractors of the dialogues."""

    topics: tuple[str, ...] = Field(
        (), description="Regular expressions for the titles of topics; default: all titles"
    )
    on_topic: int = Field(3, ge=2, description="Most questions on topic per dialogue")
    distractors: int = Field(1, ge=1, description="Distractors per dialogue that has distractors")
    positions: tuple[int, ...] = Field(
        (1, 2, 3), description="Possible numbers of turns on topic before a distractor; each draws one"
    )
    without: float = Field(0.2, ge=0, le=1, description="Share of dialogues without a distractor")
    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="Kinds of distractor to draw from")
    written: float = Field(
        0.0, ge=0, le=1, description="Share of distractors that the generator writes; the others are drawn"
    )
    overlap: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Share of a distractor's words in one passage of the topic from which it is rejected",
    )
    temperature: float = Field(0.8, ge=0, description="Sampling temperature of written distractors")
    system: str = Field("dialogues/topics", description="Prompt file: roles, rules and the system message")
    asking: str = Field("dialogues/distractors", description="Prompt file: transitions to another topic")
    declining: str = Field("dialogues/declines", description="Prompt file: phrases that decline and redirect")
    writing: str = Field("dialogues/distractor", description="Prompt file: the request for a distractor")

    @model_validator(mode="after")
    def _fit(self) -> "Options":
        if min(self.positions, default=-1) < 0 or len(set(self.positions)) < self.distractors:
            raise ValueError("positions: give at least as many non-negative positions as distractors")
        if self.distractors > self.on_topic:
            raise ValueError("distractors: give at most on_topic, so that each has a turn on topic")
        return self
