"""The command line, as ``datagen`` or ``python -m datagen``."""

import signal


def main() -> None:
    """Run the command line; Ctrl-C while modules are imported ends the process without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from datagen.cli import main as run

    run()


if __name__ == "__main__":
    main()
