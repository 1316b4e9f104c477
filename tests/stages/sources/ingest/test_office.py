"""What Word documents, OpenDocument files and spreadsheets lose in common converters is kept."""

import io
import json
import struct
import zipfile
from itertools import islice, product

import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.readers.spreadsheet import MAX_CHARS, blocks
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.record import File
from tests.support.office import ODF, OFFICE, RELATIONS, TYPES, W, docx, opendocument, paragraph, zipped

M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)


@pytest.fixture
def read(tmp_path):
    def reader(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return list(rows(File(path, name, Source(path=name), len(data))))

    return reader


@pytest.fixture
def text_of(read):
    def reader(name, data):
        (row,) = read(name, data)
        assert "reason" not in row, row
        return row["text"]

    return reader


def run(text, properties=""):
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def math(text):
    return f"<m:r><m:t>{text}</m:t></m:r>"


SQUARE = f"<m:sSup><m:e>{math('c')}</m:e><m:sup>{math('2')}</m:sup></m:sSup>"
HALF = f"<m:f><m:num>{math('a+b')}</m:num><m:den>{math('2')}</m:den></m:f>"
ROOT = f"<m:rad><m:deg/><m:e>{math('x')}</m:e></m:rad>"
SUM = (
    f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{math('i=1')}</m:sub><m:sup>{math('n')}</m:sup>"
    f"<m:e>{math('i')}</m:e></m:nary>"
)
INDEXED = f"<m:sSub><m:e>{math('a')}</m:e><m:sub>{math('0')}</m:sub></m:sSub>"
INTERVAL = f"<m:d><m:dPr><m:begChr m:val='['/></m:dPr><m:e>{math('0')}</m:e><m:e>{math('1')}</m:e></m:d>"
LOG = f"<m:func><m:fName>{math('log')}</m:fName><m:e>{math('x')}</m:e></m:func>"


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        (math("E=m") + SQUARE, "E=mc^2"),
        (HALF, "(a+b)/2"),
        (ROOT, "√x"),
        (SUM, "∑_(i=1)^n i"),
        (INDEXED, "a_0"),
        (INTERVAL, "[0, 1)"),
        (LOG, "log(x)"),
    ],
)
def test_formulas_stay_in_place(text_of, formula, written):
    inline = f"<w:p xmlns:m='{M}'>{run('We have ')}<m:oMath>{formula}</m:oMath>{run(' here.')}</w:p>"
    block = f"<w:p xmlns:m='{M}'><m:oMathPara><m:oMath>{formula}</m:oMath></m:oMathPara></w:p>"
    text = text_of("a.docx", docx(inline + block))
    assert text.replace("\\", "") == f"We have {written} here.\n\n{written}"


def test_ruby_keeps_its_base_and_hidden_text_is_removed(text_of):
    ruby = (
        f"<w:r><w:ruby><w:rt>{run('とうきょう')}</w:rt><w:rubyBase>{run('東京')}</w:rubyBase></w:ruby></w:r>"
    )
    hidden = run("secret", "<w:vanish/>") + run("shown", "<w:vanish w:val='0'/>")
    text = text_of("a.docx", docx(f"<w:p>{run('In ')}{ruby}{run(' now, ')}{hidden}</w:p>"))
    assert text == "In 東京 now, shown"


def test_code_styles_make_one_block(text_of):
    styles = (
        f"<w:styles xmlns:w='{W}'><w:style w:type='paragraph' w:styleId='C'><w:name w:val='Source Code'/>"
    )
    data = zipped(
        **{
            "[Content_Types].xml": f'<Types xmlns="{TYPES}"><Default Extension="xml" ContentType="application/xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r" Type="{OFFICE}/officeDocument" Target="/word/document2.xml"/></Relationships>',
            "word/_rels/document2.xml.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
            "word/styles.xml": f"{styles}</w:style></w:styles>",
            "word/document2.xml": f'<w:document xmlns:w="{W}"><w:body>{paragraph("import sys", "C")}{paragraph("exit()", "C")}</w:body></w:document>',
        }
    )
    assert text_of("a.docx", data) == "```\nimport sys\nexit()\n```"


