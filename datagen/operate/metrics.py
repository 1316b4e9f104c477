"""
Metrics of a run for Prometheus.

A batch job may end before it is scraped. The metrics are therefore written to a file in Prometheus' text
format, atomically, for the textfile collector of the node exporter.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.errors import UserError
from datagen.request import Usage
from datagen.run.folder import open_run
from datagen.run.progress import Watcher
from datagen.store.record import StageRecord

if TYPE_CHECKING:
    from prometheus_client import Gauge

WRITE_SECONDS = 5.0  # minimum time between writes during a stage
STAGE, KIND = ["recipe", "stage"], ["recipe", "stage", "kind"]
PRODUCT = ["recipe", "stage", "product", "kind"]


@contextmanager
def watching(watcher: Watcher, home: Path, path: Path | None) -> Iterator[Watcher]:
    """Write the metrics of the run in the block to a file, if one is given; `home` has the recipe's runs."""
    if path is None:
        yield watcher
        return
    metrics = Metrics(watcher, home, path)
    try:
        yield metrics
    finally:
        metrics.close()


def _released(home: Path) -> float | None:
    """Return when the latest release was finished, in seconds since 1970; None if there is none."""
    try:
        return datetime.fromisoformat(open_run(home / "latest").manifest["finished"]).timestamp()
    except (UserError, KeyError, TypeError, ValueError):
        return None


class Metrics:
    """
    A watcher that writes metrics to a file and forwards every call to another watcher.

    Parameters
    ----------
    watcher
        The other watcher.
    home
        The folder of the recipe's runs. Its name, that of the recipe, is a label of every metric.
    path
        The file, such as ``/var/lib/node_exporter/datagen.prom``.

    Raises
    ------
    UserError
        If the library is not installed.
    """

    def __init__(self, watcher: Watcher, home: Path, path: Path) -> None:
        try:
            from prometheus_client import CollectorRegistry, Gauge
        except ImportError:
            raise UserError("--metrics needs prometheus-client: pip install 'datagen[metrics]'") from None
        self._watcher, self._home, self._recipe, self._path = watcher, home, home.name, path
        self._registry, self._written = CollectorRegistry(), 0.0

        def gauge(name: str, description: str, labels: list[str]) -> "Gauge":
            return Gauge(f"datagen_{name}", description, labels, registry=self._registry)

        self._partitions = gauge("partitions", "Partitions of a stage: all, done", KIND)
        self._rows = gauge("rows", "Rows of a stage: in, kept, dropped", KIND)
        self._products = gauge("examples", "Examples of a product: made by a stage, or lost in it", PRODUCT)
        self._answers = gauge("answers", "Answers of a stage: new, reused", KIND)
        self._tokens = gauge("tokens", "Tokens of new answers: prompt, completion", KIND)
        self._seconds = gauge("stage_seconds", "Duration of a stage", STAGE)
        self._occupancy = gauge(
            "engine_occupancy",
            "Requests in flight as a share of the engines' windows, last 10 s",
            ["recipe"],
        )
        self._running = gauge("running", "1 while a run is on", ["recipe"])
        self._released = gauge(
            "last_release_timestamp_seconds", "When the latest release was finished", ["recipe"]
        )
        self._running.labels(self._recipe).set(1)
        self._set_release()

    def joined(self, dashboard: str) -> None:
        """Forward the address of the cluster's dashboard."""
        self._watcher.joined(dashboard)

    def begin(self, stage: str, partitions: int) -> None:
        """Record the start of a stage."""
        self._set(self._partitions, stage, all=partitions, done=0)
        self._write()
        self._watcher.begin(stage, partitions)

    def advance(self, stage: str, partitions: int, usage: Usage, under_way: float) -> None:
        """Record the progress and usage of a stage."""
        self._set(self._partitions, stage, done=partitions)
        self._set(self._answers, stage, new=usage.completions)
        self._set(self._tokens, stage, prompt=usage.prompt_tokens, completion=usage.completion_tokens)
        if time.monotonic() - self._written > WRITE_SECONDS:
            self._write()
        self._watcher.advance(stage, partitions, usage, under_way)

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """Record the rows kept and dropped so far."""
        self._set(self._rows, stage, kept=kept, dropped=dropped)
        self._watcher.judged(stage, kept, dropped)

    def funnel(self, stage: str, made: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """Record the examples made and dropped so far."""
        self._count_products(stage, made, lost)
        self._watcher.funnel(stage, made, lost)

    def occupied(self, share: float) -> None:
        """Note how much of the engines is in use."""
        self._occupancy.labels(self._recipe).set(share)
        self._watcher.occupied(share)

    def end(self, record: StageRecord, resumed: bool) -> None:
        """Record the result of a stage."""
        stage, dropped = record["stage"], sum(record["dropped"].values())
        self._set(self._rows, stage, **{"in": record["rows_in"]}, kept=record["rows_out"], dropped=dropped)
        self._count_products(stage, record.get("made", {}), record.get("lost", {}))
        if requests := record.get("requests"):
            self._set(self._answers, stage, new=requests["completions"], reused=requests["reused"])
        self._seconds.labels(self._recipe, stage).set(record["seconds"])
        self._write()
        self._watcher.end(record, resumed)

    def close(self) -> None:
        """Record the end of the run, and its release if it became the latest one."""
        self._running.labels(self._recipe).set(0)
        self._occupancy.labels(self._recipe).set(0)
        self._set_release()
        self._write()

    def _set_release(self) -> None:
        """Record the age of the latest release, also in runs that are not released, so that alerts see it."""
        if released := _released(self._home):
            self._released.labels(self._recipe).set(released)

    def _set(self, gauge: "Gauge", stage: str, **values: float) -> None:
        for kind, value in values.items():
            gauge.labels(self._recipe, stage, kind).set(value)

    def _count_products(self, stage: str, made: Mapping[str, int], lost: Mapping[str, int]) -> None:
        for kind, counts in (("made", made), ("lost", lost)):
            for product, rows in counts.items():
                self._products.labels(self._recipe, stage, product, kind).set(rows)

    def _write(self) -> None:
        from prometheus_client import write_to_textfile

        self._written = time.monotonic()
        write_to_textfile(str(self._path), self._registry)
