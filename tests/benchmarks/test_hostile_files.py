"""Hostile files of all formats end as text or with a reason, and the worker reads on."""

import pytest

from benchmarks.hostile_files import hostile, read
from datagen.stages.sources import ingest


@pytest.mark.slow
def test_each_hostile_file_ends_as_text_or_with_a_reason(tmp_path):
    files = hostile() | {"zz_last.txt": b"The keeper wound the clock at dusk."}
    results = read(files, tmp_path, ingest.Options(seconds=5, memory_mb=400, document_mb=16))
    assert len(results) > 50
    assert [file for file, ends in results.items() if not ends] == []
    assert results["zz_last.txt"] == ["text of 35"]
