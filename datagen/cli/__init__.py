"""The command line. Each module is a group of commands, which import what they need when called."""

import gc
import io
import shlex
import sys
from contextlib import suppress

import typer

from datagen.cli import models, new, reference, releases, rows, runs
from datagen.cli.parameters import emit
from datagen.errors import BudgetSpent, UserError
from datagen.redaction import mask_argument, shown
from datagen.stop import Stopped, leave, stoppable
from datagen.store.disk import translate_file_errors

# Objects allocated before the youngest generation is collected. Python's default slows the imports.
ALLOCATIONS = 50_000

app = typer.Typer(
    help="Turn documents into data that a language model can be fine-tuned on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for group in (runs, rows, releases, models, new, reference):
    app.add_typer(group.app)


def main() -> None:
    """
    Run the command line; print errors that the user can fix without a traceback.

    With ``--json``, the message is also the one line on stdout.
    """
    gc.set_threshold(ALLOCATIONS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None if it is closed
            stream.reconfigure(errors="replace")  # a log in ASCII must not end a run
    try:
        with stoppable(), translate_file_errors():
            app()
    except UserError as error:
        tell(f"error: {error}", "red")
        sys.exit(2)
    except BudgetSpent as stop:
        tell(f"{stop}", "yellow")
        sys.exit(3)
    except Stopped as stop:
        tell(f"stopped by {stop}. {how_to_resume(sys.argv[1:])}", "yellow")
        leave(stop.status)


def tell(message: str, colour: str) -> None:
    """Print why a command ended early, for people and, with ``--json``, for machines."""
    with suppress(OSError):  # the terminal may be closed
        typer.secho(shown(message), fg=colour, err=True)
    if "--json" in sys.argv:
        emit({"error": shown(message.removeprefix("error: "))})


def how_to_resume(arguments: list[str]) -> str:
    """Describe how to continue a stopped command."""
    if arguments[:1] != ["run"]:
        return "Run the same command again."
    kept = (mask_argument(argument) for argument in arguments if argument != "--fresh")
    again = shlex.join(["datagen", *kept])
    return f"Every completion received is stored. To resume, run: {again}"
