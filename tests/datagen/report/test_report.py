"""Counts of refusals and metadata in the report."""

import json

import pyarrow as pa

from datagen.report.html import metadata, refusals
from datagen.report.samples import by_reason
from datagen.run.folder import Run
from datagen.schema import EXAMPLES, table_of
from datagen.stages.handoff.handoff import stage
from datagen.store.parquet import part_name, write_json, write_table
from tests.support.rows import example, put_through


def handed_off(folder, rows):
    put_through(stage, rows, folder=folder)
    return Run(folder, {"stages": []})


def row(kind, document, number, **fields):
    result = example(kind, document, question=f"Q{number} of {document}?", answer="A.", **fields)
    result["lineage"]["source"] = document
    return result


def test_refusals_are_counted_by_document_and_by_kind(tmp_path):
    rows = [row("instruction", "tides", number) for number in range(3)]
    rows += [
        row("refusal", "tides", 4),
        row("refusal", "kites", 1),
        row("preference", "kites", 2, rejected="B."),
    ]
    counts = refusals(handed_off(tmp_path, rows))
    assert sorted(counts["document"]) == [("kites", 1, 1), ("tides", 1, 4)]
    assert counts["kind"] == [("qa", 2, 5)]


def test_string_and_boolean_metadata_are_counted_by_task(tmp_path):
    def labelled(number, **fields):
        fields |= {"turns": ["topic", "distractor", "redirect"]}
        return row("refusal", "tides", number, task="off_topic", metadata=json.dumps(fields))

    rows = [labelled(number, distractor="abrupt", answered=number < 1) for number in range(3)]
    rows += [labelled(3, distractor="rule", answered=None), row("instruction", "tides", 4)]
    folder = tmp_path / "stages" / "steer"
    write_table(table_of(EXAMPLES, rows), folder / part_name(0))
    write_json({"stage": "steer", "takes": "dialogues", "gives": "examples"}, folder / "stage.json")
    assert metadata(Run(tmp_path, {"stages": ["steer"]})) == [
        ("off_topic", "answered", "false", 2, 3),
        ("off_topic", "answered", "true", 1, 3),
        ("off_topic", "distractor", "abrupt", 3, 4),
        ("off_topic", "distractor", "rule", 1, 4),
    ]


def test_files_that_were_not_read_are_shown_by_their_sources(tmp_path):
    """Such rows have no id. A few rows per reason are sampled over all partitions."""
    folder = tmp_path / "stages" / "ingest"
    schema = pa.schema([("id", pa.string()), ("source", pa.string()), ("reason", pa.string())])
    for number in range(3):
        rows = [{"source": f"docs/{number}{letter}.xyz", "reason": "unknown format"} for letter in "abc"]
        rows += [{"id": f"{number}", "source": "docs/a.txt", "reason": "empty document"}] * (number > 0)
        write_table(pa.Table.from_pylist(rows, schema), folder / "dropped" / part_name(number))
    record = {"stage": "ingest", "dropped": {"unknown format": 9, "empty document": 2}}
    shown = by_reason(Run(tmp_path, {"stages": []}), record)
    assert [sample.row["id"] for sample in shown["unknown format"]] == [
        f"docs/0{letter}.xyz" for letter in "abc"
    ]
    assert [sample.row["id"] for sample in shown["empty document"]] == ["1", "2"]


def test_an_empty_hand_off_has_no_counts(tmp_path):
    run = handed_off(tmp_path, [row("instruction", "tides", 1)])
    assert refusals(run) == {"kind": [], "document": []} and metadata(run) == []
