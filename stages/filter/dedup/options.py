"""What a recipe may set for dedup."""

from pydantic import Field

from datagen.stages.shared.similarity.criteria import Criteria


class Options(Criteria):
    """How alike rows must be, how candidates are found, and how much may go."""

    max_loss: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of a source that may go without asking; a source is a file or folder",
    )
    accept_loss: list[str] = Field([], description="Sources that may lose any share")
    earlier: list[str] = Field(
        [],
        description="Run folders of earlier releases whose rows must not come again; relative to the recipe",
    )
    keep_index: bool = Field(True, description="Keep the sketches, for later releases to be compared with")
