"""A user's own pairs become rows that are traceable to their records; every record is accounted for."""

import gzip
import json
import os
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import UserError
from datagen.stages.sources.own_pairs import ROWS, stage
from tests.support.rows import context


def read(folder, **options):
    """Read a folder `own` and return rows, dropped rows and figures."""
    chosen = stage.options.model_validate({"path": ["own"]} | options)
    where = replace(context(stage.name), folder=folder, run_folder=folder / "runs" / "r" / "1")
    outcomes = [made for task in stage.plan(chosen, where) for made in stage.read(task, chosen, where)]
    kept, dropped = (
        [row for made in outcomes for row in getattr(made, side).to_pylist()] for side in ("kept", "dropped")
    )
    assert len({row["id"] for row in kept}) == len(kept)
    return kept, dropped, sum(made.figures.get("outside the sample", 0) for made in outcomes)


def pair(number, **fields):
    return {"instruction": f"How long is term {number}?", "output": f"{number} years."} | fields


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def lines(*records):
    return "".join(f"{json.dumps(record)}\n" for record in records)


def test_every_format_gives_the_same_rows(own):
    table = [pair(1), pair(2)]
    (own / "a.jsonl").write_text(lines(*table))
    (own / "b.json").write_text(json.dumps({"version": 1, "data": table}))
    (own / "c.csv").write_text(
        'instruction,output\nHow long is term 1?,1 years.\n"How long is term 2?",2 years.\n'
    )
    pq.write_table(pa.Table.from_pylist(table), own / "d.parquet")
    with pa.ipc.new_file(own / "e.arrow", pa.Table.from_pylist(table).schema) as file:
        file.write_table(pa.Table.from_pylist(table))
    (own / "f.jsonl.gz").write_bytes(gzip.compress(lines(*table).encode()))
    kept, dropped, _ = read(own.parent)
    assert not dropped and len(kept) == 12
    assert {(row["question"], row["answer"]) for row in kept} == {
        ("How long is term 1?", "1 years."),
        ("How long is term 2?", "2 years."),
    }


def test_a_row_traces_back_to_its_record(own):
    (own / "a.jsonl").write_text(lines(pair(1, id="t1", license="MIT"), pair(2), pair(3, id=3)))
    kept, _, _ = read(own.parent, licence="CC-BY-4.0", task="leases")
    first, second, third = kept
    assert first["lineage"]["source"] == "own/a.jsonl#t1" and third["lineage"]["source"] == "own/a.jsonl#3"
    assert [json.loads(row["metadata"]) for row in kept] == [
        {"line": 1, "licence": "MIT"},
        {"line": 2, "licence": "CC-BY-4.0"},
        {"line": 3, "licence": "CC-BY-4.0"},
    ]
    assert {row["task"] for row in kept} == {"leases"} and first["lineage"]["stage"] == "own_pairs"
    assert {row["lineage"]["language"] for row in kept} == {"en"} and first["kind"] == "instruction"
    (own / "a.jsonl").write_text(lines(pair(9), pair(1, id="t1", license="MIT"), pair(2), pair(3, id=3)))
    moved, _, _ = read(own.parent)
    assert [row["id"] for row in moved[1:]] == [row["id"] for row in kept]  # a line above changes no id
    assert moved[2]["lineage"]["document_id"] == second["lineage"]["document_id"]


def test_damaged_files_lose_no_readable_record(own):
    (own / "a.jsonl").write_bytes(
        lines(pair(1)).encode() + b'{"instruction": \n\xff\xfe\n[1]\n' + b'{"other": 1}\n'
    )
    (own / "b.parquet").write_bytes(b"PAR1 broken")
    (own / "c.jsonl.gz").write_bytes(b"\x1f\x8b no gzip")
    (own / "d.jsonl").write_text(lines(pair(2), pair(2), pair(3)))
    (own / "e.csv").write_text("instruction,output\nonly one field\nQ?,A.\n")
    (own / "README.md").write_text("# About the pairs")
    (own / "g.jsonl").write_text('{"instruction": "\\ud800 Q", "output": "A\\udfff"}\n')
    kept, dropped, _ = read(own.parent)
    assert sorted(row["answer"] for row in kept) == ["1 years.", "2 years.", "3 years.", "A.", "A?"]
    reasons = {"bad json line": 2, "unreadable file": 2, "not utf-8": 1, "unknown layout": 1}
    reasons |= {"repeated": 1, "bad csv row": 1, "not a file of records": 1}
    assert Counter(row["reason"] for row in dropped) == reasons
    assert all(row["detail"] and row["lineage"]["source"] for row in dropped)


def test_a_chat_alone_in_a_json_file_is_one_record(own):
    """Its turns were taken for the records, as it is an object with one list."""
    turns = [{"role": "user", "content": "How long?"}, {"role": "assistant", "content": "A year."}]
    (own / "a.json").write_text(json.dumps({"messages": turns, "topic": "leases"}))
    (own / "b.json").write_text(json.dumps({"conversations": [{"from": "human", "value": "Why?"}, turns[1]]}))
    (own / "c.json").write_text(json.dumps({"data": [{"messages": turns}], "version": 1}))
    kept, dropped, _ = read(own.parent)
    assert [row["question"] for row in kept] == ["How long?", "Why?", "How long?"] and not dropped


