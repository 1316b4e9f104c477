"""A dialogue before it is written down: its turns on the topic, and what interrupts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from datagen.stages.generate.dialogue.options import Kind
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.inverted_index import Postings

Row = Mapping[str, Any]


class Rule(BaseModel):
    """A rule of the system message, what a user says to have it broken, and how that is declined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    breaks: tuple[str, ...]
    declines: tuple[str, ...]


@dataclass(frozen=True)
class Distractor:
    """
    A turn that leads away from the topic.

    Parameters
    ----------
    kind, text
        One of `KINDS`, and what the user says.
    after
        So many turns on the topic stand before it.
    answer
        What would answer it; "" where that is not known.
    subject
        The topic it leads to; "" for a turn that breaks a rule.
    declines
        Words of its own by which it is declined; empty for those of the other topics.
    written
        Whether the generator is to write it, or has written it.
    """

    kind: Kind
    text: str
    after: int
    answer: str = ""
    subject: str = ""
    declines: tuple[str, ...] = ()
    written: bool = False


@dataclass
class Script:
    """A dialogue before it is written down."""

    key: str
    topic: str
    system: str
    pairs: Sequence[Row]  # the turns on the topic
    passages: Postings  # all that is known of the topic
    material: str  # what the system message shows of it
    language: Language
    distractors: list[Distractor] = field(default_factory=list)