def test_a_frame_of_one_column_is_not_a_table(text_of):
    cell = f"<w:tr><w:tc>{paragraph('First words.')}{paragraph('Second words.')}</w:tc></w:tr>"
    assert text_of("a.docx", docx(f"<w:tbl>{cell}</w:tbl>")) == "First words.\n\nSecond words."


def items(*texts):
    return (
        "<text:list>" + "".join(f"<text:list-item>{text}</text:list-item>" for text in texts) + "</text:list>"
    )


def test_lists_of_slides_are_nested_and_tight_and_notes_follow(text_of):
    inner = items(items("<text:p>below</text:p>", "<text:p>it</text:p>"))
    body = f"""<office:presentation><presentation:footer-decl>Every page</presentation:footer-decl><draw:page draw:name="p">
    <draw:frame presentation:class="outline">{items("<text:p>one</text:p>")}{inner}{items("<text:p/>")}{items("<text:p>two</text:p>")}</draw:frame>
    <presentation:notes><draw:frame presentation:class="notes"><text:p>What is said.</text:p></draw:frame></presentation:notes>
    </draw:page></office:presentation>"""
    assert text_of("a.odp", opendocument(body)) == "## p\n\n- one\n  - below\n  - it\n- two\n\nWhat is said."


def test_numbered_headings_in_lists_are_headings(text_of):
    """LibreOffice writes the numbers of an outline as lists around its headings."""

    def outline(*headings):
        items = "".join(
            f'<text:list-item><text:h text:outline-level="{level}">{title}</text:h></text:list-item>'
            for level, title in headings
        )
        return f"<text:list>{items}</text:list>"

    inner = f"<text:list><text:list-item>{outline((2, 'Oil'))}</text:list-item></text:list>"
    items = "<text:list><text:list-item><text:p>an item</text:p></text:list-item></text:list>"
    body = f"<office:text>{outline((1, 'Lamps'), (1, 'Wicks'))}{inner}{items}</office:text>"
    assert text_of("a.odt", opendocument(body)) == "# Lamps\n\n# Wicks\n\n## Oil\n\n- an item"


def test_the_paragraph_styled_as_title_is_a_heading(text_of):
    body = (
        "<office:text><text:p text:style-name='Title'>On Lamps</text:p><text:p>Words.</text:p></office:text>"
    )
    assert text_of("a.odt", opendocument(body)) == "# On Lamps\n\nWords."


@pytest.mark.parametrize("name", ["a.odt", "a.ods", "a.xlsx"])
def test_a_file_with_a_password_is_dropped_as_encrypted(read, name):
    entry = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    manifest = f"<manifest:manifest xmlns:manifest='x'>{entry}</manifest:manifest>"
    locked = zipped(**{"META-INF/manifest.xml": manifest, "content.xml": b"\x8f\x13", "meta.xml": b"\x01"})
    (row,) = read(name, OLE + "EncryptedPackage".encode("utf-16-le") if name == "a.xlsx" else locked)
    assert row["reason"] == "encrypted" and "password" in row["detail"]


def test_a_sheet_is_titles_tables_and_notes():
    sheet = [
        ["3. Segments", "", ""],
        ["", "", ""],
        ["", "Sales", "Profit"],
        ["", "", ""],
        ["Zone A", "10", "-2"],
        ["", "", ""],
        ["Zone B", "11", "3%"],
        ["(a) Not audited.", "", ""],
        ["", "", ""],
        ["Item", "Remark", ""],
        ["Lamp", "bright", ""],
    ]
    assert list(blocks(sheet)) == [
        "3. Segments",
        "|  | Sales | Profit |\n| --- | --- | --- |\n| Zone A | 10 | -2 |\n| Zone B | 11 | 3% |",
        "(a) Not audited.",
        "| Item | Remark |\n| --- | --- |\n| Lamp | bright |",
    ]


def test_the_parts_of_a_table_in_ideographs_are_as_short_as_their_passages():
    sheet = [["番号", "備考"], *([str(number), "製品戦略事業" * 5] for number in range(30))]
    tables = list(blocks(sheet))
    assert all(table.startswith("| 番号 | 備考 |\n") for table in tables)
    assert len(tables) > 2 and max(map(len, tables)) < 700


