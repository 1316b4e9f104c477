"""The commands that operate a recipe over time: ``check``, ``plan``, ``diff``, ``releases`` and others."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datagen.recipe.overrides import overrides_of

if TYPE_CHECKING:
    from datagen.recipe.model import Recipe

app = typer.Typer()

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file; see examples/")]
Outputs = Annotated[Path | None, typer.Option(help="The folder of all runs; left out: the recipe's outputs")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Set a key over what the recipe says")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def emit(value: Any) -> None:
    """Print a value as one line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def _load(path: Path, outputs: Path | None, settings: list[str] | None = None) -> "tuple[Recipe, Path]":
    """Load a recipe, and give the folder of all runs."""
    from datagen.recipe.model import load_recipe

    loaded = load_recipe(path, overrides_of(settings or []))
    return loaded, (outputs or loaded.output_folder).resolve()


@app.command()
def check(recipe: RecipePath, outputs: Outputs = None, set_: Settings = None, json_: AsJson = False) -> None:
    """
    Look at everything that a run needs, and do none of it.

    Each server is asked for one token, each model's folder is opened. Exit status: 1 when something is wrong.
    """
    from datagen.operate.check import check as look
    from datagen.report.findings import as_json, in_order, show

    loaded, folder = _load(recipe, outputs, set_)
    findings = look(loaded, folder)
    if json_:
        emit(as_json(findings))
    else:
        show(f"{loaded.name}: check", findings)
    if not in_order(findings):
        raise typer.Exit(1)


@app.command()
def plan(
    recipe: RecipePath,
    pilot: Annotated[
        int, typer.Option(min=0, help="Run the recipe on so many passages first; the run uses its answers")
    ] = 0,
    price: Annotated[str, typer.Option(help="Of a million tokens read / written, such as 0.15/0.60")] = "",
    hourly: Annotated[float, typer.Option(min=0, help="Price of an hour of the engine")] = 0.0,
    stated: Annotated[str, typer.Option(help="Date of the price; left out: today")] = "",
    outputs: Outputs = None,
    set_: Settings = None,
    json_: AsJson = False,
) -> None:
    """
    Say what a run would take and give: requests, tokens, hours, cost, and the rows of each product.

    It goes by a pilot, else by the newest run. The report of the run compares the plan with what came.
    """
    from datagen.operate.estimates import read_price
    from datagen.operate.pilot import run_pilot
    from datagen.operate.plan import plan as estimate
    from datagen.report.console import Console
    from datagen.report.plan import show

    loaded, folder = _load(recipe, outputs, set_)
    given = read_price(price, hourly, stated)
    if pilot:
        with Console(to_stderr=json_) as console:
            run_pilot(loaded, folder, pilot, console)
    found = estimate(loaded, folder, given)
    if json_:
        emit(found.as_json())
    else:
        show(found.as_json())


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The folder of a run")],
    new: Annotated[Path, typer.Argument(help="The folder of a later run, such as outputs/<recipe>/latest")],
    fail_on: Annotated[
        list[str] | None, typer.Option(help="A condition such as 'kept<0.8' on which the exit status is 1")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write every row that is not in both runs to this file, as JSON lines")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Compare two runs: documents, rows added, changed and retired, yields, scores, lengths, mixture."""
    import rich.console

    from datagen.errors import UserError
    from datagen.recipe.gates import failed, read_gate
    from datagen.report.changes import show, summary, write_rows
    from datagen.report.compare import compare
    from datagen.run.folder import open_run

    try:
        for condition in fail_on or []:
            read_gate(condition)
    except ValueError as error:
        raise UserError(f"--fail-on: {error}") from None
    found = compare(open_run(old), open_run(new))
    wrong = failed(fail_on or [], found.figures())
    if rows is not None:
        write_rows(found, rows)
    if json_:
        emit(summary(found) | {"failed": wrong})
    else:
        show(found, rich.console.Console(highlight=False))
        for condition in wrong:
            typer.secho(f"fails: {condition}", fg="red", err=True)
    if wrong:
        raise typer.Exit(1)


@app.command()
def releases(recipe: RecipePath, outputs: Outputs = None, json_: AsJson = False) -> None:
    """List the runs of a recipe: state, rows by product, share of rows kept, size."""
    from datagen.operate import releases as known
    from datagen.report.releases import show

    loaded, folder = _load(recipe, outputs)
    found = known.releases(folder / loaded.name)
    if json_:
        emit(known.as_json(found))
    else:
        show(loaded.name, known.as_json(found))


@app.command()
def rollback(
    recipe: RecipePath,
    to: Annotated[str, typer.Option(help="Name of a finished run; left out: the one before the latest")] = "",
    outputs: Outputs = None,
    json_: AsJson = False,
) -> None:
    """Make an earlier release the latest again; the one that was is withdrawn, and nothing is deleted."""
    from datagen.operate import releases as known

    loaded, folder = _load(recipe, outputs)
    withdrawn, latest = known.rollback(folder / loaded.name, to)
    if json_:
        emit({"withdrawn": withdrawn.folder.name, "latest": latest.folder.name})
    else:
        typer.echo(f"latest is {latest.folder.name} again; {withdrawn.folder.name} is withdrawn")


@app.command()
def clean(
    recipe: RecipePath,
    keep: Annotated[int, typer.Option(min=0, help="Finished runs to keep besides the newest")] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only say what would go")] = False,
    outputs: Outputs = None,
    json_: AsJson = False,
) -> None:
    """
    Remove old runs.

    Kept are the latest release, the newest finished runs, a run that can be continued, and runs that hold
    labels or that the recipe names. Answers are never lost: a run goes only if a kept run has all of them.
    """
    from datagen.operate import releases as known

    loaded, folder = _load(recipe, outputs)
    going, reasons = known.clean(folder / loaded.name, loaded, keep, yes)
    if json_:
        emit({"removed" if yes else "would_remove": [path.name for path in going], "kept": reasons})
        return
    for path in going:
        typer.echo(f"{'removed' if yes else 'would remove'} {path}")
    for name, why in reasons.items():
        typer.echo(f"kept {name}: {why}")
    if going and not yes:
        typer.echo("Nothing is removed yet: add --yes")
