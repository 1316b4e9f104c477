"""Records, headers and columns of any shape become documents whose metadata is JSON, or a reason."""

import json
import struct
import tarfile
import warnings
import zipfile
from datetime import date
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.front_matter import split_front_matter
from datagen.stages.sources.ingest.metadata import written
from datagen.stages.sources.ingest.readers.json import records
from datagen.stages.sources.ingest.record import File
from tests.support.corpora import checked, ingested, only, reasons, write


def metadata(row):
    return json.loads(row["metadata"], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# Front matter


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("date: 2024-01-31", {"date": "2024-01-31"}),
        ("date: 2024-02-30", {"date": "2024-02-30"}),
        ("date: 0000-00-00", {"date": "0000-00-00"}),
        ("date: 2024-01-01T10:00:00+99:99", {"date": "2024-01-01T10:00:00+99:99"}),
        (
            "log:\n  2024-01-01: first\n  2024-02-01: second",
            {"log": {"2024-01-01": "first", "2024-02-01": "second"}},
        ),
        ("size: !!int x", {"size": "x"}),
        ("size: !!float x", {"size": "x"}),
        ("sure: !!bool perhaps", {"sure": "perhaps"}),
        ("data: !!binary aGk=", {"data": "hi"}),
        ("data: !!binary é", {"data": "é"}),
        ("who: !!set {a, b}", {"who": ["a", "b"]}),
        ("x: .nan\ny: -.inf", {"x": None, "y": None}),
        (f"n: {10**30}", {"n": hex(10**30)}),
        ("tags: &t [a]\nmore: *t", {"tags": ["a"], "more": ["a"]}),
        ("title: Ships: a history\ntags: [a", {"tags": "[a"}),
        ("{a: 1, a: 2}", {"a": 2}),
    ],
)
def test_a_header_of_any_values_is_metadata(tmp_path, header, fields):
    write(tmp_path, "a.md", f"---\n{header}\n---\n\nText.")
    row = only(tmp_path, "a.md")
    assert row["text"] == "Text." and metadata(row) == fields


NESTED = "\n".join(
    ["a: &a [x, x]"]
    + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
)


@pytest.mark.parametrize(
    "header",
    [
        NESTED,
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: *unknown",
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "{a: " * 5000 + "}" * 5000,
        "a: [" + "0," * 12_000 + "]",
    ],
)
def test_a_header_that_expands_is_not_read_and_the_text_is_kept(tmp_path, header):
    write(tmp_path, "a.md", f"---\n{header}\n---\n\nText.")
    row = only(tmp_path, "a.md")
    assert row["text"] == "Text." and list(metadata(row)) == ["front_matter"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Lamps\n...\n\nText.\n\n---\n\nMore.", "Lamps"),
        ("---\r\ntitle: Lamps\r\n---\r\nText.", "Lamps"),
        ("---\n---\nText.", "a"),
        ("---\n# a comment\n---\nText.", "a"),
    ],
)
def test_variants_of_a_header_are_not_part_of_the_text(tmp_path, text, title):
    write(tmp_path, "a.md", text)
    row = only(tmp_path, "a.md")
    assert row["text"].startswith("Text.") and (row["title"], metadata(row)) == (title, {})


def test_toml_front_matter():
    text, fields = split_front_matter('+++\ntitle = "Bees"\ndate = 2024-01-31\n+++\nText.\n')
    assert (text, fields) == ("Text.", {"title": "Bees", "date": date(2024, 1, 31)})


@settings(max_examples=200)
@given(st.text(alphabet="a:&*[]{}!|>-'\"#%@0123?,~ \n\t", max_size=80))
def test_no_header_fails(header):
    text, fields = split_front_matter(f"---\n{header}\n---\nText.")
    assert text.endswith("Text.") and isinstance(json.loads(written(fields)), dict)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals()
    | st.uuids(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.dates() | st.none(), inner)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES))