@pytest.mark.parametrize(
    ("header", "row", "written"),
    [
        ([["", "Sales", "", "Profit", ""], ["Zone", "2022", "2023", "2022", "2023"]], "A|1|2|3|4", "Zone | Sales: 2022 | Sales: 2023 | Profit: 2022 | Profit: 2023"),
        ([["Zone", "Sales", ""], ["", "home", "abroad"], ["", "t", "EUR"]], "A|1|2", "Zone | Sales: home: t | Sales: abroad: EUR"),
        ([["Zone", "x" * 99, ""], ["", "home", "abroad"]], "A|1|2", f"Zone | {'x' * 99}: home | abroad"),
        ([["", "Owner", "Height"], ["A", "Bo", "tall"]], "B|Cy|3", " | Owner | Height"),
        ([["Zone", "Sales", "Height"], ["A", "few", "low"]], "B|1|2", "Zone | Sales | Height"),
        ([["Zone", "Sales", ""], ["A", "12", "few"]], "B|1|2", "Zone | Sales | "),
    ],
)  # fmt: skip
def test_a_header_in_several_rows_names_each_column_once(header, row, written):
    (table,) = blocks([*header, row.split("|")])
    assert table.split("\n")[0] == f"| {written} |"
    assert table.count("\n") == 2 or written.endswith((" | ", "Height"))


def test_the_parts_of_a_long_table_have_its_header():
    sheet = [["No", "Remark"], *([str(number), "word " * 20] for number in range(100))]
    tables = list(blocks(sheet))
    assert len(tables) > 5 and all(table.startswith("| No | Remark |\n") for table in tables)
    assert max(map(len, tables)) < 1.3 * MAX_CHARS
    rows_of_data = [line for table in tables for line in table.split("\n")[2:]]
    assert [line.split()[1] for line in rows_of_data] == [str(number) for number in range(100)]


def test_a_section_has_its_own_header_where_that_repeats_most_names_of_the_last():
    rows = [
        ["Id", "Lamps", "Answer", "Notes"],
        ["a", "Is it lit?", "Yes", ""],
        ["b", "Is it full?", "No", ""],
    ]
    for name in ("Wicks", "2"):
        second = [["Id", name, "Answer", "Notes"], ["c", "Is it dry?", "Yes", ""]]
        assert list(blocks([*rows, *second])) == [write_table(rows), write_table(second)]
    third = ["Id", "7", "Answer", "3"]
    assert list(blocks([*rows, third])) == [write_table([*rows, third])]


def test_values_that_many_rows_share_are_no_header():
    rows = [["Ada", "open", "oil"], ["Bo", "open", "oil"], ["Cy", "open", "oil"]]
    assert list(blocks(rows)) == [write_table(rows)]


def test_the_first_pair_of_a_name_and_a_text_is_not_repeated_as_a_header():
    pairs = [
        [f"Field {n}", f"The value number {n} of a record, which says what it is. " * 8] for n in range(6)
    ]
    pairs.insert(3, ["A note.", ""])
    text = "\n\n".join(blocks([cell.strip() for cell in pair] for pair in pairs))
    assert [text.count(f"Field {n} ") for n in range(6)] == [1] * 6


def test_a_label_and_its_value_are_not_repeated_as_a_header():
    rows = [["Session:", "April"], ["Name", "Ada"], ["Signature", ""], ["Town", "Bern"]]
    assert "\n\n".join(blocks(rows)).count("Session:") == 1


def test_a_header_is_never_without_its_first_row():
    tables = list(blocks([["No", "Remark"], ["1", "word " * 300], ["2", "word"]]))
    assert [len(table.split("\n")) for table in tables] == [3, 3]
    grouped = [["No", "Remark"], ["Tools", ""], ["1", "saw"], ["Ropes", ""], ["2", "hemp"], ["End", ""]]
    header = "| No | Remark |\n| --- | --- |\n"
    assert list(blocks(grouped)) == ["Tools", f"{header}| 1 | saw |", "Ropes", f"{header}| 2 | hemp |", "End"]
    assert list(blocks([["No", "Remark"], ["Tools", ""]])) == ["Tools", header.strip()]


