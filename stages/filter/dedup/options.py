"""Options of dedup."""

from pydantic import Field

from datagen.stages.shared.similarity.criteria import Criteria


class Options(Criteria):
    """How similar duplicates are, how candidates are found, and how much may be dropped."""

    max_loss: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of a source (file or folder) above which the run stops before dropping it",
    )
    accept_loss: list[str] = Field([], description="Sources that may lose any share")
    earlier: list[str] = Field(
        [],
        description="Run folders of earlier releases whose rows must not recur; relative to the recipe",
    )
    keep_index: bool = Field(
        True, description="Keep the sketches, so that later releases can be compared with this run"
    )
