"""What a recipe may set for select."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

import datagen.stage
from datagen.schema import Kind

Method = Literal["score", "ifd", "ifd_ppl", "coverage", "utility", "vote_k", "entropy", "novelty"]
Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """The budget, and what is best."""

    max_rows: dict[Kind, NonNegativeInt] = Field({}, description="Rows of a kind, at most; left out: all")
    max_tokens: dict[Kind, NonNegativeInt] = Field({}, description="The same in tokens")
    max_share: dict[Kind, Share] = Field({}, description="The same as a share of its rows, rounded up")
    method: dict[Kind, Method] = Field(
        {}, description="By what the rows of a kind are chosen; left out: score"
    )
    embedding: str = Field(
        "",
        description="Model of the vectors: encoder, bundled or a folder; left out: none, shared words",
    )
    earlier: list[str] = Field(
        [], description="Run folders of earlier releases, for coverage and novelty; relative to the recipe"
    )
    wanted: list[str] = Field(
        [],
        description="For coverage: examples of what is wanted: .jsonl, .jsonl.gz, .parquet or .arrow files "
        "or folders of them; relative to the recipe",
    )
    floor: float = Field(
        0.15, ge=0, lt=1, description="For coverage: similarity below which rows have nothing in common"
    )
    categories: list[str] = Field(
        ["task", "lineage.document_id"], min_length=1, description="For entropy: columns, or fields of them"
    )
    neighbours: int = Field(150, ge=1, description="For vote_k: rows that a row votes for")
    discount: float = Field(10, gt=1, description="For vote_k: what a vote is divided by each time it won")
    block: int = Field(
        4096,
        ge=2,
        description="Rows that are all compared with each other; 4 bytes times its square",
    )
    tokenizer: str = Field(
        "", description="For max_tokens: bundled or a checkpoint's folder; left out: the target's"
    )

    @model_validator(mode="after")
    def _is_used(self) -> "Options":
        used = set(self.method.values())
        if self.earlier and not used & {"coverage", "novelty"}:
            raise ValueError("earlier is for the methods coverage and novelty")
        if self.wanted and "coverage" not in used:
            raise ValueError("wanted is for the method coverage")
        if "novelty" in used and not self.earlier:
            raise ValueError("the method novelty needs earlier: the run folders of earlier releases")
        return self

    def method_of(self, kind: Kind) -> str:
        """By what the rows of a kind are chosen."""
        return self.method.get(kind, "score")
