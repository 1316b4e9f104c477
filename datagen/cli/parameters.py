"""Parameters shared by commands, and JSON output."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datagen.recipe.model import Recipe

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file; see examples/")]
RunPath = Annotated[Path, typer.Argument(help="The run's folder, such as outputs/RECIPE/latest")]
Outputs = Annotated[
    Path | None,
    typer.Option(help="Folder of all runs, OUTPUTS/RECIPE/RUN/; default: the recipe's outputs"),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key of the recipe: KEY=VALUE, such as cluster.workers=4"),
]
Labels = Annotated[
    Path | None, typer.Option(help="File of labels; default: labels.jsonl in the run's folder")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def emit(value: object) -> None:
    """Print a value as one line of JSON, in ASCII if the output cannot show all characters."""
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    typer.echo(json.dumps(value, ensure_ascii=not unicode, default=str))


def load(path: Path, outputs: Path | None, settings: list[str] | None = None) -> "tuple[Recipe, Path]":
    """Load a recipe; return it with the folder of all runs."""
    from datagen.recipe.load import load_recipe
    from datagen.recipe.overrides import overrides_of

    recipe = load_recipe(path, overrides_of(settings or []))
    return recipe, (outputs or recipe.output_folder).resolve()
