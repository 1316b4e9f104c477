"""Judge rows in a browser without access to this machine: an HTML file that saves the same labels."""

from collections.abc import Sequence
from pathlib import Path

from datagen.report.evidence import spans
from datagen.rows import Row
from datagen.schema import content_id
from datagen.stages.confidence.labels.terminal import LABELLED, SHOWN
from datagen.store.parquet import whole_file
from datagen.template import content, render_file

FIELDS = ("id", "kind", "task", *SHOWN)
FIRST = ("question", "answer", "rejected", "text")  # judged fields, shown above the passage


def write(rows: Sequence[Row], title: str, path: Path) -> None:
    """
    Write the page.

    Rows are embedded as JSON that contains no HTML special characters, and shown as text. The browser stores
    the verdicts until they are saved, under a key that depends on the rows.
    """
    page = render_file(
        __package__,
        "page.html.j2",
        html=True,
        title=title,
        theme=content("datagen.report", "theme.css"),
        name=content_id(*(row["id"] for row in rows)),
        rows=[_shown(row) for row in rows],
        shown=FIRST,
        labelled=LABELLED,
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _shown(row: Row) -> dict[str, object]:
    """Return the fields that the page shows of a row; its passage with the evidence marked."""
    fields = {name: row[name] for name in FIELDS if name != "context" and row.get(name)}
    context = row.get("context")
    return fields | ({"passage": spans(context, row.get("evidence"))} if context else {})
