"""Every format becomes documents, what cannot be read becomes a dropped row, and ids depend on no machine."""

import gzip
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.request import Reject
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from tests.support.corpora import checked, context, ingested, only, outcomes, write

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
PLANETS = {"Mars": "Mars has two moons.", "The Sun": "The Sun\n=======\n\nThe Sun is a star.", "Void": 7}


def test_a_folder_of_every_format(tmp_path):
    shutil.copytree(DOCUMENTS, tmp_path / "documents")
    kept, dropped = ingested(tmp_path, "documents")
    assert {
        (row["source"].removeprefix("documents/"), row["title"], row["format"]) for row in kept.values()
    } == {
        ("harbour.txt", "Harbour Regulations", "text"),
        ("latin1.txt", "latin1", "text"),
        ("glaciers.txt.gz", "Glaciers", "text"),
        ("roasting.md", "Roasting coffee", "markdown"),
        ("beekeeping.html", "Swarming", "html"),
        ("tides.parquet#1", "Tides", "parquet"),
        ("tides.parquet#3", "Springs", "parquet"),
        ("bylaws.jsonl#s1", "Membership", "jsonl"),
        ("bylaws.jsonl#s2", "Fees", "jsonl"),
        ("bylaws.jsonl#a042b8f9d0ea8147", "Dissolution", "jsonl"),
    }
    assert Counter(row["reason"] for row in dropped) == {
        "bad json line": 2,
        "no text field": 2,
        "duplicate source id": 1,
        "empty document": 2,
        "unknown format": 1,
    }


def test_an_invalid_line_is_dropped_with_its_number_and_the_others_are_read(tmp_path):
    shutil.copy(DOCUMENTS / "bylaws.jsonl", tmp_path)
    kept, dropped = ingested(tmp_path, "bylaws.jsonl")
    details = {row["detail"].split(": ")[0] for row in dropped if row["reason"] != "empty document"}
    assert {"bylaws.jsonl:4", "bylaws.jsonl:5", "bylaws.jsonl:6"} <= details
    assert len(kept) + len(dropped) == 8  # the blank line is no record
    assert kept["bylaws.jsonl#s2"]["text"].endswith("first day of March.")  # the first of two with one id


def test_other_fields_are_metadata(tmp_path):
    write(
        tmp_path,
        "a.jsonl",
        '{"text": "One.", "id": 7, "year": 1999, "tags": ["x"], "title": "  A\\n title "}',
    )
    row = only(tmp_path, "a.jsonl")
    assert (row["source"], row["title"]) == ("a.jsonl#7", "A title")
    assert json.loads(row["metadata"]) == {"year": 1999, "tags": ["x"]}


def test_other_field_names(tmp_path):
    write(tmp_path, "a.jsonl", '{"body": "One.", "name": "n", "key": "k"}')
    entry = {"path": "a.jsonl", "text_field": "body", "title_field": "name", "id_field": "key"}
    row = only(tmp_path, entry)
    assert (row["source"], row["title"], row["text"]) == ("a.jsonl#k", "n", "One.")


def test_the_language_is_detected_for_each_text_unless_the_entry_states_it(tmp_path):
    write(tmp_path, "de.txt", "Die Glocke der Stadt wurde im Jahr 1731 gegossen und hängt noch im Turm.")
    write(tmp_path, "en.txt", "The bell of the town was cast in the year 1731 and hangs in the tower.")
    write(tmp_path, "short.txt", "1731")
    kept, _ = ingested(tmp_path, ".")
    assert [kept[f"{name}.txt"]["language"] for name in ("de", "en", "short")] == ["de", "en", "und"]
    kept, _ = ingested(tmp_path, {"path": ".", "language": "gsw"})
    assert {row["language"] for row in kept.values()} == {"gsw"}


