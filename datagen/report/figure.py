"""The figure of the pipeline: ``datagen stages --svg``, drawn from the registry."""

from html import escape

from datagen.recipe.registry import BUILT_IN, BuiltIn, find_stage

# Phases from left to right. Except in the last column, phases in a column do not use each other's rows.
COLUMNS = (
    ("sources", "filter"),
    ("reading", "generate", "knowledge"),
    ("confidence",),
    ("filter",),
    ("select", "handoff"),
)
TITLES = {
    "sources": "Sources",
    "reading": "Reading texts",
    "generate": "Instruction pairs",
    "knowledge": "Refusals",
    "confidence": "Confidence",
    "filter": "Filter",
    "select": "Select",
    "handoff": "Hand-off",
}
FLOW = ("corpus", "passages", "examples", "examples", "examples", "data set")

WIDTH, GAP, LEFT, TOP = 172, 72, 80, 18  # pixels: width of a box, gap between columns, left and top margin
LINE, HEAD, FOOT, BETWEEN = 18, 30, 8, 16  # heights: stage name, title, bottom padding, gap between boxes

STYLE = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.opt { fill: #656d76 }
.flow { fill: #0a5fc2; font-style: italic; text-anchor: middle }
rect { fill: #f6f8fa; stroke: #afb8c1 }
path { stroke: #0a5fc2; stroke-width: 1.5; fill: none; marker-end: url(#tip) }
marker path { fill: #0a5fc2; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .opt { fill: #9198a1 } .flow { fill: #6cb2ff }
  rect { fill: #161b22; stroke: #444c56 } path { stroke: #6cb2ff } marker path { fill: #6cb2ff }
}
"""


def draw_pipeline() -> str:
    """
    Draw the built-in stages by phase as an SVG.

    Stages of the default pipeline are in full contrast, the others in grey. Phases and defaults come from
    `BUILT_IN`, so a new stage appears without a change here.
    """
    columns = [
        [(phase, stages) for phase in column if (stages := _stages(phase, first=index == 0))]
        for index, column in enumerate(COLUMNS)
    ]
    heights = [
        sum(_height(stages) for _, stages in column) + BETWEEN * (len(column) - 1) for column in columns
    ]
    tallest = max(heights)
    middle = TOP + tallest / 2
    parts: list[str] = []
    x = LEFT
    for index, (column, height) in enumerate(zip(columns, heights, strict=True)):
        parts += _arrow(x - GAP if index else 4, x, middle, FLOW[index])
        y = middle - height / 2
        for phase, stages in column:
            parts += _box(x, y, phase, stages)
            y += _height(stages) + BETWEEN
        x += WIDTH + GAP
    parts += _arrow(x - GAP, x + 4, middle, FLOW[-1])
    width, total = x + 8, tallest + 2 * TOP + 14
    parts.append(f'<text class="opt" x="{LEFT}" y="{total - 6}">In grey: not in the default pipeline.</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total:g}" width="{width}" role="img" '
        'aria-label="The stages of the pipeline, by phase">\n'
        f"<style>{STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _stages(phase: str, first: bool) -> list[BuiltIn]:
    """List the stages of a phase; sources and stages that give passages are in the first column only."""
    of_phase = [stage for stage in BUILT_IN if stage.phase == phase]
    return [
        stage
        for stage in of_phase
        if (phase == "sources" or find_stage(stage.import_string).gives in ("documents", "passages")) == first
    ]


def _height(stages: list[BuiltIn]) -> int:
    return HEAD + LINE * len(stages) + FOOT


def _box(x: float, y: float, phase: str, stages: list[BuiltIn]) -> list[str]:
    lines = [
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{_height(stages)}" rx="6"/>',
        f'<text class="title" x="{x + 12:g}" y="{y + 20:g}">{TITLES[phase]}</text>',
    ]
    for index, stage in enumerate(stages):
        style = "" if stage.default else ' class="opt"'
        lines.append(
            f'<text{style} x="{x + 12:g}" y="{y + HEAD + 13 + LINE * index:g}">{escape(stage.name)}</text>'
        )
    return lines


def _arrow(start: float, end: float, y: float, label: str) -> list[str]:
    return [
        f'<path d="M{start + 4:g} {y:g}H{end - 5:g}"/>',
        f'<text class="flow" x="{(start + end) / 2:g}" y="{y - 7:g}">{label}</text>',
    ]
