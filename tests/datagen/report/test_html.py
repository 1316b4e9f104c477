"""The report as a whole: its content, and no active content."""

import html.parser
import re

import pyarrow as pa
import pytest

from datagen.report.charts import columns, draw_all
from datagen.report.funnel import funnel_chart
from datagen.report.html import write_report
from datagen.report.samples import side_by_side
from datagen.run.folder import open_run
from datagen.store.parquet import write_table
from tests.support import finished


class Page(html.parser.HTMLParser):
    """Collects the tags, the marked words and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.marks, self.text, self._open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" not in self._open:
            self.text.append(data)
        if "mark" in self._open:
            self.marks.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    run = open_run(finished.write(tmp_path_factory.mktemp("run")))
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_there_is_no_active_content(page):
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "link", "object", "form", "image"}
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in attributes if name.startswith("on")}
    targets = [
        attrs[name] for _, attrs in page.tags for name in ("href", "src", "xlink:href") if name in attrs
    ]
    assert targets and all(target.startswith("#") for target in targets)
    text = "".join(page.text)
    assert "alert(1)" in text and "<script>" in text  # shown as text


def test_every_chart_is_labelled_and_has_its_numbers_as_a_table(page):
    figures = [tag for tag, _ in page.tags if tag == "figure"]
    svgs = [attrs for tag, attrs in page.tags if tag == "svg"]
    captions = [tag for tag, _ in page.tags if tag == "figcaption"]
    assert len(figures) == len(svgs) == len(captions) >= 9
    graphics = [attrs for _, attrs in page.tags if attrs.get("role", "").startswith("graphics")]
    assert all(attrs.get("aria-label") or attrs.get("aria-roledescription") for attrs in graphics)
    order = [tag for tag, _ in page.tags if tag in ("figure", "svg", "table")]
    assert re.findall(r"figure svg table", " ".join(order)).__len__() == len(figures)


def test_a_screen_reader_gets_the_title_and_description_of_each_chart(page):
    svgs = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert all(attrs["role"].startswith("graphics-document") and attrs["aria-label"] for attrs in svgs)
    names = [tag for tag, _ in page.tags if tag in ("figure", "svg", "title", "desc")]
    assert " ".join(names).count("svg title desc") == len(svgs)
    assert len({attrs["aria-label"] for attrs in svgs}) == len(svgs)


def test_every_header_of_a_table_names_what_it_heads(page):
    headers = [attrs for tag, attrs in page.tags if tag == "th"]
    assert {attrs.get("scope") for attrs in headers} == {"col", "row"}


def test_charts_use_the_colours_of_the_page(page):
    fills = {attrs[name] for _, attrs in page.tags for name in ("fill", "stroke") if name in attrs}
    assert fills <= {"none", "transparent", "currentColor"} | {
        fill for fill in fills if fill.startswith("var(--")
    }
    assert any(fill.startswith("var(--") for fill in fills)


def test_the_evidence_is_marked_in_kept_and_dropped_rows(page):
    assert {" ".join(mark.split()) for mark in page.marks} == {finished.EVIDENCE}
    assert len(page.marks) >= 4 + 2


def test_counts_from_documents_to_the_hand_off(page):
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "5 documents 4 passages 40 rows generated 38 rows handed off" in text
    assert "4 of 5 documents (80 %)" in text
    assert "near duplicate 2 5.0 %" in text


def test_questions_held_out_are_counted_with_the_hand_off(tmp_path):
    run = open_run(finished.write(tmp_path))
    write_table(pa.table({"id": ["1", "2"]}), run.folder / "handoff/knowledge_test/knowledge_test/a.parquet")
    text = " ".join(Page(write_report(run).read_text(encoding="utf-8")).text)
    assert "2 questions are held out as the knowledge test." in text


def test_each_stage_has_its_counts_and_reasons(page):
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "write 43 40 rows 3 3 not a question" in text
    assert "dedup 40 38 rows 2 2 near duplicate" in text


def test_dropped_rows_are_shown_next_to_kept_ones_with_stage_and_reason(tmp_path, page):
    kept, dropped = side_by_side(open_run(finished.write(tmp_path)))["instruction"]

    def first(numbers):
        return sorted(finished.row(number)["id"] for number in numbers)[:4]

    assert [sample.row["id"] for sample in kept] == first(range(2, 40))
    assert [sample.row["id"] for sample in dropped] == first([0, 1, 40, 41, 42])
    assert {sample.stage for sample in dropped} <= {"dedup", "write"}
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert text.count("near duplicate · dedup · timetable") > 2  # side by side, and by reason


def test_each_number_of_the_funnel_has_a_unit():
    records = [
        {"stage": "read", "gives": "documents", "rows_out": 5, "dropped": {}},
        {"stage": "write", "gives": "examples", "rows_out": 40, "dropped": {"not a question": 3}},
    ]
    chart = funnel_chart(records)
    assert [list(row) for row in chart.rows] == [
        ["read", 5, "documents"],
        ["read", 0, "dropped"],
        ["write", 40, "rows"],
        ["write", 3, "dropped"],
    ]


def test_columns_name_what_they_count_and_start_at_a_plain_zero():
    values = [{"length": name, "documents": count} for name, count in (("0", 400), ("1", 1500))]
    chart = columns("Lengths", "", values, "length", "documents")
    draw_all([chart])
    assert ">documents</text>" in chart.svg and ">0</text>" in chart.svg and "0k" not in chart.svg