def workbook(*sheets, styles="<styleSheet/>"):
    """Make a workbook of the XML of its sheets' rows; they are called S1, S2, ..."""
    names = "".join(f'<sheet name="S{at}" sheetId="{at}" r:id="s{at}"/>' for at in range(1, len(sheets) + 1))
    relations = "".join(
        f'<Relationship Id="s{at}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    relations += f'<Relationship Id="t" Type="{OFFICE}/styles" Target="styles.xml"/>'
    return zipped(
        **{
            "[Content_Types].xml": f'<Types xmlns="{TYPES}"/>',
            "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{SHEETS}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{relations}</Relationships>',
            "xl/styles.xml": styles,
        },
        **{
            f"xl/worksheets/sheet{at}.xml": f'<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>'
            for at, rows in enumerate(sheets, start=1)
        },
    )


def string(place, text):
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def number(place, value, attributes=""):
    return f'<c r="{place}" {attributes}><v>{value}</v></c>'


FRUIT = f'<row r="1">{string("A1", "Name")}{string("B1", "Price")}</row><row r="2">{string("A2", "Pear")}{number("B2", 3)}</row>'
PEAR = "| Name | Price |\n| --- | --- |\n| Pear | 3 |"


@pytest.mark.parametrize(
    ("far", "written"),
    [
        (f'<row r="1048576">{string("XFD1048576", "far")}</row>', "\n\nfar"),
        ('<row r="1048576"><c r="XFD1048576" s="1"/></row>', ""),
        (
            f'<row r="3">{string("A3", "Fig")}{number("B3", 4)}</row><row r="900000">{string("ZZ900000", "far")}</row>',
            "\n| Fig | 4 |\n\nfar",
        ),
    ],
)
def test_a_cell_far_from_the_others_costs_no_memory(text_of, far, written):
    assert text_of("a.xlsx", workbook(FRUIT + far)) == PEAR + written


FAR = f'<row r="1048576">{string("XFD1048576", "far")}</row>'


@pytest.mark.parametrize(
    "far",
    [
        FAR.replace('"', "'"),
        FAR.replace("r=", "r = "),
        FAR.replace("XFD", "xfd"),
        FAR.replace("1048576", "99999999999"),
        FAR.replace("XFD", "ZZZZZ"),
    ],
)
def test_a_far_cell_is_known_however_its_place_is_written(text_of, far):
    assert text_of("a.xlsx", workbook(FRUIT + far)) == f"{PEAR}\n\nfar"


def test_cells_in_too_many_rows_and_columns_are_a_reason(read):
    columns = map("".join, islice(product("ABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=3), 2100))
    places = [(400 * at, f"{column}{400 * at}") for at, column in enumerate(columns, start=1)]
    (row,) = read(
        "a.xlsx", workbook("".join(f'<row r="{at}">{string(place, "x")}</row>' for at, place in places))
    )
    assert (row["reason"], row["detail"]) == ("too large", "2,100 rows with cells in 2,100 columns")


def test_a_far_cell_is_known_in_any_folder_of_the_workbook(text_of):
    with zipfile.ZipFile(io.BytesIO(workbook(FRUIT + FAR))) as archive:
        parts = {
            name.replace("worksheets/", ""): archive.read(name).replace(b"worksheets/", b"")
            for name in archive.namelist()
        }
    assert text_of("a.xlsx", zipped(**parts)) == f"{PEAR}\n\nfar"


@pytest.mark.parametrize(("old", "new"), [(b"</row></sheetData></worksheet>", b""), (b"Fig", b"Fig & Co")])
def test_a_sheet_that_is_not_well_formed_says_so(read, old, new):
    data = workbook(FRUIT + f'<row r="3">{string("A3", "Fig")}{number("B3", 4)}</row>')
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).replace(old, new) for name in archive.namelist()}
    (row,) = read("a.xlsx", zipped(**parts))
    assert row["text"].startswith(PEAR) and "Fig" in row["text"]
    assert json.loads(row["metadata"])["left_out"] == {"damaged cells": 1}


def test_a_sparse_workbook_keeps_an_empty_row_between_two_tables(text_of):
    second = f'<row r="70000">{string("A70000", "Tool")}{string("B70000", "Use")}</row>'
    rows = f'<row r="70001">{string("A70001", "Saw")}{string("XFD70001", "wood")}</row>'
    tables = text_of("a.xlsx", workbook(FRUIT + second + rows)).split("\n\n")
    assert tables == [PEAR, "| Tool | Use |  |\n| --- | --- | --- |\n| Saw |  | wood |"]


def test_a_sparse_workbook_keeps_its_dates(text_of):
    dates = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    rows = f'<row r="3">{string("A3", "Fig")}{number("B3", 45000, """s="1" """)}</row>'
    far = f'<row r="1048576">{string("XFD1048576", "far")}</row>'
    data = workbook(FRUIT + rows + far, styles=f'<styleSheet xmlns="{SHEETS}">{dates}</styleSheet>')
    assert text_of("a.xlsx", data) == f"{PEAR}\n| Fig | 2023-03-15 |\n\nfar"


PERCENT = f"""<styleSheet xmlns="{SHEETS}">
<numFmts><numFmt numFmtId="164" formatCode="0.0%;[Red]-0.0%"/><numFmt numFmtId="165" formatCode='0.00" % of all"'/></numFmts>
<cellXfs><xf numFmtId="0"/><xf numFmtId="9"/><xf numFmtId="10"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>
</styleSheet>"""


@pytest.mark.parametrize(("shown", "written"), [("3,5 %", "3,5 %"), ("", "0.035")])
def test_a_percentage_of_an_opendocument_sheet_is_written_as_it_is_shown(read, shown, written):
    rows = TYPED.format("percentage", "value", "0.035", shown, ods_row("Fig")[18:-18])
    (row,) = read("a.ods", ods(ods_row("Share", "Name") + rows))
    assert row["text"] == f"| Share | Name |\n| --- | --- |\n| {written} | Fig |"
    assert row["metadata"] == "{}"


@pytest.mark.parametrize("first", ["B3", "C60", "XFD1048575"])
@pytest.mark.parametrize(
    ("style", "written"),
    [(0, "0.0349907918969"), (1, "3%"), (2, "3.50%"), (3, "3.5%"), (4, "0.0349907918969")],
)
def test_a_percentage_is_written_as_it_is_shown(text_of, style, written, first):
    row = int(first.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    column = first.removesuffix(str(row))
    cells = string(f"A{row}", "Fig") + number(f"{column}{row}", 0.0349907918969, f's="{style}"')
    header = string(f"A{row - 1}", "Name") + string(f"{column}{row - 1}", "Share")
    data = workbook(f'<row r="{row - 1}">{header}</row><row r="{row}">{cells}</row>', styles=PERCENT)
    assert text_of("a.xlsx", data).split("|")[-2].strip() == written


def test_a_percentage_is_found_where_a_sheet_does_not_begin_at_its_corner(text_of):
    header = f'<row r="7">{string("C7", "Name")}{string("D7", "Share")}</row>'
    rows = f'<row r="8">{string("C8", "Fig")}{number("D8", 0.25, """s="1" """)}</row>'
    assert text_of("a.xlsx", workbook(header + rows, styles=PERCENT)).split("|")[-2].strip() == "25%"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (number("B3", "yes", 't="b"'), "yes"),
        (number("B3", "#ODD!", 't="e"'), "#ODD!"),
        (number("B3", 9, 't="other"'), "9"),
        (number("!!", 9), "9"),
    ],
)
def test_a_damaged_cell_costs_no_sheet(read, cell, written):
    rows = f'<row r="3">{string("A3", "Fig")}{cell}</row><row r="4">{string("A4", "A &amp;lt; B")}{number("B4", 5)}</row>'
    first, second = read("a.xlsx", workbook(FRUIT + rows, FRUIT))
    assert first["text"] == f"{PEAR}\n| Fig | {written} |\n| A &lt; B | 5 |"
    assert json.loads(first["metadata"]) == {"left_out": {"damaged cells": 1}}
    assert (second["text"], second["metadata"]) == (PEAR, "{}")


def test_a_sheet_that_cannot_be_read_costs_no_other(read):
    data = workbook(FRUIT, FRUIT)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if "sheet1" not in name}
    lost, sound = read("a.xlsx", zipped(**parts))
    assert (lost["reason"], "S1" in lost["detail"]) == ("unreadable file", True)
    assert (sound["source"], sound["text"]) == ("a.xlsx#S2", PEAR)


