"""Run one generated answer about one passage through a task."""

import json

from datagen.schema import content_id
from datagen.stages.generate.instruct import stage
from tests.support.asked import ask


def passage(text, index=0, **fields):
    """Build a passage row."""
    row = {"document_id": "d", "source": "s", "title": "", "section": [], "text": text, "start": 0}
    return row | {"index": index, "end": len(text), "id": content_id(text, str(index))} | fields


def outcome_of(task, output, text, **options):
    """Let the model write one answer about a text; return the kept pair, or the reason of the drop."""
    kept, dropped, _ = ask(stage, [passage(text)], lambda _: json.dumps(output), tasks=[task], **options)
    assert len(kept) + len(dropped) == 1
    return (kept or [dropped[0]["reason"]])[0]
