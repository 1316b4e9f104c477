"""Content overrules wrong file names and wrong statements of encoding and format."""

import gzip
import json
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.sources.ingest.test_readers import docx, opendocument, paragraph, pptx
from tests.support.corpora import ingested, only, reasons, write
from tests.support.pdf import lines, write_pdf

TEXT = "The keeper wound the clock at dusk."
PAGE = f"<!DOCTYPE html><html><head><title>Lamps</title></head><body><p>{TEXT}</p></body></html>"
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def parquet():
    stream = BytesIO()
    pq.write_table(pa.table({"text": [TEXT]}), stream)
    return stream.getvalue()


# Endings


@pytest.mark.parametrize(
    "ending", [".txt", ".md", ".csv", ".jsonl", ".json", ".docx", ".xlsx", ".bin", ".py"]
)
@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("pdf", write_pdf([lines([TEXT])])),
        ("parquet", parquet()),
        ("rtf", f"{{\\rtf1\\ansi {TEXT}}}".encode()),
        ("html", PAGE.encode()),
        ("docx", docx(paragraph(TEXT))),
        ("pptx", pptx()),
    ],
)
def test_content_takes_precedence_over_the_extension(tmp_path, ending, form, data):
    write(tmp_path, f"a{ending}", data)
    if (form, ending) == ("html", ".py"):  # a page may be part of a program
        form = "code"
    assert only(tmp_path, f"a{ending}")["format"] == form


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "A PDF begins with %PDF-1.7, and a page with <html>."),
        ("b.md", "# Pages\n\n.TH is a macro.\n\n.TH X 1\n"),
        ("c.xml", PAGE),
    ],
)
def test_a_text_about_a_format_is_a_text(tmp_path, name, text):
    write(tmp_path, name, text)
    assert only(tmp_path, name)["format"] in ("text", "markdown", "xml")


LETTER = f"""Return-Path: <ada@example.org>
Received: from a.example.org
	by b.example.org; Mon, 2 Mar 2026 10:00:00 +0000
From: Ada <ada@example.org>
Subject: The clock
Date: Mon, 2 Mar 2026 10:00:00 +0000

{TEXT}
"""
ARTICLE = f"From: ada@example.org\nSubject: Clocks\nOrganization: Lighthouse\nLines: 1\n\n{TEXT}\n"


@pytest.mark.parametrize("name", ["inbox.txt", "1741.M20P5.host:2,S", "17", "17.1", "inbox"])
@pytest.mark.parametrize("letter", [LETTER, ARTICLE, f"From ada Mon Mar  2 10:00:00 2026\n{LETTER}"])
def test_a_letter_is_read_as_mail_whatever_the_name_of_its_file(tmp_path, name, letter):
    write(tmp_path, name, letter)
    document = only(tmp_path, name)
    assert (document["format"], document["text"].strip()) == ("mail", TEXT)


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "One."}\n{\n  "text": "Two."\n}\n',
        '{"text": "One."} {"text": "Two."\n}\n',
        '{"text": "One."}\n\n{"text":\n"Two.",\n"pages": [\n1]}',
        '{"text": "One."}\n\n{"text": "Two."}\n',
    ],
)
def test_objects_that_follow_one_another_are_read_however_they_are_laid_out(tmp_path, text):
    write(tmp_path, "a.json", text)
    kept, dropped = ingested(tmp_path, "a.json")
    assert [document["text"] for document in kept.values()] == ["One.", "Two."] and not dropped


def test_a_bad_line_among_json_lines_in_a_json_file_is_one_dropped_row(tmp_path):
    write(tmp_path, "a.json", '{"text": "One."}\n  {"text": \n{"text": "Two."}\n')
    kept, dropped = ingested(tmp_path, "a.json")
    assert [document["text"] for document in kept.values()] == ["One.", "Two."] and len(dropped) == 1


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.txt", f"From: the keeper\nTo: the clerk\n{TEXT}\n", "text"),  # a line that is no field
        ("a.txt", f"Subject: clocks\nDate: today\nTo: all\n\n{TEXT}\n", "text"),  # no sender
        ("a.txt", f"From: Monday\nDate: 3 March\n\n{TEXT}\n", "text"),  # two fields
        ("a.txt", f"From: Ada\nTo: Bo\nSubject: clocks\nThe keeper said: no.\n\n{TEXT}\n", "text"),  # prose
        ("a.patch", f"From 1a2b Mon Sep 17 00:00:00 2001\n{ARTICLE}\n", "code"),
    ],
)
def test_a_text_with_lines_like_a_letter_is_no_mail(tmp_path, name, text, form):
    write(tmp_path, name, text)
    assert only(tmp_path, name)["format"] == form


def test_an_open_document_keeps_its_reader_without_the_member_that_names_it(tmp_path):
    write(tmp_path, "a.odt", opendocument(f"<office:text><text:p>{TEXT}</text:p></office:text>"))
    assert only(tmp_path, "a.odt")["text"] == TEXT


@pytest.mark.parametrize("name", ["a.md", "a.parquet", "a.pdf", "a.weights", "a.jsonl.gz"])
def test_a_pointer_of_git_lfs_is_not_read_as_the_file(tmp_path, name):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n"
    write(tmp_path, name, gzip.compress(pointer) if name.endswith(".gz") else pointer)
    _, dropped = ingested(tmp_path, name)
    assert reasons(dropped) == {name: "not fetched"} and "git lfs pull" in dropped[0]["detail"]


