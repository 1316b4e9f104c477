"""The rows of a run: ``browse``, ``explain`` and ``label``."""

from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.parameters import AsJson, Labels, RunPath

app = typer.Typer()
PANEL = "Rows"


@app.command(rich_help_panel=PANEL)
def browse(
    run: RunPath,
    labels: Labels = None,
    rows: Annotated[int, typer.Option(min=2, help="Rows to judge per kind or task with a promise")] = 200,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port")] = 0,
) -> None:
    """Open the rows of a run in a browser: search, filter, move a threshold, judge."""
    from datagen.look.server import browse as serve
    from datagen.run.folder import open_run

    serve(open_run(run), labels, rows, port)


@app.command(rich_help_panel=PANEL)
def explain(
    row: Annotated[str, typer.Argument(help="A row's id, or its first characters")],
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; default: the newest finished run in outputs/")
    ] = None,
    labels: Labels = None,
    json_: AsJson = False,
) -> None:
    """Show a row with its passage, prompt, raw answer, scores, label, and what each stage did with it."""
    from datagen.look.explain import explain as show
    from datagen.look.explain import newest
    from datagen.run.folder import open_run

    show(open_run(run) if run else newest(Path("outputs")), row, json_, labels=labels)


@app.command(rich_help_panel=PANEL)
def label(
    run: RunPath,
    labels: Labels = None,
    rows: Annotated[int, typer.Option(min=2, help="Rows per kind or task with a promise")] = 200,
    page: Annotated[
        Path | None, typer.Option(help="Write a page for judging in a browser instead of asking here")
    ] = None,
    stage: Annotated[
        str,
        typer.Option(
            help="Stage to sample rows from; default: calibrate, otherwise score, otherwise the latest tables"
        ),
    ] = "",
) -> None:
    """
    Sample rows of a run for a person to judge right or wrong.

    Stop at any time and run the same command to continue. Name the file in the recipe under
    `stages.calibrate.labels`. The kept rows are then as precise as the recipe promises (docs/confidence.md).
    """
    from datagen.run.folder import open_run
    from datagen.stages.confidence.labels.session import label as judge

    judge(open_run(run), labels, rows, page, stage)
