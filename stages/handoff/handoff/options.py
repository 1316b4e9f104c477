"""Options of the hand-off."""

from typing import Literal

from pydantic import Field

import datagen.stage


class Options(datagen.stage.Options):
    """Row length, additional formats, licences for the card, and upload."""

    tokenizer: str = Field(
        "",
        description="Model whose tokenizer counts tokens: bundled, a folder or a hub id; default: the target",
    )
    max_tokens: int | None = Field(
        None,
        ge=16,
        description="Maximum tokens per row; longer rows are dropped. Default: the target's max_model_len, "
        "limited by its tokenizer's maximum",
    )
    also: list[Literal["jsonl", "alpaca", "sharegpt"]] = Field(
        [], description="Formats to write in addition to Parquet, under also/"
    )
    shard_mb: float = Field(500, gt=0, description="Maximum size of a file, in MB in memory")
    licence: str = Field("", description="Licence of the dataset, for the card")
    licences: dict[str, str] = Field(
        {}, description="Licences of sources and models by their names in the recipe, for the card"
    )
    push: str = Field(
        "", description="org/name: upload the finished hand-off to this private dataset on a hub"
    )
