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


def test_the_items_and_sentences_of_a_cell_are_apart():
    cell = "<p>Oil of</p><p>whales</p><p>Gas</p>", "<ul><li>red</li><li>blue.</li><li>green</li></ul>"
    text = text_of(table(("Fuel", "Colour"), cell))
    assert text.endswith("| Oil of whales; Gas | red; blue. green |")


def test_cells_across_columns_leave_no_blank_column():
    wide = ("colspan=3", "Wick"), ("colspan=2", "Oil")
    rows = [(("colspan=2", f"wick {number}"), "", ("colspan=2", f"oil {number}")) for number in range(2)]
    text = text_of(table(wide, *rows))
    assert text == "| Wick | Oil |\n| --- | --- |\n| wick 0 | oil 0 |\n| wick 1 | oil 1 |"


def test_a_table_of_one_row_is_text():
    assert text_of(table(("void", "light", "(", "Oil", ")"))) == "void light ( Oil )"
    assert text_of(table(("<p>Argand</p>", "<p>Geneva</p>"))) == "Argand\n\nGeneva"


def test_data_in_the_first_row_is_no_header():
    signatures = ("light(Oil oil)", "Lamp"), ("quench()", "Lamp")
    assert text_of(table(*signatures)).split("\n")[0] == "|  |  |"
    assert text_of(table(("Lamp", "1.5"), ("Wick", "2.5"))).split("\n")[0] == "|  |  |"
    assert text_of(table(("Lamp", "2026"), ("Wick", "2.5"))).split("\n")[0] == "| Lamp | 2026 |"


def test_most_rows_of_a_form_are_across_it_or_nearly_all_have_one_cell():
    across = [(("colspan=3", f"{number}. Describe the lamp"),) for number in range(4)]
    assert "|" not in text_of(table(*across, ("Town", "", "Date"), ("Name", "", "Street")))
    checks = [("", f"The lamp {number} is trimmed.", "") for number in range(8)]
    assert "|" not in text_of(table(("Code", "Check", "Done"), *checks))
    assert "|" in text_of(table(*DATA, *checks[:5]))
