"""Tables and lists of pages that Markdown cannot write as they are."""

import pytest

from datagen.stages.sources.ingest.readers.webpage import read_webpage


def text_of(page):
    return read_webpage(page, whole=True)[0].rstrip()


def table(*rows):
    """Write a table of rows of cells; a cell may be a pair of its attributes and its text."""
    cells = "".join(
        "<tr>"
        + "".join(
            f"<td {cell[0]}>{cell[1]}</td>" if isinstance(cell, tuple) else f"<td>{cell}</td>" for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return f"<table>{cells}</table>"


DATA = (("Lamp", "Oil", "Wick"), ("Argand", "whale", "hollow"), ("Davy", "rape", "round"))


@pytest.mark.parametrize("title", [(("colspan=3", "Lamps in use"),), ("Lamps in use", "", "")])
def test_a_title_within_a_table_is_above_its_header(title):
    text = text_of(table(title, *DATA))
    assert text.startswith("Lamps in use\n\n| Lamp | Oil | Wick |\n| --- |")


def test_a_header_with_one_name_is_a_header():
    rows = (("", "2006"), ("Oil", "3"), ("Gas", "4"))
    assert text_of(table(*rows)).startswith("|  | 2006 |\n")
    assert text_of(table(("Fuel", ""), *rows[1:])).startswith("| Fuel |  |\n")


def test_blank_columns_and_rows_are_removed_where_no_cell_spans_others():
    blank = [("", *row, "") for row in DATA]
    assert text_of(table(*blank, ("",) * 5)) == text_of(table(*DATA))
    spanned = (("rowspan=2", "Argand"), "", "x")
    assert text_of(table(("a", "", "c"), spanned, ("", "y"))).startswith("| a |  | c |")


def test_a_form_becomes_paragraphs_and_a_table_with_titles_between_its_rows_does_not():
    across = [(("colspan=3", f"{number}. Describe the lamp"),) for number in range(5)]
    assert "|" not in text_of(table(*across, ("Town", "", "Date")))
    assert text_of(table(DATA[0], across[0], DATA[1], across[1], DATA[2])).count("\n|") == 5


def test_a_table_typed_into_one_row_has_the_rows_of_its_lines():
    lines = "<p></p><p>Income</p><p>Tax</p><p>Rest</p>", "€<br>100<br>30<br>70<br>"
    text = text_of(table(("", "2006"), lines))
    assert text == "|  | 2006 |\n| --- | --- |\n|  | € |\n| Income | 100 |\n| Tax | 30 |\n| Rest | 70 |"
    other = "<p>Income</p><p>Tax</p><p>Rest</p>", "€<br>100"
    assert text_of(table(("", "2006"), other)).count("\n") == 2  # different numbers of lines


def test_items_that_are_only_lists_are_items_of_the_list_around_them():
    assert text_of("<ul><li><ul><li>Oil</li><li>Gas</li></ul></li></ul>") == "- Oil\n- Gas"
    assert text_of("<ul><li><ol><li>Oil</li><li>Gas</li></ol></li></ul>") == "1. Oil\n2. Gas"
    nested = "<ul><li>Fuel</li><li><ul><li>Oil</li></ul></li></ul>"
    assert text_of(nested) == "- Fuel\n  - Oil"


def test_items_without_text_are_removed():
    assert text_of("<ul><li></li><li>Oil</li><li><p> </p></li></ul>") == "- Oil"
