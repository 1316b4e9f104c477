"""How much of the engines was in use over a run, as a chart and one figure."""

from collections import Counter
from typing import NamedTuple

from datagen.report import charts
from datagen.run.folder import Run
from datagen.run.occupancy import Occupancy, read_occupancy

POINTS = 120  # per engine
UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
LEAST_UNITS = 3  # a run of two minutes is shown in seconds


class Use(NamedTuple):
    """
    Use of a run's engines.

    Parameters
    ----------
    share
        Share of all engines' places in use from the first request to the last.
    engines
        Number of engines.
    chart
        The share over time.
    """

    share: float
    engines: int
    chart: charts.Chart


def engine_use(run: Run) -> Use | None:
    """Summarise the occupancy of a run's engines; None if it sent no request."""
    occupancy = read_occupancy(run.folder)
    if not occupancy.share:
        return None
    caption = "Requests that each engine was answering, as a share of its window"
    chart = charts.timeline(
        "Engines in use", caption, _values(occupancy), _unit(occupancy)[1], "share", "engine"
    )
    return Use(occupancy.share, len(occupancy.engines), chart)


def _unit(occupancy: Occupancy) -> tuple[float, str]:
    return next((u for u in UNITS if occupancy.seconds >= LEAST_UNITS * u[0]), UNITS[-1])


def _values(occupancy: Occupancy) -> list[dict[str, float | str]]:
    """List the mean share of each engine over a few steps at a time, until the last request."""
    _, end = occupancy.span
    every = -(-end // POINTS)
    seconds, unit = _unit(occupancy)
    seen: Counter[str] = Counter()
    values: list[dict[str, float | str]] = []
    for engine in occupancy.engines.values():
        seen[engine.model] += 1
        name = engine.model if seen[engine.model] == 1 else f"{engine.model} ({seen[engine.model]})"
        shares = occupancy.shares(engine)
        shares += [0.0] * (end - len(shares))
        for at in range(0, end, every):
            mean = sum(shares[at : at + every]) / len(shares[at : at + every])
            values.append(
                {unit: round(at * occupancy.step / seconds, 3), "share": round(mean, 3), "engine": name}
            )
    return values
