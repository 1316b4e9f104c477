"""The line: which stages there are, and how they are found by name."""

import importlib
import importlib.util
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from datagen.errors import UserError
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
    module, _, name = offered.get(use, use).partition(":")
    if not name:
        raise UserError(
            f"there is no stage {use!r}; there are {', '.join(sorted(offered))}. "
            "One of your own is named with use: package.module:stage or use: ./file.py:stage"
        )
    try:
        loaded = load_file(folder / module) if module.endswith(".py") else importlib.import_module(module)
        stage = getattr(loaded, name)
    except (ImportError, FileNotFoundError, AttributeError) as error:
        raise UserError(f"the stage {use!r} cannot be loaded: {error}") from error
    if not isinstance(stage, SourceStage | MapStage | ModelStage | WholeStage):
        raise UserError(f"{use!r} is a {type(stage).__name__}, not a stage (see datagen/stage.py)")
    return stage


def load_file(path: Path) -> object:
    """Run a Python file that is in no package and return it as a module."""
    spec = importlib.util.spec_from_file_location(f"datagen_recipe_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