def test_json_lines_in_a_json_file_are_read(tmp_path):
    rows = [{"id": "a", "text": TEXT}, {"id": "b", "text": f"{TEXT} Again."}]
    write(tmp_path, "a.json", "\n".join([*map(json.dumps, rows), "{broken"]))
    kept, dropped = ingested(tmp_path, "a.json")
    assert set(kept) == {"a.json#a", "a.json#b"} and reasons(dropped) == {"a.json": "bad json line"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"id": "a", "text": TEXT}, {"id": "b", "text": TEXT}]),
        "\ufeff" + json.dumps([{"id": "a", "text": TEXT}, {"id": "b", "text": TEXT}], indent=1),
        json.dumps({"data": [{"id": "a", "text": TEXT}, {"id": "b", "text": TEXT}]}, indent=1),
    ],
    ids=["array", "indented array", "indented object"],
)
def test_json_in_a_jsonl_file_is_read(tmp_path, text):
    write(tmp_path, "a.jsonl", text)
    kept, dropped = ingested(tmp_path, "a.jsonl")
    assert set(kept) == {"a.jsonl#a", "a.jsonl#b"} and not dropped


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("null", "null"),
        ("7", "a number"),
        ("2.5", "a number"),
        ('"a"', "a string"),
        ("true", "true or false"),
    ],
)
def test_the_type_of_a_value_is_named_in_the_words_of_json(tmp_path, line, kind):
    write(tmp_path, "a.json", line)
    _, (dropped,) = ingested(tmp_path, "a.json")
    assert dropped["detail"] == f"a.json:1: {kind}, not a record of fields"


def test_records_may_begin_with_a_record_separator(tmp_path):
    write(tmp_path, "a.jsonl", "".join(f"\x1e{json.dumps({'id': n, 'text': TEXT})}\n" for n in range(2)))
    assert set(ingested(tmp_path, "a.jsonl")[0]) == {"a.jsonl#0", "a.jsonl#1"}


# Encodings


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_wide_records_without_a_mark_are_read(tmp_path, encoding, name):
    text = f"id,text\n1,Où {TEXT}\n" if name == "a.csv" else json.dumps({"id": 1, "text": f"Où {TEXT}"})
    write(tmp_path, name, text.encode(encoding))
    assert ingested(tmp_path, name)[0][f"{name}#1"]["text"] == f"Où {TEXT}"


def test_a_message_that_states_an_unknown_encoding_is_read(tmp_path):
    letter = f"From: a@b\nSubject: Lamps\nContent-Type: text/plain; charset=klingon\n\n{TEXT} Où?"
    write(tmp_path, "a.eml", letter)
    assert only(tmp_path, "a.eml")["text"] == f"{TEXT} Où?"


def test_a_page_nested_too_deep_to_be_read_is_not_called_empty(tmp_path):
    write(tmp_path, "a.html", f"{'<div>' * 20_000}<p>{TEXT}</p>")
    write(tmp_path, "b.html", f"{'<div>' * 200}<p>{TEXT}</p> &bogus; <b></i>")
    kept, dropped = ingested(tmp_path, "*.html")
    assert set(kept) == {"b.html"} and reasons(dropped) == {"a.html": "nested too deep"}


# Tables


def test_a_csv_may_state_its_separator_and_leave_columns_unnamed(tmp_path):
    write(tmp_path, "a.csv", f"sep=;\nid;text;;\n1;{TEXT};;x\n")
    row = ingested(tmp_path, "a.csv")[0]["a.csv#1"]
    assert row["text"] == TEXT and json.loads(row["metadata"]) == {"column 3": "", "column 4": "x"}


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_columns_with_the_same_name_are_all_kept(tmp_path, name):
    """The number that is added is not the name of another column."""
    names = ["text", "n", "n (2)", "n", "text"]
    table = pa.Table.from_arrays([pa.array([value]) for value in (TEXT, 1, 2, 3, "other")], names)
    stream = BytesIO()
    if name == "a.parquet":
        pq.write_table(table, stream)
    else:
        with pa.ipc.new_file(stream, table.schema) as out:
            out.write_table(table)
    write(tmp_path, name, stream.getvalue())
    row = only(tmp_path, name)
    assert row["text"] == TEXT
    assert {"n": 1, "n (2)": 2, "n (3)": 3, "text (2)": "other"}.items() <= json.loads(
        row["metadata"]
    ).items()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TEXT.encode(), "not an Arrow file"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * 99, "not an Arrow file"),
        (b"FEA1" + b"\0" * 99, "version 1"),
        (b"", "not an Arrow file"),
    ],
)
def test_a_file_that_is_not_arrow_is_reported(tmp_path, data, said):
    write(tmp_path, "a.arrow", data)
    _, dropped = ingested(tmp_path, "a.arrow")
    assert reasons(dropped) == {"a.arrow": "unreadable file"} and said in dropped[0]["detail"]


# Front matter


def test_front_matter_may_not_grow_with_aliases_of_a_long_text(tmp_path):
    header = f"a: &a {'x' * 30_000}\nb: [{','.join(['*a'] * 9000)}]"
    write(tmp_path, "a.md", f"---\n{header}\n---\n\n{TEXT}")
    row = only(tmp_path, "a.md")
    assert row["text"] == TEXT and "64,000 characters" in json.loads(row["metadata"])["front_matter"]


@pytest.mark.parametrize("header", ["date = 2024-02-30", "x = " + "[" * 2000 + "]" * 2000])
def test_invalid_toml_is_not_part_of_the_text(tmp_path, header):
    write(tmp_path, "a.md", f"+++\n{header}\n+++\n\n{TEXT}")
    row = only(tmp_path, "a.md")
    assert row["text"] == TEXT and "unreadable" in json.loads(row["metadata"])["front_matter"]