def ods(rows):
    """Make a workbook of OpenDocument of the XML of its rows."""
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    body = f'<office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet>'
    return zipped(
        mimetype="application/vnd.oasis.opendocument.spreadsheet",
        **{
            "META-INF/manifest.xml": manifest,
            "content.xml": f"<office:document-content {ODF}><office:body>{body}</office:body></office:document-content>",
        },
    )


def ods_row(*cells, attributes=""):
    texts = (
        f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for cell in cells
    )
    return f"<table:table-row {attributes}>{''.join(texts)}</table:table-row>"


EMPTY = '<table:table-row table:number-rows-repeated="{}"><table:table-cell table:number-columns-repeated="{}" {}/></table:table-row>'
TYPED = '<table:table-row><table:table-cell office:value-type="{}" office:{}="{}"><text:p>{}</text:p></table:table-cell>{}</table:table-row>'


@pytest.mark.parametrize(
    ("rows", "written", "damaged"),
    [
        (EMPTY.format(10_000, 16_384, 'table:style-name="c"') + ods_row("Fig", "4"), "\n| Fig | 4 |", 0),
        (EMPTY.format(1_048_500, 16_384, "") + EMPTY.format(1, 16_383, "").replace("</table:table-row>", ods_row("far")[18:]), "\n\nfar", 0),
        (TYPED.format("float", "value", "four", "about four", ods_row("x")[18:-18]), "\n| about four | x |", 1),
        (ods_row("Fig", "4", attributes='table:number-rows-repeated="-3"'), "\n| Fig | 4 |", 1),
    ],
)  # fmt: skip
def test_far_and_damaged_cells_of_opendocument(read, rows, written, damaged):
    (row,) = read("a.ods", ods(ods_row("Name", "Price") + ods_row("Pear", "3") + rows))
    assert row.get("text") == PEAR + written
    assert json.loads(row["metadata"]).get("left_out", {}).get("damaged cells", 0) == damaged


