"""Options of select."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

import datagen.stage
from datagen.schema import Kind

Method = Literal["score", "ifd", "ifd_ppl", "coverage", "utility", "vote_k", "entropy", "novelty"]
Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """The budget, and the selection methods."""

    max_rows: dict[Kind, NonNegativeInt] = Field({}, description="Maximum rows per kind; default: all")
    max_tokens: dict[Kind, NonNegativeInt] = Field({}, description="Maximum tokens per kind")
    max_share: dict[Kind, Share] = Field({}, description="Maximum share of a kind's rows, rounded up")
    method: dict[Kind, Method] = Field({}, description="Selection method per kind; default: score")
    embedding: str = Field(
        "",
        description="Embedding model: encoder, bundled or a folder; default: none, shared words",
    )
    earlier: list[str] = Field(
        [], description="Run folders of earlier releases, for coverage and novelty; relative to the recipe"
    )
    wanted: list[str] = Field(
        [],
        description="For coverage: wanted examples, as .jsonl, .jsonl.gz, .parquet or .arrow files "
        "or folders of them; relative to the recipe",
    )
    floor: float = Field(
        0.15, ge=0, lt=1, description="For coverage: similarity below which rows count as unrelated"
    )
    categories: list[str] = Field(
        ["task", "lineage.document_id"],
        min_length=1,
        description="For entropy: columns, fields of them, "
        "opening (first two words of the question) or position (tenth of the document)",
    )
    neighbours: int = Field(150, ge=1, description="For vote_k: number of rows that each row votes for")
    discount: float = Field(
        10, gt=1, description="For vote_k: divisor of a row's vote each time a row it voted for is chosen"
    )
    block: int = Field(
        4096,
        ge=2,
        description="Rows compared pairwise at once; memory is 4 bytes times its square",
    )
    tokenizer: str = Field(
        "", description="For max_tokens: bundled or a checkpoint folder; default: the target's"
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
        """Return the selection method of a kind."""
        return self.method.get(kind, "score")