def test_ids_and_sources_do_not_depend_on_the_corpus_folder(tmp_path):
    for place in ("here", "there/deeper"):
        shutil.copytree(DOCUMENTS, tmp_path / place / "corpus")
    here, _ = ingested(tmp_path / "here", "corpus")
    there, _ = ingested(tmp_path / "there/deeper", "corpus")
    absolute, _ = ingested(tmp_path, str(tmp_path / "here" / "corpus"))
    assert here == there == absolute


def test_a_record_without_id_keeps_its_id_when_a_line_is_added_above(tmp_path):
    write(tmp_path, "a.jsonl", '{"text": "One."}\n{"text": "Two."}\n')
    before, _ = ingested(tmp_path, "a.jsonl")
    write(tmp_path, "a.jsonl", '{"text": "Zero."}\n{"text": "One."}\n{"text": "Two."}\n')
    after, _ = ingested(tmp_path, "a.jsonl")
    assert {row["id"] for row in before.values()} < {row["id"] for row in after.values()}
    assert sorted(json.loads(row["metadata"])["line"] for row in after.values()) == [1, 2, 3]


def test_an_edit_changes_the_id_and_not_the_source(tmp_path):
    write(tmp_path, "a.txt", "Once.")
    before = only(tmp_path, "a.txt")
    write(tmp_path, "a.txt", "Twice.")
    after = only(tmp_path, "a.txt")
    assert before["source"] == after["source"] and before["id"] != after["id"]


def test_the_same_text_twice_in_a_file_without_ids_is_dropped_once(tmp_path):
    write(tmp_path, "a.jsonl", '{"text": "One."}\n{"text": "One."}\n')
    kept, dropped = ingested(tmp_path, "a.jsonl")
    assert len(kept) == 1 and [row["reason"] for row in dropped] == ["repeated"]


def test_a_mapping_in_a_module(tmp_path):
    kept, dropped = ingested(tmp_path, {"python": f"{__name__}:PLANETS"})
    assert {source.split("#")[1]: row["title"] for source, row in kept.items()} == {
        "Mars": "Mars",
        "The Sun": "The Sun",
    }
    assert [row["reason"] for row in dropped] == ["no text field"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "nowhere"}, ["nowhere", "matches no file", "recipe's folder"]),
        ({"path": "*.txt"}, ["*.txt", "matches no file"]),
        ({"path": "pictures"}, ["pictures", "a.png", ".jsonl"]),
        ({"path": "a.jsonl"}, ["a.jsonl", "'text'", "body, id", "text_field"]),
        ({"path": "a.parquet"}, ["a.parquet", "'text'", "body", "text_field"]),
        ({"path": "bad.jsonl"}, ["bad.jsonl", "bad json line"]),
        ({"python": "no_such_module:x"}, ["no_such_module:x", "module:attribute"]),
        ({"python": "json:dumps"}, ["json:dumps", "not a mapping"]),
    ],
)
def test_a_mistake_in_the_recipe_stops_the_run(tmp_path, entry, words):
    write(tmp_path, "pictures/a.png", "")
    write(tmp_path, "a.jsonl", '{"body": "x", "id": 1}\n{"body": "y"}\n')
    write(tmp_path, "bad.jsonl", "a,b\n1,2\n")
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError) as error:
        checked(tmp_path, entry)
    for word in words:
        assert word in str(error.value)


def test_globs_folders_and_files_that_overlap_are_read_once(tmp_path):
    for name in ("docs/a.txt", "docs/deep/b.md", "docs/.hidden/c.txt", "docs/d.html"):
        write(tmp_path, name, "<p>Words.</p>")
    kept, dropped = ingested(tmp_path, "docs/**/*.md", "docs", "./docs/a.txt")
    assert sorted(kept) == ["docs/a.txt", "docs/d.html", "docs/deep/b.md"] and not dropped


def test_two_files_may_not_share_a_name(tmp_path):
    for place in ("x", "y"):
        write(tmp_path, f"{place}/docs/a.txt", place)
    with pytest.raises(UserError, match=r"docs/a\.txt"):
        outcomes(tmp_path, str(tmp_path / "x/docs"), str(tmp_path / "y/docs"))
    assert len(ingested(tmp_path, "x/docs", "y/docs")[0]) == 2


