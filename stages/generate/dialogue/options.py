"""What a recipe may set for dialogues."""

from typing import Literal, get_args

from pydantic import Field, model_validator

import datagen.stage

Kind = Literal["abrupt", "gradual", "persuasive", "rule"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Options(datagen.stage.Options):
    """What the dialogues are about, how long they are, and what interrupts them."""

    topics: tuple[str, ...] = Field((), description="Patterns of titles that are topics; left out: all")
    on_topic: int = Field(3, ge=2, description="Most questions on the topic in a dialogue")
    distractors: int = Field(1, ge=1, description="Distractors in a dialogue that has some")
    positions: tuple[int, ...] = Field(
        (1, 2, 3), description="Turns on the topic that may stand before a distractor; one is drawn for each"
    )
    without: float = Field(0.2, ge=0, le=1, description="Share of dialogues without any distractor")
    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="Kinds of distractor that are drawn")
    written: float = Field(
        0.0, ge=0, le=1, description="Share of distractors that the generator writes; the others are drawn"
    )
    overlap: float = Field(
        0.6, gt=0, le=1, description="A passage of the topic may hold no such share of a distractor's words"
    )
    temperature: float = Field(0.8, ge=0, description="Of what the generator writes")
    system: str = Field("dialogues/topics", description="Roles, rules and the system message")
    asking: str = Field("dialogues/distractors", description="How a user leads up to another topic")
    declining: str = Field("dialogues/declines", description="Words that decline and steer back")
    writing: str = Field("dialogues/distractor", description="What the generator is asked")

    @model_validator(mode="after")
    def _fit(self) -> "Options":
        if min(self.positions, default=-1) < 0 or len(set(self.positions)) < self.distractors:
            raise ValueError("positions: give at least as many, from 0, as there are distractors")
        if self.distractors > self.on_topic:
            raise ValueError("distractors: no more than on_topic, so that each has a turn to be answered")
        return self
