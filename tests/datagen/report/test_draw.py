"""Drawing in a child process: its input, and the report if it fails."""

import logging

from datagen.report import draw
from datagen.report.html import write_report
from datagen.run.folder import open_run
from tests.support import finished

BAR = {"data": {"values": [{"a": "\x00\x1b￿x", "n": 1}]}, "mark": "bar", "encoding": {"y": {"field": "a"}}}


def test_characters_not_allowed_in_xml_are_replaced_everywhere():
    assert draw.legal({"\x1bk": ["a\x00", ("b\ud800",), 1, None]}) == {"�k": ["a�", ["b�"], 1, None]}
    (svg,) = draw.draw([BAR])
    assert svg.startswith("<svg") and "���x" in svg


def test_a_report_without_drawings_shows_its_tables(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(draw.sys, "executable", "/bin/false")
    with caplog.at_level(logging.WARNING):
        page = write_report(open_run(finished.write(tmp_path))).read_text(encoding="utf-8")
    assert "charts of the report could not be drawn" in caplog.text
    assert "<svg" not in page and page.count("<details open>") == page.count("<figure>") > 5
