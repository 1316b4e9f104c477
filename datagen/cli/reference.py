"""Reference: ``stages``, ``schema`` and ``prompts``."""

import json
from typing import Annotated

import typer

from datagen.cli.parameters import AsJson, emit

app = typer.Typer()
PANEL = "Reference"


@app.command(rich_help_panel=PANEL)
def stages(
    svg: Annotated[bool, typer.Option("--svg", help="Draw the built-in stages: docs/pipeline.svg")] = False,
    json_: AsJson = False,
) -> None:
    """List the available stages, including those of other packages."""
    from datagen.recipe.registry import find_stage, installed_stages

    if svg:
        from datagen.report.figure import draw_pipeline

        typer.echo(draw_pipeline(), nl=False)
        return
    available = {name: find_stage(name) for name in installed_stages()}
    if json_:
        fields = ("takes", "gives", "summary")
        emit({name: {field: getattr(stage, field) for field in fields} for name, stage in available.items()})
        return
    width = max(map(len, available))
    for name, stage in available.items():
        typer.echo(f"{name:{width}} {stage.takes or 'corpus':>10} → {stage.gives:10} {stage.summary}")


@app.command(rich_help_panel=PANEL)
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/recipe.md")] = False,
) -> None:
    """Print the JSON schema of a recipe, for editors that complete and validate YAML."""
    if markdown:
        from datagen.recipe import reference

        typer.echo(reference.markdown(), nl=False)
    else:
        from datagen.recipe.model import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


@app.command(rich_help_panel=PANEL)
def prompts() -> None:
    """Print every request of every profile as the model receives it: docs/prompts.md."""
    from datagen.report.prompts import markdown

    typer.echo(markdown(), nl=False)
