"""Options of decontaminate."""

from pydantic import Field, field_validator

import datagen.stage
from datagen.stages.shared.eval_sets import EvaluationSet
from datagen.stages.shared.similarity.vectors import encoder


class Options(datagen.stage.Options):
    """The test sets, and what counts as a leak."""

    against: list[EvaluationSet] = Field([], description="Test sets, each a path, or a path and fields")
    words: int = Field(13, ge=2, description="Length of a run of words that must not be shared")
    shortest: int = Field(8, ge=2, description="Minimum words of an item that is searched for inside texts")
    similar: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Minimum ROUGE-L of an item with the most similar part of a text; 1: only equal text",
    )
    reworded: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Minimum cosine of a question or line with an item that it rewords; default: not tested",
    )
    model: str = Field(
        encoder.NAME,
        description="encoder, bundled, or a checkpoint folder; '': words and letters, without synonyms",
    )
    common: int = Field(10, ge=1, description="A run shared by more documents than this may be a set phrase")

    @field_validator("against", mode="before")
    @classmethod
    def _paths(cls, sets: object) -> object:
        if isinstance(sets, list):
            return [{"path": item} if isinstance(item, str) else item for item in sets]
        return sets
