"""The line: which stages there are, and how they are found by name."""

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from datagen.errors import UserError
from datagen.named import load
from datagen.stage import MapStage, ModelStage, SourceStage, Stage, WholeStage

# The stages that a recipe without `stages:` runs, in this order.
LINE = (
    "ingest",
    "chunk",
    "dedup_passages",
    "decontaminate_passages",
    "mine",
    "comprehend",
    "instruct",
    "probe",
    "settle",
    "near_miss",
    "refuse",
    "measure",
    "score",
    "calibrate",
    "curate",
    "dedup",
    "decontaminate",
    "select",
    "mix",
    "handoff",
)

GROUP = "datagen.stages"


def installed_stages() -> dict[str, str]:
    """Name -> module:attribute of every stage that an installed package offers, in the order of the line."""
    offered = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return {name: offered[name] for name in [*LINE, *sorted(offered.keys() - set(LINE))] if name in offered}


@cache
def find_stage(use: str, folder: Path = Path()) -> Stage:
    """
    Find a stage by the name of an entry point, by ``package.module:name`` or by ``./file.py:name``.

    Raises
    ------
    UserError
        When there is no such stage.
    """
    offered = installed_stages()
    place = offered.get(use, use)
    if ":" not in place:
        raise UserError(
            f"there is no stage {use!r}; there are {', '.join(sorted(offered))}. "
            "One of your own is named with use: package.module:stage or use: ./file.py:stage"
        )
    stage = load(place, folder, "the stage")
    if not isinstance(stage, SourceStage | MapStage | ModelStage | WholeStage):
        raise UserError(f"{use!r} is a {type(stage).__name__}, not a stage (see datagen/stage.py)")
    return stage
