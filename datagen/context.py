"""The context that a stage runs in, in addition to its rows and options."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from datagen.json_types import JsonObject
from datagen.prompt import Prompt, inline, load
from datagen.recipe.roles import Models
from datagen.recipe.sections import Source
from datagen.request import Identity
from datagen.store.parquet import UNFINISHED, write_json

T = TypeVar("T")
R = TypeVar("R")


class Each(Protocol):
    """Calls a function for each item and returns the results in order."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """Call the function for each item."""


def in_turn(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for each item sequentially in this process."""
    return [function(item) for item in items]


NO_MODEL = Identity("", "")  # for stages that send no requests
NOTICES = "notices.json"  # next to a stage's table: lines to show the user


@dataclass(frozen=True)
class Context:
    """
    The context that a stage runs in.

    Parameters
    ----------
    stage
        The stage's name in the recipe.
    seed
        The recipe's seed, part of every random choice.
    folder
        The recipe's folder: the base of relative paths in options.
    run_folder
        The run's folder.
    prompts
        The recipe's own prompts, which override built-in prompts of the same name; None if it has none.
    lists
        Word lists that extend the language rules: files in ``prompts/languages/lists/``.
    model
        The model that the stage sends requests to; `NO_MODEL` if it sends none.
    models
        The models of all roles; `models.role("target")` is the model that the data will train.
    output
        The stage's unfinished output folder. Files that a whole stage writes there are kept with its table.
    each
        Calls a function for each item (in a whole stage: on all CPU workers) and returns the results in
        order. Function, items and results are pickled; pass large data through files in `scratch`.
    tables
        Kind of table -> folders that hold the rows of that kind when the stage starts. All kinds, not only
        the one that the stage takes. Only for whole stages and users' stages: other stages may start
        before these tables are complete.
    corpus
        Sources that a source stage reads.
    partition_bytes
        Target size of the text in a partition that a source stage writes, in bytes.
    recipe
        The recipe as in ``manifest.json``, for documentation of the run.
    """

    stage: str
    seed: int = 0
    folder: Path = Path()
    run_folder: Path = Path()
    prompts: Path | None = None
    lists: tuple[str, ...] = ()
    model: Identity = NO_MODEL
    models: Models = field(default_factory=Models)
    output: Path = Path()
    each: Each = in_turn
    tables: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    corpus: Sequence[Source] = ()
    partition_bytes: float = 8e6
    recipe: JsonObject = field(default_factory=dict)

    @property
    def scratch(self) -> Path:
        """Folder for temporary files of a whole stage; deleted when the stage is complete."""
        return self.output / f"{UNFINISHED}scratch"

    def notice(self, lines: Iterable[str]) -> None:
        """Show lines to the user in the console, the report and the dataset card. For whole stages."""
        if notices := list(lines):
            write_json(notices, self.output / NOTICES)

    def prompt(self, name: str | Mapping[str, object]) -> Prompt:
        """
        Load a prompt by its path in ``prompts/`` without extension, or take one written in the recipe.

        The recipe's own files take precedence over the built-in ones.
        """
        return load(name, self.prompts) if isinstance(name, str) else inline(f"stages.{self.stage}", name)
