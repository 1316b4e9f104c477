"""What a stage may know besides its rows and its options."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.prompt import Prompt, inline, load
from datagen.recipe.sections import Models, Source
from datagen.request import Identity
from datagen.store.parquet import UNFINISHED, write_json


def in_turn(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Call a function for each item, here and now."""
    return [function(item) for item in items]


NOBODY = Identity("", "")
NOTICES = "notices.json"  # beside a stage's table: lines that a user must know


@dataclass(frozen=True)
class Context:
    """
    What a stage may know besides its rows and its options.

    Parameters
    ----------
    stage
        The stage's name in the recipe.
    seed
        The recipe's seed; every draw depends on it.
    folder
        The recipe's folder, which relative paths in options start from.
    run_folder
        The run's folder.
    prompts
        The recipe's own prompts, which come before the built-in ones; None where it has none.
    lists
        The lists that add to the rules of languages: files in ``prompts/languages/lists/``.
    model
        The model that the stage asks; one without a name where it asks none.
    models
        The models of all roles; `models.role("target")` is the one that the data is for.
    output
        The stage's own folder while it is made. What a whole stage writes there is kept with its table.
    each
        Calls a function for each item, for a whole stage on all ordinary workers, and lists the results in
        order. Function, items and results travel: large things go through files in `scratch`.
    tables
        Kind of table -> the folders that hold the rows of that kind when the stage begins, whichever kind
        it takes itself.
    corpus
        What a source stage reads.
    partition_bytes
        Text in a partition that a source stage writes, about.
    recipe
        The recipe as in ``manifest.json``, to document a run with.
    """

    stage: str
    seed: int = 0
    folder: Path = Path()
    run_folder: Path = Path()
    prompts: Path | None = None
    lists: tuple[str, ...] = ()
    model: Identity = NOBODY
    models: Models = field(default_factory=Models)
    output: Path = Path()
    each: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] = in_turn
    tables: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    corpus: Sequence[Source] = ()
    partition_bytes: float = 8e6
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scratch(self) -> Path:
        """Where a whole stage puts what is too large to hold; gone when the stage is complete."""
        return self.output / f"{UNFINISHED}scratch"

    def notice(self, lines: Iterable[str]) -> None:
        """Say what a user must know: the console, the report and the card show it. For whole stages."""
        if notices := list(lines):
            write_json(notices, self.output / NOTICES)

    def prompt(self, name: str | Mapping[str, Any]) -> Prompt:
        """Load a prompt by its path in ``prompts/``, the recipe's own first; or take one written inline."""
        return load(name, self.prompts) if isinstance(name, str) else inline(f"stages.{self.stage}", name)
