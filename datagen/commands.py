"""The commands that show what a generator is asked: ``datagen preview`` and ``datagen prompts``."""

import json
from pathlib import Path
from typing import Annotated

import typer


def preview(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file; see examples/")],
    rows: Annotated[int, typer.Option(min=1, help="Passages to ask about")] = 5,
    outputs: Annotated[
        Path | None, typer.Option(help="Where the recipe's runs land; left out: the recipe's outputs")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON lines, one for each answer")] = False,
) -> None:
    """
    Put a few passages through every task, and show prompt, answer, verdict and row side by side.

    Nothing else of the recipe is run. The answers are kept beside the recipe's runs, which use them again.
    """
    from datagen.recipe.model import load_recipe
    from datagen.report.preview import show
    from datagen.run.preview import looks

    loaded = load_recipe(recipe)
    found = looks(loaded, (outputs or loaded.output_folder).resolve() / loaded.name, rows)
    if json_:
        for look in found:
            typer.echo(json.dumps(look.as_json(), ensure_ascii=False))
    else:
        show(found)


def prompts() -> None:
    """Print every request of every profile as the model receives it: docs/prompts.md."""
    from datagen.report.prompts import markdown

    typer.echo(markdown(), nl=False)
