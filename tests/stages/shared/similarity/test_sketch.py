"""Sketch files are in memory only while they are read."""

from pathlib import Path

import numpy as np
import pytest

from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.sketch import Sketches
from datagen.stages.shared.similarity.sketching import sketch
from tests.support.rows import example, partitions


@pytest.fixture
def sketches(tmp_path):
    rows = [
        example("reading", text=f"The clerk reads roll {n} to the court.", id=f"row {n}") for n in range(9)
    ]
    readers = partitions(rows, 3).readers
    paths = [tmp_path / f"part-{number}.arrow" for number in range(len(readers))]
    for task in zip(readers, paths, strict=True):
        sketch(task, Criteria())
    return Sketches(paths)


def in_memory(folder):
    return {
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line
    }


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux lists what is mapped")
def test_no_file_stays_in_memory_and_at_most_two_are_read_at_once(sketches, tmp_path):
    assert len(sketches) == 9 and not in_memory(tmp_path)
    for start, (keys,) in sketches.parts("key"):
        assert len(keys) == 3 and 1 <= len(in_memory(tmp_path)) <= 2, start
    del keys
    words = sketches.texts("text", np.array([0, 4, 8])).words
    assert sketches.spelled(words.values)[:4] == ["the", "clerk", "reads", "roll"]
    assert not in_memory(tmp_path)


def test_rows_are_read_in_any_order_from_any_partition(sketches):
    assert list(sketches.take("id", np.array([8, 0, 3]))) == ["row 8", "row 0", "row 3"]
    assert list(sketches.take("id", np.empty(0, np.int64))) == []
    assert list(sketches.words("text", np.array([2, 5])).lengths) == [8, 8]