def test_the_encoding_of_files_can_be_named(own):
    (own / "a.csv").write_bytes("question,answer\nÖl?,Für Bäcker.\n".encode("cp1252"))
    _, (row,), _ = read(own.parent)
    assert row["reason"] == "not utf-8" and "encoding:" in row["detail"]
    (row,), dropped, _ = read(own.parent, encoding="windows-1252")
    assert (row["question"], row["answer"], dropped) == ("Öl?", "Für Bäcker.", [])
    with pytest.raises(ValueError, match="no text encoding"):
        read(own.parent, encoding="latin-nine")


def test_reasoning_goes_into_its_column(own):
    (own / "a.jsonl").write_text(lines(pair(1, reasoning_content="Hm."), pair(2)))
    kept, _, _ = read(own.parent)
    assert [(row["answer"], row["reasoning"]) for row in kept] == [("1 years.", "Hm."), ("2 years.", None)]


def test_ratings_are_compared_with_their_minimum_or_counted(own, tmp_path):
    rated = [
        pair(number, rating=rating) for number, rating in enumerate((1, "2", "3 stars", 4.5, None, "good"))
    ]
    (own / "a.jsonl").write_text(lines(*rated))
    kept, dropped, _ = read(tmp_path, least={"rating": 3})
    assert [row["question"] for row in kept] == [record["instruction"] for record in rated[2:4]]
    assert [row["reason"] for row in dropped] == ["rated too low"] * 2 + ["not rated"] * 2
    kept, dropped, _ = read(tmp_path)
    assert len(kept) == 6 and not dropped


def test_a_run_says_which_ratings_and_reasoning_it_read(own, tmp_path):
    (own / "a.jsonl").write_text(
        lines(pair(1, rating=1, stars="2"), pair(2, rating=5), pair(3, reasoning="Hm."))
    )
    where = replace(context("own_pairs"), folder=tmp_path, output=tmp_path / "out")
    (tmp_path / "out").mkdir()
    options = stage.options(path=["own"])
    figures = Counter()
    for task in stage.plan(options, where):
        for outcome in stage.read(task, options, where):
            figures.update(outcome.figures)
    assert figures == {"with reasoning": 1, "rated/rating": 2, "rated/stars": 1}
    compared = stage.options(path=["own"], least={"rating": 1})
    counts = [
        outcome.figures
        for task in stage.plan(compared, where)
        for outcome in stage.read(task, compared, where)
    ]
    assert [count["rated/stars"] for count in counts] == [1] and "rated/rating" not in counts[0]
    stage.check(figures, options, where)
    notices = "".join(path.read_text() for path in (tmp_path / "out").glob("*.json"))
    assert "records with a rating were read whatever it is: 2" in notices and "least: {rating: 3}" in notices


def test_personal_data_is_replaced(own):
    (own / "a.jsonl").write_text(lines(pair(1, output="Write to ada@lamps.org or bob@lamps.org.")))
    (row,), _, _ = read(own.parent)
    assert row["answer"] == "Write to [EMAIL_1] or [EMAIL_2]."
    assert json.loads(row["metadata"])["redacted"] == {"email": 2}
    (row,), _, _ = read(own.parent, redact=False)
    assert "ada@lamps.org" in row["answer"]


def test_a_share_is_sampled_by_hash_and_counted(own):
    (own / "a.jsonl").write_text(lines(*map(pair, range(400))))
    some, dropped, outside = read(own.parent, share=0.25)
    assert 70 < len(some) < 130 and not dropped and outside == 400 - len(some)
    more, _, _ = read(own.parent, share=0.5)
    assert {row["id"] for row in some} < {row["id"] for row in more}


@pytest.mark.slow
def test_large_files_become_several_partitions(own):
    (own / "a.jsonl").write_text(lines(*map(pair, range(ROWS + 10)), pair(1)))
    kept, dropped, _ = read(own.parent, redact=False, language="en")
    assert len(kept) == ROWS + 10 and [row["reason"] for row in dropped] == ["repeated"]


@pytest.mark.parametrize("name", ["nothing", "own/empty"])
def test_a_path_without_records_is_an_error(own, name):
    (own / "empty").mkdir()
    (own / "empty" / "README.md").write_text("# Nothing here")
    with pytest.raises(UserError, match=r"own_pairs\.path"):
        read(own.parent, path=[name])


def test_the_digest_follows_the_content(own):
    chosen = stage.options.model_validate({"path": ["own"]})
    where = replace(context(stage.name), folder=own.parent, run_folder=own.parent / "runs" / "r" / "1")
    digests = []
    for records_ in ([pair(1)], [pair(1), pair(2)], [pair(1)]):
        (own / "a.jsonl").write_text(lines(*records_))
        digests.append(stage.digest(chosen, where))
    assert digests[0] == digests[2] != digests[1]


def test_records_with_one_id_are_rows_of_one_document(own):
    (own / "a.jsonl").write_text(lines(pair(1, id="same"), pair(2, id="same"), pair(2, id="same")))
    kept, dropped, _ = read(own.parent)
    assert [row["answer"] for row in kept] == ["1 years.", "2 years."]
    assert len({row["lineage"]["document_id"] for row in kept}) == 1
    assert [row["reason"] for row in dropped] == ["repeated"]


def test_files_that_are_not_files_are_named_if_there_is_nothing_else(own):
    os.mkfifo(own / "pipe.jsonl")
    with pytest.raises(UserError, match=r"no file with records; own/pipe\.jsonl is not read: it is a pipe"):
        read(own.parent)
    (own / "pairs.jsonl").write_text(lines(pair(1)))
    kept, dropped, _ = read(own.parent)
    assert len(kept) == 1 and [row["reason"] for row in dropped] == ["not a regular file"]
