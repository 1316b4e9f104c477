"""Models: ``probe``, ``prove``, ``train-synthesizer``, ``remix`` and ``doctor``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.parameters import AsJson, RunPath, emit
from datagen.errors import UserError

app = typer.Typer()
PANEL = "Models"


@app.command(rich_help_panel=PANEL)
def prove(
    run: RunPath,
    minutes: Annotated[float, typer.Option(min=1, help="Time for all fits on this machine")] = 30,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Trained tokens per arm, instead of a time limit")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fits per arm, in different orders")] = 2,
    arms: Annotated[
        str,
        typer.Option(
            help="Comma-separated: reading, pairs, pairs_alone, raw_exposures, unfiltered; default: all"
        ),
    ] = "",
    target: Annotated[str, typer.Option(help="Model to fine-tune; default: the recipe's target")] = "",
    general: Annotated[
        str, typer.Option(help="General text to measure forgetting on; default: bundled")
    ] = "",
    worth: Annotated[float, typer.Option(help="Smallest gain of P(gold) that counts")] = 0.03,
    probe: Annotated[str, typer.Option(help="Questions for `datagen probe`, before and after training")] = "",
    fail_on: Annotated[str, typer.Option(help="no-gain: exit status 4 if nothing helps")] = "",
    json_: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON at the end; everything else goes to stderr")
    ] = False,
) -> None:
    """
    Fine-tune briefly on a run's hand-off and on controls with equal tokens; report whether the data helps.

    Run the same command to resume; finished fits are kept. docs/prove.md explains the arms and the verdicts.
    """
    from datagen.evaluate.prove.command import prove as run_proof
    from datagen.evaluate.prove.settings import settings_of
    from datagen.report.html import REPORT, write_report
    from datagen.run.folder import open_run

    if fail_on not in ("", "no-gain"):
        raise UserError(f"--fail-on {fail_on}: the only condition is no-gain")
    chosen = settings_of(
        arms,
        minutes=minutes,
        tokens=tokens,
        seeds=seeds,
        target=target,
        general=general,
        worth=worth,
        probe=probe,
    )
    result = run_proof(run, chosen, partial(typer.echo, err=json_))
    if json_:
        emit(result)
    else:
        for sentence in result["sentences"]:
            typer.echo(f"- {sentence}")
        typer.echo(f"table and plot: {result['page']}")
    if (run / REPORT).is_file():  # last, as a damaged table must not hide the result
        write_report(open_run(run))
    if fail_on and not result["gain"]:
        raise typer.Exit(4)


@app.command(rich_help_panel=PANEL)
def probe(
    sets: Annotated[
        list[Path], typer.Argument(help="JSON lines with question, answer, and optionally aliases or options")
    ],
    model: Annotated[
        str, typer.Option(help="A folder, a hub id, bundled, or a YAML file with a recipe's model")
    ] = "bundled",
    after: Annotated[str | None, typer.Option(help="The same model after training")] = None,
    outputs: Annotated[Path, typer.Option(help="Answers are stored in OUTPUTS/held-out/")] = Path("outputs"),
    json_: AsJson = False,
) -> None:
    """Measure a model's honesty about its knowledge on held-out questions, before and after training."""
    from datagen.evaluate.honesty import probe as score
    from datagen.report.console import show_measures

    measures = score(sets, model, after, outputs / "held-out")
    if json_:
        emit(measures)
    else:
        show_measures(measures)


@app.command("train-synthesizer", rich_help_panel=PANEL)
def train_synthesizer(
    recipe: Annotated[Path, typer.Argument(help="Sets and tasks; see examples/synthesizer.yaml")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the adapter; default: the recipe's output")
    ] = None,
    steps: Annotated[int, typer.Option(help="Stop after this many steps; -1: the recipe's steps")] = -1,
) -> None:
    """Train the small model that writes exercises: a LoRA adapter with a model card."""
    from datagen.synthesizer.launch import launch
    from datagen.synthesizer.recipe import load_recipe

    loaded = load_recipe(recipe)  # reports errors in the recipe before loading torch
    launch(recipe, output or Path(loaded.output), steps)


@app.command(rich_help_panel=PANEL)
def remix(
    recipe: Annotated[Path, typer.Argument(help="Sets and tasks; see examples/synthesizer.yaml")],
    output: Annotated[Path, typer.Argument(help="File to write: JSON lines, for own_pairs")],
) -> None:
    """Turn labelled sets into rows that train a model to write exercises: text and task, then the pair."""
    from datagen.synthesizer import remix as remixing
    from datagen.synthesizer.recipe import load_recipe
    from datagen.synthesizer.sets import load

    loaded = load_recipe(recipe)
    rows = remixing.remix(loaded, load(loaded))
    remixing.write_rows(rows, output)
    for task, counts in remixing.account(rows).items():
        typer.echo(f"{task}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")


@app.command(rich_help_panel=PANEL)
def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe: also report the profile of each of its models")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Report what this machine can run, and what is missing for the rest."""
    from datagen.recipe.load import load_recipe
    from datagen.report.doctor import diagnose, examine
    from datagen.report.findings import as_json, in_order

    loaded = load_recipe(recipe) if recipe else None
    if json_:
        findings = list(examine(loaded))
        emit(as_json(findings))
        is_usable = in_order(findings)
    else:
        is_usable = diagnose(loaded)
    if not is_usable:
        raise typer.Exit(1)
