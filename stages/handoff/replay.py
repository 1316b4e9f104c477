"""
Read the user's general data, to mix with the domain data against catastrophic forgetting.

The files are read as by `datagen.stages.sources.own_pairs`. Rows have the task ``general``, by which `mix`
selects them. Put the stage directly before `mix`, so that they are neither scored nor filtered.
"""

from pydantic import Field

from datagen.stage import SourceStage
from datagen.stages.sources import own_pairs
from datagen.stages.sources.ingest import Redacted

TASK = "general"


class Options(own_pairs.Options):
    """The files, and the share of their rows to read."""

    task: str = Field(TASK, min_length=1, description="Task of the rows, by which `mix` selects them")
    redact: Redacted = Field(
        (), description="Personal data and secrets to replace, as in ingest: a list; left out: none"
    )


stage = SourceStage(
    name="replay",
    summary="read your own general data for the mixture",
    plan=own_pairs.plan,
    read=own_pairs.read,
    gives="examples",
    options=Options,
    digest=own_pairs.digest,
)
