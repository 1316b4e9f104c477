"""
Charts as inline SVG: Vega-Lite specifications, drawn when the report is written.

The page needs neither script nor network. Colours are `currentColor` and custom properties of the page, so
one drawing serves light, dark and print. Vega-Lite labels every mark for screen readers, and the page shows
the numbers of each chart as a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from markupsafe import Markup

from datagen.report.draw import draw

WIDTH = 360  # px, as wide as the text column of a phone
ROW = 19  # px a bar
LABEL = 150  # px of an axis label
NAMED = 7  # columns of a histogram whose names are shown
FONT = "Arimo"  # measured with it, drawn in the font of the page
COLOURS = [f"var(--c{number})" for number in range(1, 7)]

AXIS = {
    "labelColor": "currentColor",
    "titleColor": "currentColor",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "gridColor": "var(--line)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": LABEL,
}
CONFIG = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": AXIS,
    "bar": {"color": COLOURS[0]},
    "legend": {
        "labelColor": "currentColor",
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "columns": 2,
    },
}

Values = Sequence[Mapping[str, Any]]


@dataclass
class Chart:
    """
    A chart of the report.

    Parameters
    ----------
    title, caption
        What it shows, and how to read it.
    specification
        In Vega-Lite.
    columns, rows
        The same as a table.
    svg
        The drawing, once `draw_all` has made it.
    """

    title: str
    caption: str
    specification: dict[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    svg: Markup | None = None


def draw_all(charts: Sequence[Chart]) -> None:
    """Draw charts; where that fails, they remain tables."""
    drawings = draw([chart.specification for chart in charts])
    for chart, svg in zip(charts, drawings, strict=False):
        # Without its own font, a text has that of the page.
        chart.svg = Markup(svg.replace(f' font-family="{FONT}"', ""))


def bars(
    title: str,
    caption: str,
    values: Values,
    name: str,
    count: str,
    colour: str = "",
    colours: Mapping[str, str] | None = None,
    axis: str = "",
) -> Chart:
    """
    Draw a horizontal bar a name, in the order given, stacked by `colour`.

    Parameters
    ----------
    title, caption
        What it shows.
    values
        One a bar segment.
    name, count, colour
        Keys of `values`: what a bar stands for, its length, and what it is divided by.
    colours
        The colour of each division, in their order.
    axis
        The unit.
    """
    encoding: dict[str, Any] = {
        "y": {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}},
        "x": {
            "field": count,
            "type": "quantitative",
            "title": axis or count,
            "axis": {"tickCount": 4, "domain": False},
        },
    }
    if colour:
        encoding |= _coloured(colour, values, colours)
    return _chart(title, caption, values, {"mark": "bar", "encoding": encoding, "height": {"step": ROW}})


def columns(
    title: str,
    caption: str,
    values: Values,
    name: str,
    count: str,
    colour: str = "",
    colours: Mapping[str, str] | None = None,
    axis: str = "",
) -> Chart:
    """Draw a vertical bar a name, in the order given: a histogram, stacked by `colour`."""
    encoding: dict[str, Any] = {
        "x": {
            "field": name,
            "type": "ordinal",
            "sort": None,
            "title": axis or name,
            "axis": {"labelAngle": 0, "ticks": False, "values": _some([value[name] for value in values])},
            "scale": {"paddingInner": 0.08},
        },
        "y": {
            "field": count,
            "type": "quantitative",
            "title": None,
            "axis": {"tickCount": 3, "domain": False, "format": "~s"},
        },
    }
    if colour:
        encoding |= _coloured(colour, values, colours)
    return _chart(title, caption, values, {"mark": "bar", "encoding": encoding, "height": 110})


def curve(
    title: str,
    caption: str,
    values: Values,
    x: tuple[str, str],
    y: tuple[str, str],
    rule: float | None = None,
    diagonal: bool = False,
    points: bool = False,
) -> Chart:
    """
    Draw shares over a score, both in [0, 1].

    Parameters
    ----------
    title, caption
        What it shows.
    values
        One a point.
    x, y
        Key and axis title.
    rule
        A level to reach.
    diagonal
        Whether points on the diagonal are what is wanted.
    points
        Whether the points are few and are marked.
    """
    axis = {"tickCount": 5, "format": "~%"}
    encoding = {
        "x": {
            "field": x[0],
            "type": "quantitative",
            "title": x[1],
            "scale": {"domain": [0, 1]},
            "axis": axis,
        },
        "y": {
            "field": y[0],
            "type": "quantitative",
            "title": y[1],
            "scale": {"domain": [0, 1]},
            "axis": axis,
        },
    }
    dashed = {"strokeDash": [4, 3], "color": "var(--c2)"}
    layers: list[dict[str, Any]] = []
    if diagonal:
        ends = [{x[0]: 0, y[0]: 0}, {x[0]: 1, y[0]: 1}]
        layers.append({"data": {"values": ends}, "mark": {"type": "line", **dashed}, "encoding": encoding})
    if rule is not None:
        layers.append({"mark": {"type": "rule", **dashed}, "encoding": {"y": {"datum": rule}}})
    mark = {"type": "line", "color": COLOURS[0], "point": {"color": COLOURS[0]} if points else False}
    layers.append({"mark": mark, "encoding": encoding})
    return _chart(title, caption, values, {"layer": layers, "height": 200})


def timeline(title: str, caption: str, values: Values, time: str, share: str, colour: str) -> Chart:
    """
    Draw shares in [0, 1] over time, one line per series.

    Parameters
    ----------
    title, caption
        What it shows.
    values
        One per point.
    time, share, colour
        Keys of `values`: the time, whose key names the unit; the share; the name of the series.
    """
    encoding: dict[str, Any] = {
        "x": {"field": time, "type": "quantitative", "title": time, "axis": {"tickCount": 6, "grid": False}},
        "y": {
            "field": share,
            "type": "quantitative",
            "title": None,
            "scale": {"domain": [0, 1]},
            "axis": {"tickCount": 3, "format": "~%", "domain": False},
        },
    }
    encoding |= _coloured(colour, values, None)
    del encoding["order"]  # of stacked bars; the points of a line are in the order of time
    mark = {"type": "line", "interpolate": "step-after"}
    return _chart(title, caption, values, {"mark": mark, "encoding": encoding, "height": 110})


def _coloured(colour: str, values: Values, colours: Mapping[str, str] | None) -> dict[str, Any]:
    if colours is None:
        names = list(dict.fromkeys(value[colour] for value in values))
        colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {
        "color": {"field": colour, "type": "nominal", "scale": scale, "title": None},
        "order": {"field": "rank", "type": "quantitative"},
    }


def _chart(title: str, caption: str, values: Values, body: Mapping[str, Any]) -> Chart:
    drawn = [dict(value) for value in values]
    if colour := body.get("encoding", {}).get("color"):
        ranks = {name: place for place, name in enumerate(colour["scale"]["domain"])}
        drawn = [{**value, "rank": ranks[value[colour["field"]]]} for value in values]
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": title,
        "width": WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": drawn},
        "config": CONFIG,
        **body,
    }
    names = list(values[0]) if values else []
    rows = [[value.get(name) for name in names] for value in values]
    return Chart(title, caption, specification, names, rows)


def _some(names: Sequence[str]) -> list[str]:
    """Choose the names that fit below the columns."""
    every = list(dict.fromkeys(names))
    return every[:: ceil(len(every) / NAMED) or 1]