def test_repetitions_that_are_left_out_of_a_repaired_sheet_are_counted(read):
    damaged = TYPED.format("float", "value", "four", "about four", "")
    rows = ods_row("Fig", "4", attributes='table:number-rows-repeated="1500"')
    wide = ods_row("x").replace(
        "<table:table-cell ", '<table:table-cell table:number-columns-repeated="1002" '
    )
    (row,) = read("a.ods", ods(ods_row("Name", "Price") + damaged + rows + wide))
    assert row["text"].count("| Fig | 4 |") == 1000
    assert json.loads(row["metadata"])["left_out"] == {
        "damaged cells": 1,
        "repeated rows": 500,
        "repeated cells": 2,
    }


def test_a_workbook_larger_than_its_directory_states_is_dropped(read):
    rows = '<row><c t="inlineStr"><is><t>aaaaaaaaaa</t></is></c></row>' * 100_000
    data = workbook(rows)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    (sound,) = read("a.xlsx", data)
    assert sound["text"].startswith("aaaaaaaaaa")
    (lying,) = read("b.xlsx", data.replace(struct.pack("<I", size), struct.pack("<I", 500)))
    assert lying["reason"] == "unreadable file"


def with_chunks(*chunks):
    """Make a Word document of a paragraph, the chunks (name, data) and another paragraph."""
    relations = "".join(
        f'<Relationship Id="c{n}" Type="{OFFICE}/aFChunk" Target="{name}"/>'
        for n, (name, _) in enumerate(chunks)
    )
    marks = "".join(f'<w:altChunk xmlns:r="{OFFICE}" r:id="c{n}"/>' for n in range(len(chunks)))
    parts = {f"word/{name}".replace("word//", ""): data for name, data in chunks if data is not None}
    return docx(
        paragraph("Before.") + marks + paragraph("After."),
        **{"word/_rels/document.xml.rels": f'<Relationships xmlns="{RELATIONS}">{relations}</Relationships>'},
        **parts,
    )


