"""Write run folders without running anything: manifests, documents, rows."""

import json

import pyarrow as pa

from datagen.run.folder import open_run
from datagen.schema import DOCUMENTS, EXAMPLES, content_id, example_id, table_of
from datagen.store.digests import digests, sealed
from datagen.store.parquet import write_json, write_table
from tests.support.rows import example


def row(source, question, answer, **fields):
    """Make an example from a document."""
    made = example(document=source, question=question, answer=answer, **fields)
    made["lineage"] |= {"source": source, "start": 0, "passage_id": f"p-{source}"}
    return made | {"id": example_id(made)}


def record_files(folder):
    """Write the digests of a stage's files to its record, which is made if there is none."""
    path = folder / "stage.json"
    record = json.loads(path.read_text()) if path.exists() else {"stage": folder.name}
    write_json(record | {"files": digests(folder, lambda function, paths: [*map(function, paths)])}, path)


def write_run(folder, documents, rows, number=1, state="finished", dropped=(), columns=None, **manifest):
    """
    Write a run of two stages, ingest and last.

    `documents` maps sources to texts, `columns` names of additional columns to their values.
    """
    texts = [
        {"id": content_id(source, text), "source": source, "text": text} for source, text in documents.items()
    ]
    table = table_of(EXAMPLES, rows)
    for name, values in (columns or {}).items():
        table = table.append_column(name, pa.array(values))
    removed = pa.Table.from_pylist([{"id": made["id"], "reason": why} for made, why in dropped])
    made = {"ingest": ("", "documents", table_of(DOCUMENTS, texts)), "last": ("examples", "examples", table)}
    for name, (takes, gives, part) in made.items():
        home = folder / "stages" / name
        write_table(part, home / "part-00000.parquet")
        if name == "last" and dropped:
            write_table(removed, home / "dropped" / "part-00000.parquet")
        record = {"stage": name, "takes": takes, "gives": gives, "rows_in": 4, "rows_out": len(part)}
        record |= {"dropped": {}, "seconds": 1.0, "files": {"part-00000.parquet": ""}}
        write_json(record, home / "stage.json")
    fields = {"id": folder.name, "number": number, "inherits": [], "recipe": {"name": "r"}, "state": state}
    fields |= {
        "stages": list(made),
        "fingerprint": "f",
        "folder": folder.name,
        "started": "2026",
        "finished": "2026",
    }
    write_json(sealed(fields | manifest), folder / "manifest.json")
    (folder / "completions").mkdir()
    return open_run(folder)
