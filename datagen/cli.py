"""The command line: ``datagen run``, ``label``, ``probe``, ``train-synthesizer``, ``doctor`` and others."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from datagen.commands import preview, prompts
from datagen.errors import BudgetSpent, UserError
from datagen.operate.commands import app as operate
from datagen.operate.commands import emit
from datagen.recipe.overrides import overrides_of
from datagen.redaction import shown
from datagen.stop import Stopped, leave, stoppable
from datagen.store.disk import told

app = typer.Typer(
    help="Turn documents into data that a language model can be fine-tuned on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(operate)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file; see examples/")],
    outputs: Annotated[
        Path | None,
        typer.Option(help="Runs land in OUTPUTS/<recipe>/<run>/; left out: the recipe's outputs"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a key over what the recipe says, such as stages.chunk.max_chars=800"),
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Begin a new run even if one is unfinished")] = False,
    retry_errors: Annotated[
        bool, typer.Option(help="Begin a new run and ask every request again that was rejected")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option(help="Make every stage, even where an earlier run has made the same")
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Look at models, test sets and labels before the first stage is made")
    ] = True,
    metrics: Annotated[
        Path | None, typer.Option(help="Write figures for Prometheus to this file while the run is on")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON at the end; all else goes to stderr")
    ] = False,
) -> None:
    """
    Run a recipe to its end.

    An unfinished run of the same recipe is continued. Answers of earlier runs are used again, and stages that
    would come out the same are taken over. Exit status: 0 when the release is made, 2 for what the user can
    fix, 3 when the recipe's budget is spent.
    """
    from datagen.operate.check import before_work
    from datagen.operate.metrics import watching
    from datagen.operate.outcome import outcome_of
    from datagen.recipe.model import load_recipe
    from datagen.report.console import Console
    from datagen.run.folder import Run
    from datagen.run.runner import run as run_recipe

    loaded = load_recipe(recipe, overrides_of(set_ or []))
    folder = (outputs or loaded.output_folder).resolve()
    typer.echo(f"{loaded.name}: runs land in {folder / loaded.name}", err=json_)

    def look(begun: Run) -> None:
        if check:
            before_work(loaded, begun)

    try:
        with Console(to_stderr=json_) as console, watching(console, loaded.name, metrics) as watcher:
            finished = run_recipe(loaded, folder, watcher, fresh, retry_errors, rebuild, look)
    except (UserError, BudgetSpent) as error:
        if json_:
            emit({"recipe": loaded.name, "error": shown(str(error))})
        raise
    console.summarize(finished)
    if json_:
        emit(outcome_of(finished))


@app.command()
def label(
    run: Annotated[Path, typer.Argument(help="The run's folder, such as outputs/<recipe>/latest")],
    labels: Annotated[
        Path | None, typer.Option(help="The file of labels; left out: labels.jsonl in the run's folder")
    ] = None,
    rows: Annotated[int, typer.Option(min=2, help="Rows of each kind or task that has a promise")] = 200,
    page: Annotated[
        Path | None, typer.Option(help="Write a page to judge the rows in a browser, and ask nothing here")
    ] = None,
    stage: Annotated[str, typer.Option(help="Whose table; left out: calibrate's, else score's")] = "",
) -> None:
    """
    Draw rows of a run for a person to judge: right or wrong.

    Stop any time; the same command goes on. Name the file in the recipe under `stages.calibrate.labels`:
    what is kept is then as precise as the recipe promises. docs/confidence.md says how.
    """
    from datagen.run.folder import open_run
    from datagen.stages.confidence.labels.session import label as judge

    judge(open_run(run), labels, rows, page, stage)


@app.command()
def explain(
    row: Annotated[str, typer.Argument(help="A row's id, or its beginning")],
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; left out: the newest finished run in outputs/")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON")] = False,
) -> None:
    """Show a row with its passage, prompt, raw answer and scores, and what each stage did with it."""
    from datagen.look import explain as look
    from datagen.run.folder import open_run

    look.explain(open_run(run) if run else look.newest(Path("outputs")), row, as_json)


@app.command()
def browse(
    run: Annotated[Path, typer.Argument(help="The run's folder, such as outputs/<recipe>/latest")],
    labels: Annotated[
        Path | None, typer.Option(help="The file of labels; left out: labels.jsonl in the run's folder")
    ] = None,
    rows: Annotated[int, typer.Option(min=2, help="Rows to judge of each kind or task with a promise")] = 200,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0,
) -> None:
    """Look through the rows of a run in a browser: search, filter, move a threshold, judge."""
    from datagen.look.server import browse as serve
    from datagen.run.folder import open_run

    serve(open_run(run), labels, rows, port)


@app.command("train-synthesizer")
def train_synthesizer(
    recipe: Annotated[Path, typer.Argument(help="Which sets and tasks; see examples/synthesizer.yaml")],
    output: Annotated[
        Path | None, typer.Option(help="Where the adapter lands, not as the recipe says")
    ] = None,
    steps: Annotated[int, typer.Option(help="Stop after so many steps; -1: as the recipe says")] = -1,
) -> None:
    """Train the small model that writes exercises: a LoRA adapter, with its card, from labelled sets."""
    from datagen.synthesizer.launch import launch
    from datagen.synthesizer.recipe import load_recipe

    loaded = load_recipe(recipe)  # its mistakes are told before anything heavy is loaded
    launch(recipe, output or Path(loaded.output), steps)


@app.command()
def probe(
    sets: Annotated[
        list[Path], typer.Argument(help="JSON lines: question, answer, perhaps aliases or options")
    ],
    model: Annotated[
        str, typer.Option(help="A folder, a model hub's id, bundled, or a YAML file with a recipe's model")
    ] = "bundled",
    after: Annotated[str | None, typer.Option(help="The same model after training")] = None,
    outputs: Annotated[Path, typer.Option(help="Answers are kept in OUTPUTS/held-out/")] = Path("outputs"),
    json_: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure on held-out questions how honest a model is about what it knows, before and after training."""
    from datagen.evaluate.honesty import probe as score
    from datagen.report.console import show_measures

    measures = score(sets, model, after, outputs / "held-out")
    if json_:
        emit(measures)
    else:
        show_measures(measures)


