"""Evaluation sets are read whatever their other columns hold, because an unread item would leak."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import UserError
from datagen.stages.shared.eval_sets import EvaluationSet, read_texts

ITEM = "Which engineer drained the harbour basin before the tower was built?"
FAR = pa.array([2**31 - 1], pa.int32()).view(pa.date32())  # beyond the years that Python can represent


def texts(folder, name):
    return [text for _, text in read_texts(EvaluationSet(path=name), folder)]


def write_arrow(table, path, opened):
    with opened(str(path), table.schema) as file:
        file.write_table(table)


@pytest.mark.parametrize("question", [pa.array([ITEM]), pa.array([ITEM.encode()])])
@pytest.mark.parametrize("other", [FAR, pa.array([2**62]).view(pa.duration("s")), pa.array([b"\xff"])])
def test_a_value_that_python_cannot_represent_hides_no_item(tmp_path, question, other):
    table = pa.table({"question": question, "until": other})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow(table, tmp_path / "b.arrow", pa.ipc.new_stream)
    write_arrow(table, tmp_path / "c.arrow", pa.ipc.new_file)
    assert all(ITEM in texts(tmp_path, name) for name in ("a.parquet", "b.arrow", "c.arrow"))


def test_a_long_field_of_a_csv_file_is_read(tmp_path):
    (tmp_path / "a.csv").write_text(f'question,context\n"{ITEM}","{"word " * 40_000}"\n')
    assert ITEM in texts(tmp_path, "a.csv")


def test_a_set_in_another_encoding_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "a.csv").write_bytes(f"question\n{ITEM}\n".encode("utf-16"))
    with pytest.raises(UserError, match=r"a\.csv cannot be read.*Save it as UTF-8"):
        texts(tmp_path, "a.csv")


@pytest.mark.timeout(60)  # instead of waiting for a pipe
@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("nowhere"), "a link to nothing")],
    ids=["pipe", "dangling link"],
)
def test_a_set_with_something_that_is_not_a_file_is_refused(tmp_path, make, kind):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/a.csv").write_text(f"question\n{ITEM}\n")
    (tmp_path / "sets/folder.json").mkdir()
    assert texts(tmp_path, "sets") == [ITEM]
    make(tmp_path / "sets/b.jsonl")
    for name in ("sets", "sets/b.jsonl"):
        with pytest.raises(UserError, match=rf"b\.jsonl: it is {kind}, not a file"):
            texts(tmp_path, name)
