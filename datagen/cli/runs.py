"""Before and during a run: ``check``, ``preview``, ``plan`` and ``run``."""

from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.parameters import AsJson, Outputs, RecipePath, Settings, emit, load

app = typer.Typer()
PANEL = "Runs"


@app.command(rich_help_panel=PANEL)
def run(
    recipe: RecipePath,
    outputs: Outputs = None,
    set_: Settings = None,
    fresh: Annotated[bool, typer.Option(help="Start a new run even if one is unfinished")] = False,
    retry_errors: Annotated[
        bool, typer.Option(help="Start a new run and send every rejected request again")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option(help="Run every stage, even where an earlier run has the same result")
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Check models, test sets and labels before the first stage")
    ] = True,
    metrics: Annotated[
        Path | None, typer.Option(help="Write metrics for Prometheus to this file during the run")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON at the end; everything else goes to stderr")
    ] = False,
) -> None:
    """
    Run a recipe.

    Continues an unfinished run of the same recipe. Reuses completions of earlier runs, and whole stages whose
    inputs and options are unchanged. Exit status: 0 if the release was made, 2 for an error that the user
    can fix, 3 if the budget is spent.
    """
    from datagen.operate.check import before_work
    from datagen.operate.metrics import watching
    from datagen.operate.outcome import outcome_of
    from datagen.redaction import shown
    from datagen.report.console import Console
    from datagen.run.folder import Run
    from datagen.run.lifecycle import WithheldError
    from datagen.run.runner import run as run_recipe

    loaded, folder = load(recipe, outputs, set_)
    typer.echo(f"{loaded.name}: runs are in {folder / loaded.name}", err=json_)

    def check_first(begun: Run) -> None:
        if check:
            before_work(loaded, begun)

    try:
        home = folder / loaded.name
        with Console(to_stderr=json_) as console, watching(console, home, metrics) as watcher:
            finished = run_recipe(loaded, folder, watcher, fresh, retry_errors, rebuild, check_first)
    except WithheldError as error:
        if not json_:
            raise
        typer.secho(shown(f"error: {error}"), fg="red", err=True)
        emit(outcome_of(error.run) | {"error": shown(str(error))})
        raise typer.Exit(2) from error
    console.summarize(finished)
    if json_:
        emit(outcome_of(finished))


@app.command(rich_help_panel=PANEL)
def check(recipe: RecipePath, outputs: Outputs = None, set_: Settings = None, json_: AsJson = False) -> None:
    """
    Check everything that a run needs, without running it.

    Requests one token from each server and opens each model's folder. Exit status: 1 if a check fails.
    """
    from datagen.operate.check import check as run_check
    from datagen.report.findings import as_json, in_order, show

    loaded, folder = load(recipe, outputs, set_)
    findings = run_check(loaded, folder)
    if json_:
        emit(as_json(findings))
    else:
        show(f"{loaded.name}: check", findings)
    if not in_order(findings):
        raise typer.Exit(1)


@app.command(rich_help_panel=PANEL)
def preview(
    recipe: RecipePath,
    rows: Annotated[int, typer.Option(min=1, help="Number of passages")] = 5,
    outputs: Outputs = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON lines, one per answer")] = False,
) -> None:
    """
    Run a few passages through every task; show prompt, raw answer, verdict and row side by side.

    Other stages are not run. Later runs reuse the answers.
    """
    from datagen.report.preview import show
    from datagen.run.preview import looks

    loaded, folder = load(recipe, outputs)
    answers = looks(loaded, folder / loaded.name, rows)
    if json_:
        for answer in answers:
            emit(answer.as_json())
    else:
        show(answers)


@app.command(rich_help_panel=PANEL)
def plan(
    recipe: RecipePath,
    pilot: Annotated[
        int, typer.Option(min=0, help="Passages to run first; the run reuses their answers")
    ] = 0,
    price: Annotated[
        str,
        typer.Option(
            help="Price of all models per million input/output tokens, such as 0.15/0.60; "
            "default: the recipe's prices"
        ),
    ] = "",
    hourly: Annotated[float, typer.Option(min=0, help="Price of an engine hour, of all models")] = 0.0,
    stated: Annotated[str, typer.Option(help="Date of the price; default: today")] = "",
    outputs: Outputs = None,
    set_: Settings = None,
    json_: AsJson = False,
) -> None:
    """
    Estimate a run: requests, tokens, hours, cost, and the rows of each product.

    Based on a pilot, otherwise on the newest run. The run's report compares plan and actual.
    """
    from datagen.operate.pilot import run_pilot
    from datagen.operate.plan import plan as estimate
    from datagen.recipe.prices import for_all, read_price
    from datagen.report.console import Console
    from datagen.report.plan import show

    loaded, folder = load(recipe, outputs, set_)
    one_price = read_price(price, hourly, stated)
    prices = for_all(one_price, loaded.models) if one_price else None
    if pilot:
        with Console(to_stderr=json_) as console:
            run_pilot(loaded, folder, pilot, console)
    estimates = estimate(loaded, folder, prices).as_json()
    if json_:
        emit(estimates)
    else:
        show(estimates)