def test_metadata_of_any_values_is_json(value):
    read = json.loads(written(value), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert isinstance(read, dict)


def test_metadata_that_contains_itself_ends():
    value: dict = {"a": 1}
    value["self"] = value
    assert '"a": 1' in written(value)


def test_deep_json_is_metadata_or_a_reason(tmp_path):
    deep = "".join(f'{{"text": "{n}", "x": {"[" * n}{"]" * n}}}\n' for n in (10, 900, 5000, 100_000))
    write(tmp_path, "a.jsonl", deep)
    kept, dropped = ingested(tmp_path, "a.jsonl")
    assert "10" in {row["text"] for row in kept.values()} and len(kept) + len(dropped) == 4
    for row in kept.values():
        metadata(row)


# Encodings


LINES = ['{"text": "Das Café öffnet.", "id": 1}', '{"text": "Es schließt.", "id": 2}']


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_lines_in_unicode_are_read(tmp_path, encoding, ends):
    write(tmp_path, "a.jsonl", ends.join([*LINES, ""]).encode(encoding))
    assert sorted(row["text"] for row in ingested(tmp_path, "a.jsonl")[0].values()) == [
        "Das Café öffnet.",
        "Es schließt.",
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "cp500"])
def test_json_lines_in_another_encoding_are_rejected_unless_it_is_stated(tmp_path, encoding):
    write(tmp_path, "a.jsonl", "\n".join(LINES).encode(encoding))
    with pytest.raises(UserError, match="encoding:"):
        checked(tmp_path, "a.jsonl")
    kept, _ = ingested(tmp_path, {"path": "a.jsonl", "encoding": encoding})
    assert len(kept) == 2


def test_a_stated_encoding_applies_only_to_text_that_is_not_utf8(tmp_path):
    write(tmp_path, "a.txt", "Jiří Dvořák".encode("iso-8859-2"))
    write(tmp_path, "b.txt", "Jiří Dvořák")
    write(tmp_path, "c.txt", "灯台は岬の上に".encode("iso-2022-jp"))
    kept, _ = ingested(tmp_path, {"path": "[ab].txt", "encoding": "iso-8859-2"})
    assert {row["text"] for row in kept.values()} == {"Jiří Dvořák"}
    kept, _ = ingested(tmp_path, {"path": "c.txt", "encoding": "iso-2022-jp"})
    assert kept["c.txt"]["text"] == "灯台は岬の上に"


def test_a_misspelt_encoding_is_a_mistake():
    with pytest.raises(ValueError, match="utf-9"):
        Source(path="a", encoding="utf-9")


# Fields


def test_fields_are_found_by_their_paths(tmp_path):
    record = {
        "meta": {"title": "A title", "by": "x"},
        "conversations": [{"from": "a", "value": "One."}, {"from": "b", "value": "Two."}],
        "a.b": "dotted",
        "keys": ["k0", "k1"],
    }
    write(tmp_path, "a.jsonl", json.dumps(record))
    fields = {
        "text": "conversations.*.value",
        "title": "meta.title",
        "id": "keys.1",
        "speakers": "conversations.*.from",
        "dotted": "a.b",
        "none": "x.y",
    }
    row = only(tmp_path, {"path": "a.jsonl", "fields": fields})
    assert (row["text"], row["title"], row["source"]) == ("One.\n\nTwo.", "A title", "a.jsonl#k1")
    assert metadata(row) == {
        "meta": {"by": "x"},
        "conversations": [{}, {}],
        "keys": ["k0"],
        "speakers": ["a", "b"],
        "dotted": "dotted",
        "none": None,
    }


def test_constants_of_an_entry_are_metadata(tmp_path):
    write(tmp_path, "a.jsonl", '{"text": "One.", "id": 1, "licence": "unknown"}')
    row = only(
        tmp_path, {"path": "a.jsonl", "licence": "CC-BY-4.0", "metadata": {"team": "x", "since": 2024}}
    )
    assert metadata(row) == {"licence": "CC-BY-4.0", "team": "x", "since": 2024}


