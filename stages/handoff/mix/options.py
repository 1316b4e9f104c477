"""The options of `mix`: splits, shares and order."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

import datagen.stage
from datagen.stages.handoff.mix.shares import Part, Phase

Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """Splits, shares and order."""

    validation: float = Field(
        0.05, ge=0, lt=1, description="Share of the rows for validation, by whole documents"
    )
    knowledge_test: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the self-contained questions, about documents with reading texts, that are "
        "held out as a closed-book knowledge test",
    )
    closed_book: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the pairs with a self-contained question that lose their passage",
    )
    both_forms: float = Field(
        0,
        ge=0,
        le=1,
        description="Share of the pairs with a self-contained question that are handed off twice: with "
        "their passage and without it",
    )
    max_share: dict[Literal["refusal"], Share] = Field(
        {"refusal": 0.2},
        description="Maximum share of refusals among instructions and refusals, in each domain",
    )
    domains: dict[str, list[str]] = Field(
        {}, description="Domains by patterns of sources, such as law: ['*/statutes/*']; default: one domain"
    )
    by: Literal["rows", "tokens", "trained_tokens"] = Field("rows", description="Unit of the shares")
    parts: dict[str, Part] = Field({}, description="Parts of the mixture by name; default: all rows")
    phases: list[Phase] = Field([], description="Instead of parts: phases of training, in order")
    total: int | None = Field(
        None, ge=1, description="Size of the training mixture; default: what the scarcest part allows"
    )
    shortage: Literal["error", "fill"] = Field(
        "error",
        description="If a part has less than its share of the total: stop, or use other parts",
    )
    order: Literal["draw", "difficulty"] = Field(
        "draw", description="Order within a phase: random, or easiest first"
    )
    difficulty: str = Field("ifd", description="Column with the difficulty of a row, for order")

    @model_validator(mode="after")
    def _parts_or_phases(self) -> "Options":
        if self.closed_book + self.both_forms > 1:
            raise ValueError("closed_book and both_forms are shares of the same pairs: at most 1 together")
        if self.parts and self.phases:
            raise ValueError("set parts or phases, not both; parts are a single phase")
        if self.phases and abs(sum(phase.share for phase in self.phases) - 1) > 1e-6:
            raise ValueError("the shares of the phases do not add up to 1")
        if self.shortage == "fill" and self.total is None:
            raise ValueError("shortage: fill requires total")
        if self.parts:
            Phase(share=1, parts=self.parts)  # its checks
        return self

    @property
    def requested(self) -> list[Phase]:
        """The requested phases; empty if there are none."""
        parts = self.parts or ({"all": Part(share=1)} if self.total else {})
        return self.phases or ([Phase(share=1, parts=parts)] if parts else [])
