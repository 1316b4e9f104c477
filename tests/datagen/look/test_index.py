"""The table of the page: filters, thresholds and validation."""

import json
import os
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import UserError
from datagen.look.index import Index
from datagen.look.trail import Trails
from datagen.run.folder import Run, open_run
from datagen.schema import EXAMPLES, ORIGINAL, table_of
from datagen.store.parquet import part_name, parts, read_part, write_json, write_table
from tests.support import finished


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = Index(open_run(finished.write(tmp_path_factory.mktemp("run"))))
    yield index
    index.close()


def test_closing_stops_a_query_that_is_running(tmp_path):
    index, started, stopped = Index(open_run(finished.write(tmp_path))), threading.Event(), []

    def query():
        cursor = index.cursor()
        started.set()
        try:
            cursor.execute("select sum(a.range * b.range) from range(1000000) a, range(1000000) b").fetchall()
        except duckdb.Error as error:  # interrupted, or closed before it began
            stopped.append(error)

    thread = threading.Thread(target=query)
    thread.start()
    started.wait()
    thread.join(0.3)
    index.close()
    thread.join(30)
    assert stopped


def ids(answer):
    return {row[0] for row in answer["rows"]}


def rows(*numbers):
    return {finished.row(number)["id"] for number in numbers}


def test_every_row_is_listed_once_with_its_outcome(index):
    answer = index.rows({})
    assert answer["total"] == finished.ROWS + 3
    assert sum(group[-1] for group in answer["groups"]) == answer["total"]
    stages = {group[2]: group[-1] for group in answer["groups"]}
    assert stages == {"": 38, "dedup": 2, "write": 3}
    assert ids(index.rows({"stage": "handed off"})) == rows(*range(2, 40))
    assert ids(index.rows({"stage": "dropped"})) == rows(0, 1, 40, 41, 42)
    assert ids(index.rows({"stage": "dedup", "reason": "near duplicate"})) == rows(0, 1)


def test_rows_are_filtered_by_reason_in_all_stages(index):
    assert ids(index.rows({"reason": "near duplicate"})) == rows(0, 1)
    assert ids(index.rows({"reason": f"not a question{finished.EVIL}"})) == rows(40, 41, 42)
    assert index.rows({"reason": "not a question"})["total"] == 0


def test_text_source_and_scores(index):
    assert ids(index.rows({"text": '"FERRY 7 leave"'})) == rows(7)
    assert index.rows({"text": "' or true --"})["total"] == 0
    assert ids(index.rows({"source": "harbour-3"})) == rows(3, 7, 11, 15, 19, 23, 27, 31, 35, 39)
    answer = index.rows({"score": "words", "min": "10", "max": "12", "order": "high"})
    assert [row[0] for row in answer["rows"]] == [finished.row(n)["id"] for n in (11, 10, 9)]
    assert [row[-1] for row in answer["rows"]] == [12, 11, 10]


def test_rows_are_filtered_by_verdicts_which_may_change(index):
    index.set_labels(
        {finished.row(5)["id"]: "right", finished.row(6)["id"]: "wrong", "elsewhere": "right"}, {}
    )
    assert ids(index.rows({"verdict": "right"})) == rows(5)
    index.set_labels({finished.row(6)["id"]: "right"}, {})
    assert ids(index.rows({"verdict": "right"})) == rows(6)


def test_a_threshold_counts_handed_off_rows(index):
    index.set_labels({finished.row(3)["id"]: "wrong", finished.row(30)["id"]: "right"}, {})
    answer = index.threshold({"score": "grounding", "value": "0.25", "kind": "instruction"})
    assert [row[2:] for row in answer["tasks"]] == [[30, 8]]
    assert {verdict: counts for verdict, *counts in answer["verdicts"]} == {
        "right": [1, 0],
        "wrong": [0, 1],
    }
    assert sum(count for _, count in answer["bars"]) == 38
    assert answer["nearest"]["above"][0][0] == finished.row(10)["id"]
    assert answer["nearest"]["below"][0][0] == finished.row(9)["id"]
    assert index.threshold({"score": "grounding", "kind": "refusal"})["bars"] == []


