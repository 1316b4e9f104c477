"""What a recipe may set for decontaminate."""

from typing import Any

from pydantic import Field, field_validator

import datagen.stage
from datagen.stages.shared.eval_sets import EvaluationSet
from datagen.stages.shared.similarity.vectors import encoder


class Options(datagen.stage.Options):
    """What is searched for, and what counts as found."""

    against: list[EvaluationSet] = Field([], description="Test sets, each a path or path and fields")
    words: int = Field(13, ge=2, description="Words in a row that must not be shared")
    shortest: int = Field(8, ge=2, description="Words from which an item is searched for inside of texts")
    similar: float = Field(
        0.8, gt=0, le=1, description="ROUGE-L of an item with the part of a text most like it; 1: equal only"
    )
    reworded: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Cosine from which a question or line is an item reworded; left out: not looked for",
    )
    model: str = Field(
        encoder.NAME,
        description="encoder, bundled, or a checkpoint's folder; '': words and letters, no synonyms",
    )
    common: int = Field(10, ge=1, description="Documents from which a shared run may be a set phrase")

    @field_validator("against", mode="before")
    @classmethod
    def _paths(cls, given: Any) -> Any:
        if isinstance(given, list):
            return [{"path": one} if isinstance(one, str) else one for one in given]
        return given
