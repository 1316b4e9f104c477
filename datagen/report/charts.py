"""
Charts as inline SVG, rendered from Vega-Lite specifications when the report is written.

The page needs neither scripts nor network access. Colours are `currentColor` and custom properties of the
page, so one drawing works in light mode, dark mode and print. Vega-Lite labels every mark for screen readers,
and the page also shows each chart's numbers as a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from markupsafe import Markup

from datagen.json_types import JsonObject
from datagen.report.draw import draw
from datagen.rows import Row

WIDTH = 360  # px; fits a phone
ROW = 19  # px per bar
LABEL = 190  # maximum px of an axis label
NAMED = 7  # maximum number of labels of a histogram
# 500, 1.5k: the option `format` would give all labels of an axis one unit, as in 0k and 0.5k.
SHORT = "datum.value ? format(datum.value, '~s') : '0'"
FONT = "Arimo"  # only for measuring; the page uses its own font
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

Values = Sequence[Row]


@dataclass
class Chart:
    """
    A chart of the report.

    Parameters
    ----------
    title, caption
        Title, and how to read the chart.
    specification
        Vega-Lite specification.
    columns, rows
        The data as a table.
    svg
        The drawing, set by `draw_all`.
    """

    title: str
    caption: str
    specification: JsonObject
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    svg: Markup | None = None


def draw_all(charts: Sequence[Chart]) -> None:
    """Draw charts. If that fails, only their tables are shown."""
    drawings = draw([chart.specification for chart in charts])
    for chart, svg in zip(charts, drawings, strict=False):
        # Remove the font, so that text has the font of the page.
        chart.svg = _described(Markup(svg.replace(f' font-family="{FONT}"', "")), chart)


def _described(svg: Markup, chart: Chart) -> Markup:
    """Add the role, title and description that a screen reader announces before the marks."""
    start, content = svg.split(">", 1)
    role = Markup('role="graphics-document document" aria-roledescription="chart"')
    title = Markup("<title>{}</title><desc>{}</desc>").format(chart.title, chart.caption)
    return Markup('{} {} aria-label="{}">{}{}').format(
        Markup(start), role, chart.title, title, Markup(content)
    )


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
    Draw one horizontal bar per name, in the given order, stacked by `colour`.

    Parameters
    ----------
    title, caption
        Title and caption of the chart.
    values
        One per bar segment.
    name, count, colour
        Keys of `values`: name of the bar, length of the segment, and category of the segment.
    colours
        Colours of the categories, in order.
    axis
        The unit.
    """
    category = {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}}
    amount = {
        "field": count,
        "type": "quantitative",
        "title": axis or count,
        "axis": {"tickCount": 4, "domain": False},
    }
    encoding = {"y": category, "x": amount}
    return _stacked(title, caption, values, encoding, {"step": ROW}, colour, colours)


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
    """Draw one vertical bar per name, in the given order: a histogram, stacked by `colour`."""
    labels = {"labelAngle": 0, "ticks": False, "values": _spaced([value[name] for value in values])}
    category = {
        "field": name,
        "type": "ordinal",
        "sort": None,
        "title": axis or name,
        "axis": labels,
        "scale": {"paddingInner": 0.08},
    }
    amount = {
        "field": count,
        "type": "quantitative",
        "title": count,
        "axis": {"tickCount": 3, "domain": False, "labelExpr": SHORT},
    }
    return _stacked(title, caption, values, {"x": category, "y": amount}, 110, colour, colours)


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
    Draw a share as a function of a score, both in [0, 1].

    Parameters
    ----------
    title, caption
        Title and caption of the chart.
    values
        One per point.
    x, y
        Key and axis title.
    rule
        Level of a dashed line.
    diagonal
        Whether to draw a dashed diagonal.
    points
        Whether to mark the points.
    """
    axis = {"tickCount": 5, "format": "~%"}
    shares = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}
    encoding = {
        channel: {"field": field, "title": title_} | shares
        for channel, (field, title_) in (("x", x), ("y", y))
    }
    dashed = {"strokeDash": [4, 3], "color": "var(--c2)"}
    layers: list[JsonObject] = []
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
    encoding: JsonObject = {
        "x": {"field": time, "type": "quantitative", "title": time, "axis": {"tickCount": 6, "grid": False}},
        "y": {
            "field": share,
            "type": "quantitative",
            "title": None,
            "scale": {"domain": [0, 1]},
            "axis": {"tickCount": 3, "format": "~%", "domain": False},
        },
    }
    encoding |= _color(colour, values, None)
    del encoding["order"]  # of stacked bars; the points of a line are in the order of time
    mark = {"type": "line", "interpolate": "step-after"}
    return _chart(title, caption, values, {"mark": mark, "encoding": encoding, "height": 110})


def _stacked(
    title: str,
    caption: str,
    values: Values,
    encoding: JsonObject,
    height: int | dict[str, int],
    colour: str,
    colours: Mapping[str, str] | None,
) -> Chart:
    if colour:
        encoding = encoding | _color(colour, values, colours)
    return _chart(title, caption, values, {"mark": "bar", "encoding": encoding, "height": height})


def _color(colour: str, values: Values, colours: Mapping[str, str] | None) -> JsonObject:
    if colours is None:
        names = list(dict.fromkeys(value[colour] for value in values))
        colours = {name: COLOURS[rank % len(COLOURS)] for rank, name in enumerate(names)}
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {
        "color": {"field": colour, "type": "nominal", "scale": scale, "title": None},
        "order": {"field": "rank", "type": "quantitative"},
    }


def _chart(title: str, caption: str, values: Values, body: JsonObject) -> Chart:
    data = [dict(value) for value in values]
    if colour := body.get("encoding", {}).get("color"):
        ranks = {name: rank for rank, name in enumerate(colour["scale"]["domain"])}
        data = [{**value, "rank": ranks[value[colour["field"]]]} for value in values]
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": title,
        "width": WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": data},
        "config": CONFIG,
        **body,
    }
    names = list(values[0]) if values else []
    rows = [[value.get(name) for name in names] for value in values]
    return Chart(title, caption, specification, names, rows)


def _spaced(names: Sequence[str]) -> list[str]:
    """Choose equally spaced names that fit below the columns."""
    distinct = list(dict.fromkeys(names))
    return distinct[:: ceil(len(distinct) / NAMED) or 1]