def test_queries_are_validated(index):
    for query in (
        {"score": "stage"},
        {"score": "words; drop table rows"},
        {"score": "words", "min": "x"},
        {"page": "x"},
        {"page": "inf"},
    ):
        with pytest.raises(UserError):
            index.rows(query)
    with pytest.raises(UserError, match="no score"):
        index.threshold({})


def test_a_run_without_rows(tmp_path):
    with pytest.raises(UserError, match="no rows yet"):
        Index(Run(tmp_path, {"stages": []}))


def test_edited_rows_are_listed_and_verdicts_on_them_do_not_count(tmp_path):
    run = open_run(finished.write(tmp_path / "run"))
    edited = finished.row(3)["id"]
    for path in parts(run.stage_folder("calibrate")):
        table = read_part(path)
        originals = ['{"answer": "at one"}' if name == edited else None for name in table["id"].to_pylist()]
        write_table(table.append_column(ORIGINAL, pa.array(originals, pa.string())), path)
    index = Index(run)
    pending = finished.row(9)["id"]
    index.set_labels({edited: "wrong", finished.row(30)["id"]: "right"}, {pending: "pending"})
    assert ids(index.rows({"edit": "edited"})) == {edited, pending}
    assert ids(index.rows({"edit": "pending"})) == {pending}
    assert ids(index.rows({"edit": "applied"})) == {edited}
    assert index.rows({"edit": "refused"})["total"] == 0
    assert {row[0] for row in index.rows({})["rows"] if row[-2]} == {edited, pending}
    assert index.threshold({"score": "grounding", "value": "0.5"})["verdicts"] == [["right", 1, 0]]
    index.set_labels({}, {edited: "withdrawn"})
    assert index.rows({"edit": "applied"})["total"] == 0
    assert ids(index.rows({"edit": "withdrawn"})) == {edited}
    index.close()


def odd_index(folder, state="finished"):
    """Open a run whose last two tables are not refined, with nulls, ties, equal scores and odd names."""
    names = ["a, b", 'say "hi"', "two\nlines", "it's", "\u4e2d\u6587", ""]
    nan = float("nan")
    scores = [0.1, 0.5, 0.5, None, nan, 0.9]
    made = [
        finished.row(number, task=name, lineage={"source": name})
        | {"tied": tied, "equal": 2.0, "none": None, "huge": 1.7e308 * (-1) ** number}
        for number, (name, tied) in enumerate(zip(names, scores, strict=True))
    ]
    schema = pa.schema([*EXAMPLES, *((name, pa.float64()) for name in ("tied", "equal", "none", "huge"))])
    for stage, rows in (
        ("write", made[:4]),
        ("refuse", made[4:]),
        ("talk", [finished.row(6, task=names[0])]),
    ):
        write_table(table_of(schema, rows), folder / "stages" / stage / part_name(0))
        record = {"stage": stage, "takes": "passages", "gives": "examples", "reads": ["cut"]}
        write_json(record, folder / "stages" / stage / "stage.json")
    manifest = {"recipe": {"name": "odd", "seed": 0, "stages": {}}, "fingerprint": "f"}
    write_json(manifest | {"stages": ["write", "refuse", "talk"], "state": state}, folder / "manifest.json")
    return Index(open_run(folder)), names


