"""
The report of a run whose stages were all taken over from one earlier run: that run's report, with a note.

Both runs have the same tables, so a new report would differ only in the run's name and its (empty) list of
changes. Writing one takes longer than the rest of such a run.
"""

import re
from html import escape
from pathlib import Path

from datagen.errors import UserError
from datagen.report.planned import read_outcome
from datagen.run.folder import Run, open_run
from datagen.store.parquet import whole_file

SAME = ("recipe", "models", "profiles", "datagen")  # what a report shows of the manifest
NOTE = re.compile(r'<p class="note" id="unchanged">.*?</p>\n')
BODY = "<body>\n"


def reuse_report(run: Run) -> Path | None:
    """Give a run the report of the earlier run that it equals; None if there is no such report."""
    sources = {record.get("taken_over") for record in run.stage_records()}
    name = sources.pop() if len(sources) == 1 else None
    earlier = run.folder.with_name(str(name))
    if not name or not (earlier / "report.html").is_file():
        return None
    try:
        manifest = open_run(earlier).manifest
    except UserError:
        return None
    same = all(manifest.get(field) == run.manifest[field] for field in SAME)
    if not same or read_outcome(earlier) != read_outcome(run.folder):
        return None
    page = NOTE.sub("", (earlier / "report.html").read_text(encoding="utf-8"), count=1)
    note = f"Nothing changed in run {escape(run.folder.name)}, so this is the report of the run named below."
    path = run.folder / "report.html"
    with whole_file(path) as unfinished:
        page = page.replace(BODY, f'{BODY}<p class="note" id="unchanged">{note}</p>\n', 1)
        unfinished.write_text(page, encoding="utf-8")
    return path