@app.command()
def prove(
    run: Annotated[Path, typer.Argument(help="The run's folder, such as outputs/<recipe>/latest")],
    minutes: Annotated[float, typer.Option(min=1, help="What all fits should take on this machine")] = 30,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Trained tokens of each arm, whatever time they take")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each arm, in different orders")] = 2,
    arms: Annotated[
        str, typer.Option(help="Arms, with commas: reading, pairs, raw_exposures, unfiltered; left out: all")
    ] = "",
    target: Annotated[str, typer.Option(help="Model to fine-tune; left out: the recipe's target")] = "",
    general: Annotated[
        str, typer.Option(help="General text to measure forgetting on; left out: bundled")
    ] = "",
    worth: Annotated[float, typer.Option(help="Smallest gain of P(gold) that counts")] = 0.03,
    probe: Annotated[str, typer.Option(help="Questions for `datagen probe`, before and after")] = "",
    fail_on: Annotated[str, typer.Option(help="no-gain: exit status 4 when nothing helps")] = "",
) -> None:
    """
    Fine-tune briefly on a run's hand-off and on controls of equal tokens, and say whether the data helps.

    The same command resumes and keeps finished fits. docs/prove.md explains the arms and the verdicts.
    """
    from datagen.evaluate.prove.command import prove as carry_out
    from datagen.evaluate.prove.settings import settings_of

    if fail_on not in ("", "no-gain"):
        raise UserError(f"--fail-on {fail_on}: there is only no-gain")
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
    result = carry_out(run, chosen, typer.echo)
    for sentence in result["sentences"]:
        typer.echo(f"- {sentence}")
    typer.echo(f"table and plot: {result['page']}")
    if fail_on and not result["gain"]:
        raise typer.Exit(4)


@app.command()
def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe: also report the profile of each of its models")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Report what this machine can run, and what is missing for the rest."""
    from datagen.recipe.model import load_recipe
    from datagen.report.doctor import diagnose, examine
    from datagen.report.findings import as_json, in_order

    loaded = load_recipe(recipe) if recipe else None
    if json_:
        findings = list(examine(loaded))
        emit(as_json(findings))
        able = in_order(findings)
    else:
        able = diagnose(loaded)
    if not able:
        raise typer.Exit(1)


app.command("preview")(preview)
app.command("prompts")(prompts)


@app.command()
def stages(
    svg: Annotated[bool, typer.Option("--svg", help="Draw the built-in ones: docs/pipeline.svg")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List the stages that recipes may name, those of other packages included."""
    from datagen.recipe.registry import find_stage, installed_stages

    if svg:
        from datagen.report.figure import draw_pipeline

        typer.echo(draw_pipeline(), nl=False)
        return
    known = {name: find_stage(name) for name in installed_stages()}
    if json_:
        fields = ("takes", "gives", "summary")
        emit({name: {field: getattr(stage, field) for field in fields} for name, stage in known.items()})
        return
    for name, stage in known.items():
        typer.echo(f"{name:15} {stage.takes or 'corpus':>10} → {stage.gives:10} {stage.summary}")


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it for people: docs/recipe.md")] = False,
) -> None:
    """Print the JSON schema of a recipe, for editors that complete and check YAML."""
    if markdown:
        from datagen.recipe import reference

        typer.echo(reference.markdown(), nl=False)
    else:
        from datagen.recipe.model import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


def main() -> None:
    """Run the command line; errors that the user can mend are printed without a traceback."""
    try:
        with stoppable(), told():
            app()
    except UserError as error:
        typer.secho(shown(f"error: {error}"), fg="red", err=True)
        sys.exit(2)
    except BudgetSpent as stop:
        typer.secho(f"{stop}", fg="yellow", err=True)
        sys.exit(3)
    except Stopped as stop:
        typer.secho(shown(f"stopped by {stop}. {_how_to_go_on(sys.argv[1:])}"), fg="yellow", err=True)
        leave(stop.status)


def _how_to_go_on(arguments: list[str]) -> str:
    """Say what goes on where a stopped command was."""
    if arguments[:1] != ["run"]:
        return "The same command begins again."
    again = shlex.join(["datagen", *(one for one in arguments if one != "--fresh")])
    return f"Every answer that came is kept. To go on where it stopped, run: {again}"


if __name__ == "__main__":
    main()