def test_odd_names_are_filtered_by_in_an_unfinished_run(tmp_path):
    index, names = odd_index(tmp_path, "running")
    groups = index.rows({})["groups"]
    assert index.rows({})["total"] == 7 and {group[1] for group in groups} == set(names)
    for number, name in enumerate(names[:-1]):
        assert ids(index.rows({"task": name})) == (rows(0, 6) if number == 0 else rows(number))
        # A field of the page has no line ends.
        assert ids(index.rows({"source": name.replace("\n", " "), "task": name})) == rows(number)
    assert "two lines" in index.sources
    combined = {"task": 'say "hi"', "text": "ferry", "score": "tied", "min": "0.5", "max": "0.5"}
    assert ids(index.rows(combined)) == rows(1)
    assert index.rows(combined | {"page": "1"})["rows"] == []
    empty = index.rows(combined | {"kind": "refusal"})
    assert (empty["total"], empty["rows"], empty["groups"]) == (0, [], [])
    index.close()


def test_a_group_of_several_tables_is_one_group(tmp_path):
    index, names = odd_index(tmp_path)
    assert [group[-1] for group in index.rows({})["groups"] if group[1] == names[0]] == [2]
    index.close()


def test_ties_nulls_and_equal_scores_at_a_threshold(tmp_path):
    index, _ = odd_index(tmp_path)

    def sides(score, value):
        answer = index.threshold({"score": score, "value": value})
        json.dumps(answer, allow_nan=False)
        assert sum(count for _, count in answer["bars"]) == sum(sum(row[2:]) for row in answer["tasks"])
        above, below = (sum(row[side] for row in answer["tasks"]) for side in (2, 3))
        near = [[row[-1] for row in answer["nearest"][side]] for side in ("above", "below")]
        return above, below, near, answer["span"]

    assert sides("tied", "0.5") == (3, 1, [[0.5, 0.5, 0.9], [0.1]], [0.1, 0.9])
    assert sides("tied", "0.9") == (1, 3, [[0.9], [0.5, 0.5, 0.1]], [0.1, 0.9])  # nulls and nan are excluded
    assert sides("tied", "0.90001")[:2] == (0, 4)
    assert sides("equal", "2")[:2] == (6, 0) and sides("equal", "2")[3] == [2.0, 2.0]
    nothing = index.threshold({"score": "tied", "value": "0", "kind": "reading"})
    assert nothing["tasks"] == nothing["bars"] == [] and nothing["span"] == [None, None]
    assert "none" not in index.scores  # no row has a value
    assert sides("huge", "0")[:2] == (3, 3)
    assert index.rows({"score": "tied", "order": "low"})["rows"][-1][-1] is None  # nulls last in both orders
    assert index.rows({"score": "tied", "order": "high"})["rows"][-1][-1] is None
    index.close()


@pytest.mark.parametrize(
    "replace",
    [None, os.mkfifo, Path.mkdir, lambda path: path.write_bytes(b"PAR1 cut")],
    ids=["nothing", "pipe", "folder", "cut"],
)
def test_a_missing_or_corrupt_part_is_named_with_the_remedy(tmp_path, replace):
    run = open_run(finished.write(tmp_path / "run"))
    part, *_ = parts(run.stage_folder("calibrate"))
    # Its record lists the part, as that of a finished stage does.
    record = part.parent / "stage.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"files": [part.name]}))
    part.unlink()
    if replace:
        replace(part)
    with pytest.raises(UserError, match=f"{part}.* is corrupt or missing .*Run the recipe again"):
        Index(run)


def test_a_part_whose_rows_are_corrupt_is_reported_with_the_remedy(tmp_path):
    run = open_run(finished.write(tmp_path / "run"))
    for part in run.folder.rglob("stages/*/*.parquet"):
        content, metadata = bytearray(part.read_bytes()), pq.read_metadata(part)
        if not metadata.num_rows:
            continue
        group = metadata.row_group(0)
        for column in map(group.column, range(group.num_columns)):
            begin = column.dictionary_page_offset or column.data_page_offset
            content[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
        part.write_bytes(content)  # the footer is intact
    with pytest.raises(UserError, match=r"cannot be read .*Run the recipe again"):
        Index(run)
    with pytest.raises(UserError, match=r"cannot be read .*Run the recipe again"):
        Trails(run).find_id("0")
