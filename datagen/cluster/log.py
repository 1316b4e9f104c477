"""
The log of Dask and of its event loops: a file in the run's folder instead of the terminal.

Dask logs every race of a shutdown with a traceback: a client that leaves, a worker that is killed. The run
itself reports each error that concerns the user.
"""

import logging
from contextlib import suppress
from pathlib import Path

from distributed import Worker, WorkerPlugin

from datagen.redaction import mask_secrets

LOGGERS = (
    "distributed",
    "distributed.client",
    "distributed.gc",
    "tornado",
    "tornado.application",
    "asyncio",
    "bokeh",
)
FORMAT = "%(asctime)s %(process)d %(name)s %(levelname)s: %(message)s"


class _File(logging.Handler):
    """
    A log file that its first line creates.

    Not a `StreamHandler`, whose level Dask changes. A line that cannot be written is lost, because `logging`
    would print a traceback of a full disk.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.WARNING)
        self._path = path
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line, without the secrets of URLs."""
        with suppress(Exception), self._path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{mask_secrets(self.format(record))}\n")


class LogOfWorkers(WorkerPlugin):
    """
    Writes the log of each worker, including those that join later, to a file.

    Parameters
    ----------
    path
        The file; None: no log.
    """

    name = "datagen-log"

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def setup(self, worker: Worker) -> None:
        """Replace the log of a worker's process."""
        log_to(self._path)


def log_to(path: Path | None) -> None:
    """
    Write this process's log of Dask to a file, or nowhere, until the process ends.

    Not only until the cluster is closed, because Dask logs even while the interpreter exits.
    """
    handler = _File(path) if path else logging.NullHandler()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        for old in logger.handlers[:]:
            if isinstance(old, logging.StreamHandler | logging.NullHandler | _File):
                logger.removeHandler(old)  # others keep the last messages in memory, for Dask itself
        logger.addHandler(handler)
