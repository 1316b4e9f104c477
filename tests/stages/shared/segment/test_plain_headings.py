"""Headings of plain text are found if the whole document supports them; lists are not headings."""

import pytest

from datagen.stages.shared.segment.blocks import blocks

PROSE = "The keeper winds the clock at dusk. A bell is rung in fog, and the log is kept by the mate.\n"


def headings(*parts):
    text = "\n\n".join(part if part else PROSE * 2 for part in parts)
    return [(block.level, block.title) for block in blocks(text) if block.kind == "heading"]


def test_numbered():
    assert headings("1 Lamps", "", "1.1 Trimming", "", "1.2. Filling", "", "2 Fog signals", "") == [
        (1, "1 Lamps"),
        (2, "1.1 Trimming"),
        (2, "1.2. Filling"),
        (1, "2 Fog signals"),
    ]


def test_capitals_above_numbers():
    assert headings("LAMPS", "", "1. Oil", "", "2. Wicks", "", "FOGS", "", "LOGS", "", "3. Ink", "") == [
        (1, "LAMPS"),
        (2, "1. Oil"),
        (2, "2. Wicks"),
        (1, "FOGS"),
        (1, "LOGS"),
        (2, "3. Ink"),
    ]


def test_chapters():
    result = headings("Chapter 1", "", "CHAPTER II. Of bells", "", "Appendix A: Tables", "")
    assert [level for level, _ in result] == [1, 1, 1]


@pytest.mark.parametrize(
    "parts",
    [
        ("1. Open the lid", "2. Lift the pump", "3. Close the lid", "4. Report", ""),  # a list
        ("1 Lamps", "", "7 Bells", "", "3 Logs", ""),  # no sequence
        ("WARNING", ""),  # one alone
        ("1. The lamp is lit.", "", "2. The bell is rung.", "", "3. The log is kept.", ""),  # sentences
        ("12 May", "", "1998", "", "3 June", ""),
        ("1 Lamps\nare lit", "", "2 Bells\nare rung", "", "3 Logs\nare kept", ""),  # not alone
    ],
)
def test_other_lines_are_not_headings(parts):
    assert headings(*parts) == []


def test_plain_headings_are_ignored_next_to_marked_ones():
    assert headings("# Title", "", "LAMPS", "", "BELLS", "", "LOGS", "") == [(1, "Title")]