def test_a_binary_text_is_read_in_the_encoding_that_the_recipe_states(tmp_path):
    texts = pa.array(["Café.".encode("latin-1"), "Thé.".encode(), None], pa.binary())
    pq.write_table(pa.table({"id": ["1", "2", "3"], "text": texts}), tmp_path / "a.parquet")
    kept, dropped = ingested(tmp_path, {"path": "a.parquet", "encoding": "latin-1"})
    assert [row["text"] for row in kept.values()] == ["Café.", "Thé."]
    assert [row["detail"].split(";")[0] for row in dropped] == ["a.parquet:3: 'text' is null"]


def test_a_foreign_file_in_a_folder_drops_its_rows_and_names_their_fields(tmp_path):
    write(tmp_path, "docs/a.jsonl", '{"text": "One."}\n')
    write(tmp_path, "docs/b.jsonl", '{"body": "Two.", "url": "x"}\n[1]\n')
    checked(tmp_path, "docs")
    _, dropped = ingested(tmp_path, "docs")
    assert [row["reason"] for row in dropped] == ["no text field", "bad json line"]
    assert all(word in dropped[0]["detail"] for word in ("docs/b.jsonl:1", "body, url", "text_field"))


def test_an_entry_without_any_text_stops_the_run_and_one_of_pictures_does_not(tmp_path):
    write(tmp_path, "good/a.txt", "Words.")
    write(tmp_path, "pictures/a.png", b"\x89PNG")
    write(tmp_path, "bad/a.jsonl", '{"body": "Two."}')
    checked(tmp_path, "good", "pictures")
    with pytest.raises(UserError, match=r"'bad'.*bad/a\.jsonl.*body"):
        checked(tmp_path, "good", "bad")


# Formats of records


