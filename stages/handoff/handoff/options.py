"""What a recipe may set for the hand-off."""

from typing import Literal

from pydantic import Field

import datagen.stage


class Options(datagen.stage.Options):
    """How long a row may be, which further formats are written, and what the card cannot know."""

    tokenizer: str = Field(
        "",
        description="Whose tokens are counted: bundled, a folder or a hub's id; left out: the target's",
    )
    max_tokens: int | None = Field(
        None,
        ge=16,
        description="Tokens of the longest row; longer ones are dropped. Left out: the target's "
        "max_model_len, at most what its tokenizer states",
    )
    also: list[Literal["jsonl", "alpaca", "sharegpt"]] = Field(
        [], description="Formats that are written beside Parquet, under also/"
    )
    shard_mb: float = Field(500, gt=0, description="MB in memory after which a split goes on in another file")
    licence: str = Field("", description="Licence of the data set, for the card")
    licences: dict[str, str] = Field(
        {}, description="Licences of sources and models, by what the recipe calls them, for the card"
    )
    push: str = Field(
        "", description="org/name: upload the finished hand-off to this data set of a hub, as a private one"
    )
