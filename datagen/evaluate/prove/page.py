"""Write the result of a proof as JSON, Markdown, HTML and a plot of intervals."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from datagen.evaluate.prove.settings import ARMS
from datagen.evaluate.prove.verdict import QUESTIONS
from datagen.json_types import JsonObject
from datagen.store.parquet import whole_file, write_json
from datagen.template import render_file

COLUMNS = {
    "cloze": "P(gold) cloze",
    "reworded": "P(gold) reworded",
    "question": "P(gold) questions",
    "seen": "P(gold) seen facts",
    "unseen": "P(gold) unseen facts",
    "answer_loss": "answer loss",
    "accuracy": "accuracy",
    "accuracy_by_token": "accuracy by token",
    "held_out_loss": "loss, other documents",
    "general_loss": "loss, general text",
}
LEFT, WIDTH, RIGHT, LINE, TOP = 330, 360, 120, 24, 30  # pixels of the plot

STYLE = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
.axis { stroke: #afb8c1 } .zero { stroke: #656d76; stroke-dasharray: 3 3 }
.worth { stroke: #656d76; stroke-dasharray: 1 4 }
.helps { stroke: #1a7f37; fill: #1a7f37 } .not { stroke: #cf222e; fill: #cf222e }
.open { stroke: #656d76; fill: #656d76 }
line { stroke-width: 2 } .axis, .zero, .worth { stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .axis { stroke: #444c56 }
  .helps { stroke: #3fb950; fill: #3fb950 } .not { stroke: #f85149; fill: #f85149 }
}
"""
CLASS = {"helps": "helps", "does not help": "not", "cannot tell": "open"}
SHORT = {
    "training": "raw − untrained",
    "reading": "reading − raw, equal tokens",
    "reading_exposures": "reading − raw, equal exposures",
    "answers": "pairs alone − shuffled answers",
    "pairs_seen": "pairs − control, seen facts",
    "pairs_unseen": "pairs − control, unseen facts",
    "filters": "filters − random selection",
}
assert set(SHORT) == {question.name for question in QUESTIONS}


def write(result: JsonObject, folder: Path) -> None:
    """Write ``proof.json``, ``proof.md``, ``proof.html`` and ``proof.svg``."""
    plot = draw(result["verdicts"], result["worth"])
    values: JsonObject = {
        "result": result,
        "columns": COLUMNS,
        "arms": ARMS,
        "cell": cell,
        "plot": plot,
    }
    pages = {
        "proof.svg": plot,
        "proof.md": render_file(__package__, "proof.md.j2", **values),
        "proof.html": render_file(__package__, "proof.html.j2", html=True, **values),
    }
    for name, text in pages.items():
        with whole_file(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    write_json(result, folder / "proof.json")


def cell(value: float | None) -> str:
    """Format a value of the table."""
    return "–" if value is None else f"{value:.3f}"


def draw(verdicts: Sequence[JsonObject], worth: float) -> str:
    """Plot each verdict's effect with its interval, as an SVG."""
    shown = [verdict for verdict in verdicts if verdict["items"]]
    bounds = [0.0, worth, *(verdict[side] for verdict in shown for side in ("low", "high"))]
    low, high = min(bounds), max(bounds)
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        at: float = LEFT + WIDTH * (value - low) / (high - low)
        return round(at, 1)

    height = TOP + LINE * (len(shown) + 1) + 16
    bottom = height - 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img">',
        f"<title>Difference of P(gold) with its interval</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="16">difference of P(gold)</text>',
        f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{LEFT + WIDTH}" y2="{bottom}"/>',
    ]
    for name, value in (("zero", 0.0), ("worth", worth)):
        at = place(value)
        parts.append(f'<line class="{name}" x1="{at}" y1="{TOP - 6}" x2="{at}" y2="{bottom}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
    for number, verdict in enumerate(shown):
        at, look = TOP + LINE * number + 10, CLASS[verdict["outcome"]]
        label = f"{SHORT[verdict['question']]} · {verdict['family']} (n={verdict['items']})"
        parts += [
            f'<text x="{LEFT - 10}" y="{at + 4}" text-anchor="end">{escape(label)}</text>',
            f'<line class="{look}" x1="{place(verdict["low"])}" y1="{at}" x2="{place(verdict["high"])}" '
            f'y2="{at}"/>',
            f'<circle class="{look}" cx="{place(verdict["effect"])}" cy="{at}" r="4"/>',
            f'<text x="{LEFT + WIDTH + 10}" y="{at + 4}">{escape(verdict["outcome"])}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