@pytest.mark.parametrize(
    ("name", "data", "texts"),
    [
        ("a.json", [{"text": "One."}, {"text": "Two."}], ["One.", "Two."]),
        ("a.json", {"text": "One."}, ["One."]),
        ("a.json", {"version": 1, "data": [{"text": "One."}, {"text": "Two."}]}, ["One.", "Two."]),
        ("a.json", ["One.", "Two."], ["One.", "Two."]),
        ("a.json", {"ok": True, "result": {"text": "One."}}, ["One."]),
        ("a.json", {"data": {"total": 2, "items": [{"text": "One."}, {"text": "Two."}]}}, ["One.", "Two."]),
        ("a.json", {"hits": {"total": {"value": 1}, "hits": [{"_source": {"text": "One."}}]}}, ["One."]),
        ("a.json", [{"node": {"text": "One."}}, {"text": "Two.", "meta": {"text": "no"}}], ["One.", "Two."]),
        ("a.json", {"data": {"repository": {"issues": {"edges": [{"node": {"text": "One."}}]}}}}, ["One."]),
        ("a.json", {"data": [{"attributes": {"text": "One."}}], "included": [{"name": "A"}]}, ["One."]),
        ("a.json", '{\n "text": "One."\n}\n{\n "text": "Two."\n}\n', ["One.", "Two."]),
        ("a.jsonl", f'{{\n "text": "One.", "n": {"9" * 9000}\n}}{{"text": "Two."}}', ["One.", "Two."]),
        ("a.csv", 'id,text\n1,One.\n2,"Two,\nlines"\n', ["One.", "Two,\nlines"]),
        ("a.csv", "\ufeffid;text\r\n1;One.\r\n", ["One."]),
        ("a.tsv", "id\ttext\n1\tOne, two.\n", ["One, two."]),
        ("a.csv", "id,text\r1,One.\r2,Two.\r\n", ["One.", "Two."]),
        ("a.csv", 'id,text\n1,"a ""b"" c"\n2,"C:\\"\n', ["C:\\", 'a "b" c']),
        ("a.csv", 'id,text\n1,"a \\"b, c\\" d"\n2,Two.\n', ["Two.", 'a "b, c" d']),
        ("a.csv", "id^text\n1^One, or more.\n", ["One, or more."]),
        ("a.csv", "# made by a tool\n# in 2026\nid;text\n1;# One.\n", ["# One."]),
        ("a.csv", "#id,text\n1,One.\n", ["One."]),
        ("a.jsonl", '{"text": "One."}\r{"text": "Two."}\r\n{"text": "Zwei."}', ["One.", "Two.", "Zwei."]),
        ("a.jsonl", '\ufeff{"text": "One."}\n\ufeff{"text": "Two."}\n', ["One.", "Two."]),
        ("a.jsonl", f'{{"text": "One.", "n": {"9" * 9000}, "m": -{"1" * 5000}, "k": NaN}}', ["One."]),
        ("a.json", f'[{{"text": "One.", "text": "Two.", "n": {"9" * 9000}}}]', ["Two."]),
    ],
)
def test_records_are_documents(tmp_path, name, data, texts):
    write(tmp_path, name, data if isinstance(data, str) else json.dumps(data))
    kept, dropped = ingested(tmp_path, name)
    assert sorted(row["text"] for row in kept.values()) == texts and not dropped


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", "{", "bad json"),
        ("a.json", "[" * 100_000, "bad json"),
        ("a.json", '{"name": "a", "version": 1}', "no text field"),
        ("a.json", "7", "no text field"),
        ("a.json", json.dumps({"body": "One. " * 99, "meta": {"text": "no document"}}), "no text field"),
        ("a.json", '{"a": {"text": "One."}, "b": {"text": "or two?"}}', "no text field"),
        ("a.json", "", "bad json"),
        ("a.csv", "", "empty document"),
        ("a.csv", "text,text\na,b\n", "bad csv header"),
        ("a.csv", "text,b\na\n", "bad csv row"),
        ("a.json", '[{"text": "One."}] [{"text": "Two."}]', "bad json"),
        ("a.csv", "body\nOne.\n", "no text field"),
        ("a.csv", "# body\nOne.\n", "no text field"),
        ("a.csv", b"text\n\xff\xfe\xff\n", "not utf-8"),
        ("a.csv", 'text,b\n"One,1\nTwo,2\n', "bad csv row"),
        ("a.csv", 'b,text\n1,"One\n2,Two\n3,Three\n', "bad csv row"),
        ("a.csv", 'b,"text\n1,One\n', "bad csv header"),
        ("a.arrow", "no", "unreadable file"),
        ("a.zip", "no", "unreadable file"),
        ("a.tar", "no", "unreadable file"),
    ],
)
def test_an_invalid_record_is_dropped_with_its_reason(tmp_path, name, data, reason):
    write(tmp_path, name, data)
    kept, dropped = ingested(tmp_path, name)
    assert not kept and [row["reason"] for row in dropped] == [reason]


LONG = "The pump is primed first. " * 12


@pytest.mark.parametrize(
    "data",
    [
        {"query": {"text": "pumps"}, "documents": [{"body": LONG}]},
        {"hits": {"hits": [{"_source": {"body": LONG}}]}, "suggest": [{"text": "pump"}]},
        {"title": "Pumps", "body": LONG, "comments": [{"text": "Thanks!"}, {"text": "Good."}]},
        {"article": {"text": LONG}, "comments": [{"text": "Thanks!"}, {"text": "Good."}]},
        {"info": {"text": "Questions about pumps"}, "items": [{"question": "Who?", "answer": "I."}]},
        [{"question": {"text": "How?"}, "answer": {"body": LONG}}],
    ],
)
def test_a_text_beside_the_documents_does_not_replace_them(tmp_path, data):
    write(tmp_path, "a.json", json.dumps(data))
    kept, dropped = ingested(tmp_path, "a.json")
    assert not kept and [row["reason"] for row in dropped] == ["no text field"]


def test_a_wrapped_record_keeps_what_is_beside_it(tmp_path):
    write(tmp_path, "a.json", json.dumps({"title": "Pumps", "rating": 4, "content": {"text": "One."}}))
    row = only(tmp_path, "a.json")
    assert (row["text"], row["title"], metadata(row)["rating"]) == ("One.", "Pumps", 4)