def test_a_damaged_file_is_one_dropped_row(tmp_path):
    compressed = gzip.compress(
        b'{"text": "A sentence that is long enough to be cut."}\n' * 3 + b'{"text": "Last."}\n'
    )
    write(tmp_path, "cut.jsonl.gz", compressed[:-9])
    write(tmp_path, "no.parquet", b"PAR1 no")
    write(tmp_path, "no.txt.gz", b"\x01\x8b not zipped")
    write(tmp_path, "fine.txt", "Fine.")
    kept, dropped = ingested(tmp_path, ".")
    assert "fine.txt" in kept
    assert {row["source"]: row["reason"] for row in dropped if "#" not in row["source"]} == {
        "cut.jsonl.gz": "truncated file",
        "no.parquet": "unreadable file",
        "no.txt.gz": "unreadable file",
    }


SEALS = [f"The seal of pump {number * 7919} is pressed in." for number in range(600)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "id,text\n" + "".join(f"{at},{text}\n" for at, text in enumerate(SEALS))),
        ("a.jsonl", "".join(f'{{"text": "{text}"}}\n' for text in SEALS)),
        ("a.json", "[\n" + ",\n".join(f'{{"text": "{text}"}}' for text in SEALS) + "\n]"),
        ("a.mbox", "".join(f"From a\nSubject: S\n\n{text}\n\n" for text in SEALS)),
        ("a.xml", "<a>" + "".join(f"<p>{text}</p>\n" for text in SEALS) + "</a>"),
    ],
)
def test_compressed_records_that_end_early_are_complete_ones(tmp_path, name, data):
    compressed = gzip.compress(data.encode())
    for share in (0.5, 0.51, 0.52, 0.53):
        write(tmp_path, f"{name}.gz", compressed[: int(len(compressed) * share)])
        kept, (dropped,) = ingested(tmp_path, f"{name}.gz")
        texts = "\n\n".join(row["text"] for row in kept.values()).split("\n\n")
        assert len(texts) > 200 and set(texts) <= set(SEALS)
        assert dropped["reason"] == "truncated file"


def test_binary_in_a_text_file_is_dropped(tmp_path):
    shutil.copy(DOCUMENTS / "picture.png", tmp_path / "a.txt")
    kept, dropped = ingested(tmp_path, "a.txt")
    assert not kept and [row["reason"] for row in dropped] == ["not utf-8 nor any known encoding"]


def test_a_large_file_is_read_one_partition_at_a_time(tmp_path):
    lines = [json.dumps({"id": number, "text": f"{number} " + "word " * 400}) for number in range(200)]
    write(tmp_path, "a.jsonl", "\n".join(lines))
    parts = outcomes(tmp_path, "a.jsonl", partition_mb=0.05)
    assert len(parts) > 5 and sum(len(part.kept) for part in parts) == 200
    assert all(sum(map(len, part.kept["text"].to_pylist())) <= 50_000 for part in parts)


def test_small_files_share_a_task_and_large_ones_do_not(tmp_path):
    for number in range(6):
        write(tmp_path, f"{number}.txt", "x" * (90_000 if number == 3 else 20_000))
    tasks = ingest.plan(ingest.Options(), context(tmp_path, ".", partition_mb=0.05))
    assert [[file.name for file in task.files] for task in tasks] == [
        ["0.txt", "1.txt"],
        ["2.txt"],
        ["3.txt"],
        ["4.txt", "5.txt"],
    ]


def test_ids_depend_on_neither_partitions_nor_tasks(tmp_path):
    shutil.copytree(DOCUMENTS, tmp_path / "documents")
    large, _ = ingested(tmp_path, "documents")
    small, _ = ingested(tmp_path, "documents", partition_mb=0.0001)
    assert large == small