ARCHIVE = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>In a web archive.</p>\n--b--\n"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.htm", "<html><head><title>T</title></head><body><p>In a page.</p></body></html>", "In a page."),
        ("/word/a.txt", "In a text.", "In a text."),
        ("a.rtf", "{\\rtf1 In RTF.}", "In RTF."),
        ("a.docx", docx(paragraph("In Word.")), "In Word."),
        ("a.mht", ARCHIVE, "In a web archive."),
        (
            "a.dat",
            "<html><body><p>In a page of another name.</p></body></html>",
            "In a page of another name.",
        ),
    ],
)
def test_a_file_that_is_a_part_of_the_text_is_inserted_at_its_place(text_of, name, data, text):
    assert text_of("a.docx", with_chunks((name, data))) == f"Before.\n\n{text}\n\nAfter."


def test_a_part_that_cannot_be_read_is_counted_and_the_rest_is_kept(read):
    data = with_chunks(
        ("a.txt", "One."),
        ("b.txt", None),
        ("c.bin", b"\0\1"),
        ("d.docx", "no zip"),
        ("d.parquet", b"PAR1 broken"),
        ("e.txt", "Two."),
    )
    document, *dropped = read("a.docx", data)
    assert document["text"].split() == ["Before.", "One.", "Two.", "After."]
    assert [row["reason"] for row in dropped] == [
        "missing part",
        "unknown format",
        "unreadable file",
        "unreadable file",
    ]


def test_documents_that_contain_themselves_end(read):
    data = b"In Word."
    for _ in range(9):
        data = with_chunks(("a.docx", data))
    document, *_ = read("a.docx", data)
    assert document["text"].startswith("Before.")


def test_formulas_that_are_files_of_their_own_are_written_in_their_place(read):
    spaces = 'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    link = f'<draw:frame {spaces}><draw:object xlink:href="./Object 1"/></draw:frame>'
    document = opendocument(f"<office:text><text:p>If {link} holds, go on.</text:p></office:text>")
    math = (
        "<mi>E</mi><mo>=</mo><mfrac><mi>m</mi><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow></mfrac>"
        "<msup><mi>c</mi><mn>2</mn></msup>"
    )
    formula = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow>'
        f'{math}</mrow><annotation encoding="StarMath 5.0">E = m</annotation></semantics></math>'
    )
    stream = io.BytesIO(document)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("Object 1/content.xml", formula)
    assert read("a.odt", stream.getvalue())[0]["text"] == "If E=m/(a+1)c^2 holds, go on."


def test_numbered_lists_are_numbered_and_go_on_where_they_say_so(read):
    style = "urn:oasis:names:tc:opendocument:xmlns:style:1.0"
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    styles = (
        f'<s xmlns:style="{style}" xmlns:text="{text}"><text:list-style style:name="N">'
        '<text:list-level-style-number text:level="1" style:num-format="1"/>'
        '<text:list-level-style-bullet text:level="2"/></text:list-style></s>'
    )
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>".format
    inner = f"<text:list>{item('in', '')}</text:list>"
    first = f'<text:list text:style-name="N">{item("one", inner)}{item("two", "")}</text:list>'
    second = f'<text:list text:style-name="N" text:continue-numbering="true">{item("three", "")}</text:list>'
    other = f"<text:list>{item('none', '')}</text:list>"
    body = (
        f"<office:text>{first}<text:p>Between.</text:p>{second}<text:p>After.</text:p>{other}</office:text>"
    )
    stream = io.BytesIO(opendocument(body))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("styles.xml", styles)
    lines = [line for line in read("a.odt", stream.getvalue())[0]["text"].split("\n") if line.strip()]
    assert lines == ["1. one", "   - in", "2. two", "Between.", "3. three", "After.", "- none"]


def test_items_with_inner_lists_are_written_without_space_between_them(text_of):
    inner = "<text:list><text:list-item><text:p>flax</text:p></text:list-item></text:list>"
    items = f"<text:list-item><text:p>Oil</text:p>{inner}</text:list-item><text:list-item><text:p>Gas</text:p></text:list-item>"
    text = text_of("a.odt", opendocument(f"<office:text><text:list>{items}</text:list></office:text>"))
    assert text == "- Oil\n  - flax\n- Gas"
