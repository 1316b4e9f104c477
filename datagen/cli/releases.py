"""After a run: ``diff``, ``releases``, ``rollback`` and ``clean``."""

from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.parameters import AsJson, Outputs, RecipePath, emit, load

app = typer.Typer()
PANEL = "Releases"


@app.command(rich_help_panel=PANEL)
def releases(recipe: RecipePath, outputs: Outputs = None, json_: AsJson = False) -> None:
    """List the runs of a recipe: state, rows by product, share of rows kept, size."""
    from datagen.operate.releases import as_json
    from datagen.operate.releases import releases as list_runs
    from datagen.report.releases import show

    loaded, folder = load(recipe, outputs)
    runs = as_json(list_runs(folder / loaded.name))
    if json_:
        emit(runs)
    else:
        show(loaded.name, runs)


@app.command(rich_help_panel=PANEL)
def diff(
    old: Annotated[Path, typer.Argument(help="A run's folder")],
    new: Annotated[Path, typer.Argument(help="A later run's folder, such as outputs/RECIPE/latest")],
    fail_on: Annotated[
        list[str] | None, typer.Option(help="A condition such as 'kept<0.8' that makes the exit status 1")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write the rows that are not in both runs to this file (JSON lines)")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Compare two runs: documents, rows added, changed and retired, yields, scores, lengths, mixture."""
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
    comparison = compare(open_run(old), open_run(new))
    failures = failed(fail_on or [], comparison.figures())
    if rows is not None:
        write_rows(comparison, rows)
    if json_:
        emit(summary(comparison) | {"failed": failures})
    else:
        show(comparison)
        for condition in failures:
            typer.secho(f"fails: {condition}", fg="red", err=True)
    if failures:
        raise typer.Exit(1)


@app.command(rich_help_panel=PANEL)
def rollback(
    recipe: RecipePath,
    to: Annotated[
        str,
        typer.Option(help="Name of a release, also of a withdrawn one; default: the one before the latest"),
    ] = "",
    outputs: Outputs = None,
    json_: AsJson = False,
) -> None:
    """Make an earlier release the latest again and withdraw the current one; deletes nothing."""
    from datagen.operate.releases import restored_documents
    from datagen.operate.releases import rollback as roll_back

    loaded, folder = load(recipe, outputs)
    withdrawn, latest = roll_back(folder / loaded.name, to)
    restored = restored_documents(withdrawn, latest)
    names = {"withdrawn": withdrawn.folder.name, "latest": latest.folder.name}
    if json_:
        emit(names | {"restored_documents": restored})
        return
    typer.echo(f"{names['latest']} is the latest release again; {names['withdrawn']} is withdrawn")
    if restored:
        documents = f"{len(restored):,} document{'s' * (len(restored) > 1)}"
        typer.secho(
            f"{names['latest']} has {documents} that {names['withdrawn']} does not have, such as "
            f"{restored[0]}. The next run leaves out those that are no longer in the corpus",
            fg="yellow",
            err=True,
        )


@app.command(rich_help_panel=PANEL)
def clean(
    recipe: RecipePath,
    keep: Annotated[int, typer.Option(min=0, help="Finished runs to keep in addition to the newest")] = 3,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove; without it, only list what would be removed")
    ] = False,
    outputs: Outputs = None,
    json_: AsJson = False,
) -> None:
    """
    Remove old runs and pilots.

    Keeps the latest release, the newest finished runs, the newest pilot, an unfinished run that can continue,
    and runs with labels or named in the recipe. No answer is lost: a run is removed only if a kept run has
    all of its answers.
    """
    from datagen.operate.releases import clean as clean_up

    loaded, folder = load(recipe, outputs)
    removed, reasons = clean_up(folder / loaded.name, loaded, keep, yes)
    names = [str(path.relative_to(folder.resolve())) for path in removed]
    kept = {str(path.relative_to(folder.resolve())): why for path, why in reasons.items()}
    if json_:
        emit({"removed" if yes else "would_remove": names, "kept": kept})
        return
    for name in names:
        typer.echo(f"{'removed' if yes else 'would remove'} {name}")
    for name, why in kept.items():
        typer.echo(f"{'kept' if yes else 'would keep'} {name}: {why}")
    if not names:
        typer.echo("There is nothing to remove")
    elif not yes:
        typer.echo("Nothing was removed. Add --yes to remove these runs")
