"""The words with which questions are made from sentences by moving their words."""

from pydantic import BaseModel, ConfigDict


class Inversion(BaseModel):
    """
    The words of a language such as English; ``prompts/languages/en.yaml`` explains each list.

    `datagen.synthesizer.questions` and `datagen.synthesizer.mined` apply them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    copulas: frozenset[str]
    movable: frozenset[str]
    predicates: tuple[str, ...]
    support: str
    infinitive: dict[str, str]
    person: str
    thing: str
    choice: str
    time: str
    end: str
    reason: str
    consequence: str
    act: str
    denial: str
    deniable: tuple[str, ...]
    reasons: tuple[str, ...]
    times: tuple[str, ...]
    ends: tuple[str, ...]
    unasked: tuple[str, ...]
    determiners: frozenset[str]
    singular: frozenset[str]
    clauses: frozenset[str]
    perfect: frozenset[str]
    inner: frozenset[str]
    joints: tuple[str, ...]
    clarifying: tuple[str, ...]
    remarks: tuple[str, ...]
    second: tuple[str, ...]
    paired: tuple[str, ...]
    joined: tuple[str, ...]
    stranded: tuple[str, ...]
    alone: tuple[str, ...]
    comparing: tuple[str, ...]
    continuing: tuple[str, ...]
    after_noun: tuple[str, ...]
    vague: frozenset[str]
    allowed: frozenset[str]
    unclear: frozenset[str]
    identifying: tuple[str, ...]
    denying: tuple[str, ...]
    dated: tuple[str, ...]