def test_pairs_are_not_looked_for_within_their_records(tmp_path):
    data = [{"prompt": "Who?", "completion": "I.", "context": {"text": "It was I."}}]
    write(tmp_path, "a.json", json.dumps(data))
    file = File(tmp_path / "a.json", "a.json", Source(path="a.json"), len(json.dumps(data)))
    assert list(records(file)) == [(1, data[0])]


def test_objects_before_an_error_are_read(tmp_path):
    write(tmp_path, "a.json", '{\n "text": "One."\n}\n{\n "text": "Two."\n}\n{\n "text": ')
    kept, (dropped,) = ingested(tmp_path, "a.json")
    assert sorted(row["text"] for row in kept.values()) == ["One.", "Two."]
    assert dropped["reason"] == "bad json" and "after 2 objects: " in dropped["detail"]


def test_a_table_without_the_text_column_is_one_dropped_row_with_its_columns_and_the_remedy(tmp_path):
    write(tmp_path, "a/a.csv", "question,answer\n" + "Who?,I.\n" * 3000)
    pq.write_table(
        pa.table({"question": ["Who?"] * 300, "meta": [{"answer": "I."}] * 300}), tmp_path / "a/b.parquet"
    )
    write(tmp_path, "a/c.csv", "meta.text,n\nOne.,1\n")
    kept, dropped = ingested(tmp_path, "a")
    assert not kept and [row["reason"] for row in dropped] == ["no text field"] * 3
    by_name = {row["source"]: row["detail"] for row in dropped}
    assert (
        "a/a.csv, 3,000 rows: 'text' is absent; text_field: or fields: can name another field. Its"
        in by_name["a/a.csv"]
    )
    assert (
        "a/b.parquet, 300 rows" in by_name["a/b.parquet"]
        and "text_field: or fields: can" in by_name["a/b.parquet"]
    )
    assert by_name["a/a.csv"].endswith("fields are question, answer")
    write(
        tmp_path,
        "wide.csv",
        ",".join(f"a column with a long name {n}" for n in range(20)) + "\n" + "," * 19 + "1\n",
    )
    assert "text_field: or fields: can" in ingested(tmp_path, "wide.csv")[1][0]["detail"]
    kept, dropped = ingested(tmp_path, {"path": "a", "fields": {"text": "meta.*"}})
    assert [row["text"] for row in kept.values()] == ["I."] and {row["source"] for row in dropped} >= {
        "a/a.csv"
    }


def test_a_line_of_csv_in_another_encoding_affects_no_others(tmp_path):
    write(tmp_path, "a.csv", b'id,text\n1,One.\n2,"caf\xe9\ntwo lines"\n3,"caf\xc3\xa9"\n')
    kept, dropped = ingested(tmp_path, "a.csv")
    assert sorted(row["text"] for row in kept.values()) == ["One.", "café"]
    assert [row["reason"] for row in dropped] == ["not utf-8"] and ":3:" in dropped[0]["detail"]