def test_a_guessed_encoding_is_recorded(tmp_path):
    shutil.copy(DOCUMENTS / "latin1.txt", tmp_path)
    row = only(tmp_path, "latin1.txt")
    assert row["text"].startswith("Cafés und Bäckereien")
    assert json.loads(row["metadata"]) == {"encoding": "windows-1252"}


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_line_of_json_lines_stops_a_run(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("lines")
    good = b'{"text": "A good line.", "id": "good"}'
    lines = [re.sub(rb"[\r\n]", b" ", line) for line in lines]
    write(folder, "a.jsonl", b"\n".join([good, *lines]))
    kept, dropped = ingested(folder, "a.jsonl")
    assert "a.jsonl#good" in kept
    blanks = (line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\v\f\x1e") == b"" for line in lines)
    assert len(kept) + len(dropped) == 1 + len(lines) - sum(blanks)


def test_lone_surrogates_in_json_do_not_stop_a_run(tmp_path):
    write(tmp_path, "a.jsonl", r'{"text": "broken \ud83d here", "id": "\ud800", "x": "\udfff"}')
    assert only(tmp_path, "a.jsonl")["text"] == "broken \ufffd here"


def test_text_that_only_resembles_front_matter_is_kept(tmp_path):
    write(tmp_path, "a.md", "---\nA rule, and a paragraph.\n---\n\nText.")
    assert only(tmp_path, "a.md")["text"].startswith("---\nA rule")


# Web pages


def beekeeping():
    return read_webpage((DOCUMENTS / "beekeeping.html").read_text())


def test_a_page_keeps_headings_lists_tables_and_code():
    text, title = beekeeping()
    assert title == "Swarming"
    for part in (
        "# Swarming\n",
        "## Signs\n",
        "- Queen cells hang at the edges of the comb.\n- The bees",
        "| 16 | The queen emerges. |",
        "```\nhive.open()\n  hive.inspect()\n```",
        "with about *half* of the workers, and a colony holds up to 10^5 bees.",
    ):
        assert part in text


def test_a_page_loses_its_furniture():
    text, _ = beekeeping()
    for part in ("Prev", "Next", "newsletter", "Handbook", "track(", "color", "Copyright"):
        assert part not in text


def test_a_note_does_not_open_a_section():
    text, _ = beekeeping()
    assert "**Note**\n\nA swarm is seldom aggressive." in text and "# Note" not in text


def test_a_page_whose_wrapper_is_named_like_furniture_is_kept():
    text, _ = read_webpage(
        "<body class='sidebar-left'><div id='menu-page'><p>All there is to say.</p></div></body>"
    )
    assert text.strip() == "All there is to say."


def test_a_list_of_definitions_with_links_is_kept():
    entries = "".join(f"<dt>T{n}</dt><dd><a href='#{n}'>Term number {n}</a></dd>" for n in range(9))
    links = "".join(f"<li><a href='#{n}'>Elsewhere {n}</a></li>" for n in range(9))
    text, _ = read_webpage(f"<body><p>Words.</p><dl>{entries}</dl><ul>{links}</ul></body>")
    assert "Term number 8" in text and "Elsewhere" not in text


@pytest.mark.parametrize(
    "page",
    [
        "",
        "   ",
        "<!-- nothing -->",
        "plain & simple",
        "<p>one<p>two",
        "<?xml version='1.0' encoding='ascii'?><p>é</p>",
        "<html></html>",
        "<frameset><frame src=x></frameset>",
    ],
)
def test_odd_pages_do_not_fail(page):
    text, title = read_webpage(page)
    assert isinstance(text, str) and isinstance(title, str)


def test_a_page_nested_too_deep_to_give_any_text_is_rejected_with_a_reason():
    with pytest.raises(Reject) as refused:
        read_webpage("<div>" * 3000 + "deep")
    assert refused.value.reason == "nested too deep"


@given(st.text(alphabet="<>/abpdivtrh1 ='\"&;-!\n", max_size=200))
def test_no_page_fails(page):
    text, title = read_webpage(page)
    assert isinstance(text, str) and isinstance(title, str)
