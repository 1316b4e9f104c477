"""Valid and invalid label files."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.stages.confidence.labels import file


def test_written_labels_are_read_with_all_their_fields(tmp_path):
    labels = [{"id": "a", "verdict": "right", "by": "Zoë\n"}, {"text": "t", "verdict": "skip"}]
    file.write(labels, tmp_path / "labels.jsonl")
    assert file.read(tmp_path / "labels.jsonl") == labels


def test_a_file_that_windows_saved_is_read(tmp_path):
    (tmp_path / "labels.jsonl").write_bytes('\ufeff{"id": "a", "verdict": "right"}\r\n'.encode())
    assert file.read(tmp_path / "labels.jsonl") == [{"id": "a", "verdict": "right"}]


@given(st.dictionaries(st.sampled_from(file.CONTENT), st.text(st.characters(), min_size=1), min_size=1))
def test_any_text_survives_being_written_and_read(content):
    """Such as Unicode's line ends, which a model's answer may hold."""
    labels = [content | {"verdict": "right"}, {"question": "a\u2028b\x85\x0b\x1c", "verdict": "wrong"}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.jsonl"
        file.write(labels, path)
        assert file.read(path) == labels
        assert len(file.labels_in([path])) in (1, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("right", "not JSON"),
        ("[]", "a label is an object"),
        ('{"id": "a", "verdict": "maybe"}', "one of right, wrong, skip"),
        ('{"verdict": "right", "answer": ""}', "identify the row"),
        ('{"verdict": ["right"], "id": "a"}', "one of right, wrong, skip"),
        ('{"verdict": "right", "id": 5}', "'id' should be a text"),
        ('{"verdict": "right", "id": ["a"]}', "'id' should be a text"),
        ('{"verdict": "right", "question": {"a": 1}, "answer": "b"}', "'question' should be a text"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(tmp_path, line, message):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "a", "verdict": "right"}\n\n' + line)
    with pytest.raises(UserError, match=rf"labels.jsonl:3: .*{message}"):
        file.read(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="datagen label RUN"):
        file.labels_in([tmp_path / "labels.jsonl"])


def test_the_last_verdict_counts_and_ids_take_precedence_over_content(tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    file.write([{"id": "1", "verdict": "right"}, {"question": "q", "answer": "a", "verdict": "wrong"}], first)
    file.write([{"id": "1", "verdict": "skip"}], second)
    rows = pa.table(
        {"id": ["1", "2", "3"], "question": ["q"] * 3, "answer": ["a", "a", "b"], "text": [None, "", None]}
    )
    assert file.verdicts_of(rows, file.verdicts_among(file.labels_in([first, second]))) == [
        "skip",
        "wrong",
        None,
    ]


EDIT = {"id": "1", "edit": {"answer": "x"}}
BY_EDIT = EDIT | {"verdict": "wrong", "by_edit": True}
WITHDRAWN = {"id": "1", "edit": {}}


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([BY_EDIT], "wrong"),
        ([BY_EDIT, WITHDRAWN], None),
        ([BY_EDIT, EDIT, WITHDRAWN], None),
        ([BY_EDIT, {"id": "1", "verdict": "wrong"}, WITHDRAWN], "wrong"),
        ([{"id": "1", "verdict": "right"}, EDIT, WITHDRAWN], "right"),
        ([BY_EDIT, WITHDRAWN, {"id": "1", "verdict": "skip"}, WITHDRAWN], "skip"),
    ],
)
def test_a_withdrawn_edit_takes_only_its_own_verdict_with_it(tmp_path, lines, verdict):
    file.write(lines, tmp_path / "labels.jsonl")
    labels = file.labels_in([tmp_path / "labels.jsonl"])
    assert file.verdicts_among(labels).get("1") == verdict
    file.write(labels.values(), tmp_path / "labels.jsonl")
    assert file.labels_in([tmp_path / "labels.jsonl"]) == labels


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "labels.jsonl"
    program = """
import pathlib, sys
from datagen.stages.confidence.labels import file
for number in range(25):
    with file.changing(pathlib.Path(sys.argv[1])) as labels:
        file.add({"id": f"{sys.argv[2]}-{number}", "verdict": "right"}, labels)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(file.labels_in([path])) == 75


def test_a_failed_change_writes_nothing(tmp_path):
    path = tmp_path / "labels.jsonl"
    with pytest.raises(ZeroDivisionError), file.changing(path) as labels:
        file.add(EDIT, labels)
        _ = 1 / 0
    assert not path.exists()