def test_parquet_values_that_python_cannot_represent_affect_no_others(tmp_path):
    ends = struct.pack("<4i", 0, 4, 7, 11)
    broken = pa.StringArray.from_buffers(3, pa.py_buffer(ends), pa.py_buffer(b"EmilZo\xebThea"))
    table = pa.table(
        {
            "id": ["1", "2", "3"],
            "text": pa.array([b"One.", b"Tw\xc3\xb6.", b"\xff\xfe"], pa.binary()),
            "until": pa.array([0, 253402300800000000 + 86400_000_000 * 365, None], pa.timestamp("us")),
            "length": pa.array([1, 10**18, 1], pa.duration("s")),
            "at": pa.array([0, 1, 2], pa.timestamp("us", tz="Local/Unknown")),
            "author": broken,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    kept, dropped = ingested(tmp_path, "a.parquet")
    assert {row["text"] for row in kept.values()} == {"One.", "Twö."}
    assert [row["reason"] for row in dropped] == ["no text field"]
    assert "binary" in dropped[0]["detail"] and "encoding: in the recipe" in dropped[0]["detail"]
    first = metadata(kept["a.parquet#1"])
    assert (first["author"], first["until"][:10]) == ("Emil", "1970-01-01")


FAR = pa.array([2**60, 1], pa.timestamp("us"))  # beyond the years that Python can represent
ZONED = pa.array([0, 1_000_000], pa.timestamp("us", tz="Mars/Phobos"))


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        (ZONED, "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:01+00:00"),
        (
            pa.StructArray.from_arrays([FAR, pa.array(["x", "y"])], ["at", "by"]),
            {"at": f"<value out of range: {2**60}>", "by": "x"},
            {"at": "1970-01-01T00:00:00.000001", "by": "y"},
        ),
        (
            pa.ListArray.from_arrays([0, 1, 2], FAR),
            [f"<value out of range: {2**60}>"],
            ["1970-01-01T00:00:00.000001"],
        ),
        (
            pa.MapArray.from_arrays([0, 1, 2], pa.array(["j", "k"]), ZONED),
            [{"key": "j", "value": "1970-01-01T00:00:00+00:00"}],
            [{"key": "k", "value": "1970-01-01T00:00:01+00:00"}],
        ),
        (
            pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 1, 2], ZONED)], ["times"]),
            {"times": ["1970-01-01T00:00:00+00:00"]},
            {"times": ["1970-01-01T00:00:01+00:00"]},
        ),
    ],
)
def test_no_value_of_parquet_becomes_null(tmp_path, column, first, second):
    pq.write_table(
        pa.table({"id": ["1", "2"], "text": ["One.", "Two."], "x": column}), tmp_path / "a.parquet"
    )
    kept, dropped = ingested(tmp_path, "a.parquet")
    assert [metadata(kept[f"a.parquet#{name}"])["x"] for name in "12"] == [first, second] and not dropped


def test_arrow_files_streams_and_datasets_are_read(tmp_path):
    table = pa.table({"text": ["One.", "Two."], "id": [1, 2]})
    for name, opened in (("file.arrow", pa.ipc.new_file), ("data/stream.arrow", pa.ipc.new_stream)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with pa.OSFile(str(tmp_path / name), "wb") as sink, opened(sink, table.schema) as out:
            out.write_table(table)
    write(tmp_path, "data/state.json", "{}")
    write(tmp_path, "data/dataset_info.json", "{}")
    kept, dropped = ingested(tmp_path, "file.arrow", "data")
    assert len(kept) == 4 and not dropped


def test_a_saved_data_set_of_several_splits_is_only_its_rows(tmp_path):
    for split in ("train", "test"):
        table = pa.table({"text": [f"{split} a"]})
        (tmp_path / "saved" / split).mkdir(parents=True)
        path = str(tmp_path / f"saved/{split}/data-00000-of-00001.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
            out.write_table(table)
        write(tmp_path, f"saved/{split}/state.json", "{}")
    write(tmp_path, "saved/dataset_dict.json", '{"splits": ["train", "test"]}')
    kept, dropped = ingested(tmp_path, "saved")
    assert sorted(row["text"] for row in kept.values()) == ["test a", "train a"] and not dropped


# Archives


def zipped(members):
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members, mode="w"):
    out = BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


MEMBERS = {
    "a.txt": b"One.",
    "deep/b.jsonl": b'{"text": "Two.", "id": 2}\n',
    "../../c.txt": b"Three.",
    ".hidden/d.txt": b"Hidden.",
    "__MACOSX/a.txt": b"\0\5",
    "picture.png": b"\x89PNG",
}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.zip", zipped(MEMBERS)),
        ("x.tar", tarred(MEMBERS)),
        ("x.tar.gz", tarred(MEMBERS, "w:gz")),
        ("x.tgz", tarred(MEMBERS, "w:gz")),
        ("x.tar.xz", tarred(MEMBERS, "w:xz")),
        ("x.tbz2", tarred(MEMBERS, "w:bz2")),
    ],
)
def test_members_of_archives_are_documents(tmp_path, name, data):
    write(tmp_path, f"docs/{name}", data)
    kept, dropped = ingested(tmp_path, "docs")
    assert {source: (row["text"], row["format"]) for source, row in kept.items()} == {
        f"docs/{name}!a.txt": ("One.", "text"),
        f"docs/{name}!deep/b.jsonl#2": ("Two.", "jsonl"),
        f"docs/{name}!../../c.txt": ("Three.", "text"),
    }
    expected = ["unknown format"] if name.endswith("zip") else ["unknown format", "not a regular file"]
    assert [row["reason"] for row in dropped] == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]


