"""Skeletons of your own: ``new task``."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
PANEL = "Reference"
new = typer.Typer(help="Write the skeleton of something of your own.", no_args_is_help=True)
app.add_typer(new, name="new", rich_help_panel=PANEL)


@new.command("task")
def task(
    name: Annotated[str, typer.Argument(help="Name of the task: letters, digits and underscores")],
    folder: Annotated[
        Path, typer.Option("--in", help="Folder for the files, such as that of the recipe")
    ] = Path(),
) -> None:
    """
    Write a task as data, NAME.yaml, and its test, test_NAME.py.

    The test passes as written. Change prompt, fields and checks, then its good and bad answers. A recipe asks
    the task with `instruct: {tasks: {./NAME.yaml: 1}}`.
    """
    from datagen.errors import UserError
    from datagen.recipe.skeleton import write_task
    from datagen.stages.exercises.task import is_task

    if is_task(name):
        raise UserError(f"there is a task {name} already; give yours another name")
    for path in write_task(name, folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"recipe:  instruct: {{tasks: {{./{name}.yaml: 1}}}}")
    typer.echo(f"test:    pytest {folder / f'test_{name}.py'}")
