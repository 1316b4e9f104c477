"""The script of a dialogue: its turns on topic, and its distractors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from datagen.rows import Row
from datagen.stages.generate.dialogue.options import Kind
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.inverted_index import Postings


class Rule(BaseModel):
    """A rule of the system message, user turns that ask to break it, and replies that decline them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    breaks: tuple[str, ...]
    declines: tuple[str, ...]


@dataclass(frozen=True)
class Distractor:
    """
    A user turn that leaves the topic.

    Parameters
    ----------
    kind, text
        One of `KINDS`, and the text of the turn.
    after
        The number of turns on topic before it.
    answer
        The answer to it; "" if unknown.
    subject
        The topic that it changes to; "" for a turn that breaks a rule.
    declines
        Specific phrases that decline it; empty for the general ones.
    written
        Whether the generator writes it.
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
    """The parts of a dialogue."""

    key: str
    topic: str
    system: str
    pairs: Sequence[Row]  # the turns on topic
    passages: Postings  # all passages of the topic
    material: str  # the passages in the system message
    language: Language
    distractors: list[Distractor] = field(default_factory=list)
