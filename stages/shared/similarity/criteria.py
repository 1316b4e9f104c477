"""When rows are near duplicates, and how candidates are looked for: what a recipe may set of the search."""

from pydantic import Field, model_validator

import datagen.stage
from datagen.stages.shared.similarity.alike import SHINGLE
from datagen.stages.shared.similarity.minhash import bands_and_rows, found


class Criteria(datagen.stage.Options):
    """How alike rows must be, and how candidates are found."""

    threshold: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity from which long texts are duplicates"
    )
    short_threshold: float = Field(
        0.9, gt=0, le=1, description="The same for short texts: ROUGE-L over words"
    )
    long_from: int = Field(100, ge=SHINGLE, description="Words from which a text is long")
    all_pairs: int = Field(
        200_000, ge=0, description="Short questions up to which all are compared with all, and not by LSH"
    )
    permutations: int = Field(128, ge=8, description="Numbers in a MinHash signature, 4 bytes each")
    bands: int | None = Field(None, ge=1, description="LSH bands; left out: chosen from the threshold")
    rows: int | None = Field(None, ge=1, description="Numbers of a signature in a band; goes with bands")
    neighbours: int = Field(16, ge=1, description="Candidates that a row gets from one bucket, at most")

    @model_validator(mode="after")
    def _finds_something(self) -> "Criteria":
        if (self.bands is None) != (self.rows is None):
            raise ValueError("give bands and rows, or neither")
        bands, rows = self.shape
        if bands * rows > self.permutations:
            raise ValueError(
                f"{bands} bands of {rows} need {bands * rows} permutations; set permutations to that"
            )
        alike = (self.threshold + 1) / 2
        if (share := found(alike, bands, rows)) < 0.5:
            raise ValueError(
                f"{bands} bands of {rows} rows find {share:.1%} of the pairs that are {alike:.2f} alike; "
                "are they swapped? More bands of fewer rows find more"
            )
        return self

    @property
    def near_until(self) -> int:
        """Words below which a long text may be compared with one that is not."""
        return int(self.long_from * (2 - self.short_threshold) / self.short_threshold) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Bands and rows."""
        if self.bands is not None and self.rows is not None:
            return self.bands, self.rows
        return bands_and_rows(self.threshold, self.permutations)