def test_members_with_the_same_name_are_separate_documents(tmp_path):
    """A tar file that was appended to, and a zip file, may hold a name several times."""
    zip_, tar = BytesIO(), BytesIO()
    with zipfile.ZipFile(zip_, "w") as archive, tarfile.open(fileobj=tar, mode="w") as other:
        for text in ("One.", "Two.", "One."):
            with warnings.catch_warnings(action="ignore"):
                archive.writestr("docs/a.txt", text)
            info = tarfile.TarInfo("README")
            info.size = len(text)
            other.addfile(info, BytesIO(text.encode()))
    write(tmp_path, "x.zip", zip_.getvalue())
    write(tmp_path, "x.tar", tar.getvalue())
    kept, dropped = ingested(tmp_path, ".")
    assert not dropped
    assert {source: row["text"] for source, row in kept.items()} == {
        "x.tar!README": "One.",
        "x.tar!(2)/README": "Two.",
        "x.tar!(3)/README": "One.",
        "x.zip!docs/a.txt": "One.",
        "x.zip!docs/(2)/a.txt": "Two.",
        "x.zip!docs/(3)/a.txt": "One.",
    }
    assert len({row["id"] for row in kept.values()}) == 6


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_table_that_repeats_one_large_text_is_dropped_where_it_grows_without_bound(tmp_path, ending):
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 1_000_000])
    table = pa.table({"text": texts, "id": [str(number) for number in range(5_000)]})
    path = tmp_path / f"bomb.{ending}"
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as out:
            out.write_table(table)
    write(tmp_path, "a.txt", "Fine.")
    kept, dropped = ingested(tmp_path, ".")
    assert "a.txt" in kept and len(kept) < 600
    assert dropped[-1]["reason"] == "grows without bound"


def test_archives_within_archives_end(tmp_path):
    data = zipped({"a.txt": b"Innermost."})
    for _ in range(5):
        data = zipped({"x.zip": data, "b.txt": b"Beside."})
    write(tmp_path, "x.zip", data)
    kept, dropped = ingested(tmp_path, "x.zip")
    assert {row["text"] for row in kept.values()} == {"Beside."}
    assert [row["reason"] for row in dropped] == ["nested too deep"]


def test_an_archive_that_grows_is_dropped_before_it_is_read(tmp_path):
    write(tmp_path, "bomb.zip", zipped({f"{n}.txt": b"\0" * 10_000_000 for n in range(12)}))
    write(tmp_path, "a.txt", "Fine.")
    kept, dropped = ingested(tmp_path, ".")
    assert list(kept) == ["a.txt"] and reasons(dropped) == {"bomb.zip": "grows without bound"}


def test_a_damaged_member_affects_no_others(tmp_path):
    data = bytearray(zipped({"a.txt": b"One." * 50, "b.txt": b"Two."}))
    data[40] ^= 0xFF
    write(tmp_path, "x.zip", bytes(data))
    kept, dropped = ingested(tmp_path, "x.zip")
    assert list(kept) == ["x.zip!b.txt"] and reasons(dropped) == {"x.zip!a.txt": "unreadable file"}
