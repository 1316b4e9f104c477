"""The criteria of near duplicates, and the options of the candidate search."""

from pydantic import Field, model_validator

import datagen.stage
from datagen.stages.shared.similarity.alike import SHINGLE
from datagen.stages.shared.similarity.minhash import bands_and_rows, found


class Criteria(datagen.stage.Options):
    """How similar duplicates are, and how candidates are found."""

    threshold: float = Field(
        0.7, gt=0, le=1, description="Minimum Jaccard similarity of long texts that are duplicates"
    )
    short_threshold: float = Field(
        0.9, gt=0, le=1, description="Minimum ROUGE-L over words of short texts that are duplicates"
    )
    long_from: int = Field(100, ge=SHINGLE, description="Minimum words of a long text")
    ignore_other_words: bool = Field(
        False, description="Whether texts are duplicates though ordinary words were replaced or added"
    )
    all_pairs: int = Field(
        200_000, ge=0, description="Maximum short questions that are all compared with each other; above, LSH"
    )
    permutations: int = Field(128, ge=8, description="Size of a MinHash signature, 4 bytes per number")
    bands: int | None = Field(None, ge=1, description="LSH bands; default: derived from the threshold")
    rows: int | None = Field(None, ge=1, description="Numbers of a signature per band; set with bands")
    neighbours: int = Field(16, ge=1, description="Maximum candidates of a row from one bucket")

    @model_validator(mode="after")
    def _finds_something(self) -> "Criteria":
        if (self.bands is None) != (self.rows is None):
            raise ValueError("set both bands and rows, or neither")
        bands, rows = self.shape
        if bands * rows > self.permutations:
            raise ValueError(
                f"{bands} bands of {rows} need {bands * rows} permutations; set permutations to that"
            )
        similarity = (self.threshold + 1) / 2
        if (share := found(similarity, bands, rows)) < 0.5:
            raise ValueError(
                f"{bands} bands of {rows} rows find {share:.1%} of the pairs with similarity "
                f"{similarity:.2f}; are they swapped? More bands of fewer rows find more"
            )
        return self

    @property
    def near_until(self) -> int:
        """The number of words below which a long text can be a duplicate of a short one."""
        return int(self.long_from * (2 - self.short_threshold) / self.short_threshold) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """The bands and rows of the LSH index."""
        if self.bands is not None and self.rows is not None:
            return self.bands, self.rows
        return bands_and_rows(self.threshold, self.permutations)
