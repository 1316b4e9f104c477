"""Judging rows in a browser: one HTML file that needs nothing beside it and saves the same labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.schema import content_id
from datagen.stages.confidence.labels.terminal import LABELLED, SHOWN
from datagen.store.parquet import whole_file
from datagen.template import render_file

FIELDS = ("id", "kind", "task", *SHOWN)


def write(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """
    Write the page.

    What rows say is in it as JSON without any sign that HTML knows, and is shown as text. The browser keeps
    the verdicts until they are saved, under a name that depends on the rows.
    """
    page = render_file(
        __package__,
        "page.html.j2",
        html=True,
        title=title,
        name=content_id(*(row["id"] for row in rows)),
        rows=[{name: row[name] for name in FIELDS if row.get(name)} for row in rows],
        shown=SHOWN,
        labelled=LABELLED,
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
