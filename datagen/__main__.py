"""The command line, as ``datagen`` or ``python -m datagen``."""

import signal


def main() -> None:
    """
    Run the command line.

    Ctrl-C while modules are imported ends the process without a traceback. A signal after the work is done,
    while the interpreter shuts down, does not change the exit status.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from datagen.cli import main as run
    from datagen.stop import finish

    try:
        run()
    except SystemExit as end:
        finish(end.code)


if __name__ == "__main__":
    main()
