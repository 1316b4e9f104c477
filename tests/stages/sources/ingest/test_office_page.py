"""Texts of Word and OpenDocument: headings without a style, notes in their places, prompts of empty fields."""

import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.record import File
from tests.support.office import OFFICE, RELATIONS, W, docx, opendocument, paragraph

M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
FO = "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"
STYLE = "urn:oasis:names:tc:opendocument:xmlns:style:1.0"
SENTENCE = "The lamp burns all night, and the keeper sleeps."


@pytest.fixture
def text_of(tmp_path):
    def reader(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        (row,) = rows(File(path, name, Source(path=name), len(data)))
        assert "reason" not in row, row
        return row["text"]

    return reader


def bold(text):
    return f"<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>{text}</w:t></w:r></w:p>"


def body(*texts):
    """Write paragraphs of a Word document; "*" makes one bold, "#" a heading."""
    return "".join(
        bold(text[1:])
        if text[0] == "*"
        else paragraph(text.lstrip("#"), "Heading1" if text[0] == "#" else "")
        for text in texts
    )


def headings(text):
    return [line for line in text.split("\n") if line.startswith("#")]


def test_bold_paragraphs_before_text_are_headings_below_those_of_a_style(text_of):
    text = text_of("a.docx", docx(body("#Lamps", "*Oil", SENTENCE, "*B1. Wicks are trimmed.", SENTENCE)))
    assert headings(text) == ["# Lamps", "## Oil", "## B1. Wicks are trimmed."]
    assert "**" not in text


@pytest.mark.parametrize(
    "paragraphs",
    [
        ("*Warning", SENTENCE),  # one is emphasised
        ("*Never leave it alone.", SENTENCE, "*Keep it dry.", SENTENCE, SENTENCE),  # sentences
        ("*p = 0.2", SENTENCE, "*17.5", SENTENCE, SENTENCE),  # values
        (
            "*Name",
            "*Street",
            "*Town",
            SENTENCE,
            "*Phone",
            "*Mail",
            "*Fax",
            SENTENCE,
            *[SENTENCE] * 5,
        ),  # a form
        ("*Oil", SENTENCE, SENTENCE, SENTENCE, "*Ada Byron", "*Director"),  # a signature
        ("*Oil", "*Gas", SENTENCE, "*Wax", "*Wick", SENTENCE),  # most is bold
    ],
)
def test_bold_paragraphs_that_are_no_headings_stay_text(text_of, paragraphs):
    assert headings(text_of("a.docx", docx(body(*paragraphs)))) == []


def test_a_paragraph_in_the_style_of_a_heading_is_text(text_of):
    text = text_of("a.docx", docx(body("#Lamps", SENTENCE, "#" + SENTENCE * 6)))
    assert headings(text) == ["# Lamps"] and text.count(SENTENCE) == 7


def test_bold_paragraphs_of_opendocument_are_headings(text_of):
    styles = (
        f'<office:automatic-styles><style:style xmlns:style="{STYLE}" style:name="{{}}" {{}}>'
        f'<style:text-properties xmlns:fo="{FO}" fo:font-weight="{{}}"/></style:style></office:automatic-styles>'
    ).format
    data = (
        styles("B", "", "bold")
        + styles("N", "", "normal")
        + f'<s><style:style xmlns:style="{STYLE}" style:name="C" style:parent-style-name="B"/></s>'
        + f"<office:text><text:p text:style-name='C'>Oil</text:p><text:p>{SENTENCE}</text:p>"
        f"<text:p><text:span text:style-name='B'>Gas</text:span></text:p><text:p>{SENTENCE}</text:p>"
        f"<text:p text:style-name='B'>Not <text:span text:style-name='N'>all of it</text:span></text:p>"
        f"<text:p>{SENTENCE}</text:p></office:text>"
    )
    assert headings(text_of("a.odt", opendocument(data))) == ["## Oil", "## Gas"]


def test_a_note_follows_the_paragraph_that_refers_to_it(text_of):
    def reference(number):
        return f"<w:p><w:r><w:t>Text {number}.</w:t></w:r><w:r><w:footnoteReference w:id='{number}'/></w:r></w:p>"

    notes = "".join(
        f"<w:footnote w:id='{number}'>{paragraph(f'Note {number}.')}</w:footnote>" for number in (1, 2)
    )
    related = f'<Relationship Id="n" Type="{OFFICE}/footnotes" Target="footnotes.xml"/>'
    word = docx(
        reference(1) + reference(2) + paragraph("The end."),
        **{
            "word/footnotes.xml": f'<w:footnotes xmlns:w="{W}">{notes}</w:footnotes>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{RELATIONS}">{related}</Relationships>',
        },
    )
    note = "<text:note><text:note-citation>{0}</text:note-citation><text:note-body><text:p>Note {0}.</text:p></text:note-body></text:note>".format
    odt = opendocument(
        f"<office:text><text:p>Text 1.{note(1)}</text:p>"
        f"<text:p>Text 2.{note(2)}</text:p><text:p>The end.</text:p></office:text>"
    )
    expected = "Text 1.[1]\n\n[1] Note 1.\n\nText 2.[2]\n\n[2] Note 2.\n\nThe end."
    assert text_of("a.docx", word) == expected
    assert text_of("a.odt", odt) == expected


def test_prompts_of_empty_fields_are_removed_and_values_are_kept(text_of):
    field = "<w:sdt><w:sdtPr>{}</w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>".format
    parts = field("<w:showingPlcHdr/>", paragraph("Click here")) + field("", paragraph("A value"))
    assert text_of("a.docx", docx(parts)) == "A value"


def test_formulas_side_by_side_are_apart(text_of):
    formula = f"<m:oMath xmlns:m='{M}'><m:r><m:t>{{}}</m:t></m:r></m:oMath>".format
    assert text_of("a.docx", docx(f"<w:p>{formula('a=b')}{formula('c=d')}</w:p>")) == "a=b; c=d"


def test_a_bold_heading_on_two_lines_is_one_and_answers_that_repeat_are_none(text_of):
    texts = (
        "*Oil that is",
        "*pressed",
        SENTENCE,
        "*Gas",
        SENTENCE,
        "*No",
        SENTENCE,
        "*No",
        SENTENCE,
        SENTENCE,
    )
    assert headings(text_of("a.docx", docx(body(*texts)))) == ["## Oil that is pressed", "## Gas"]


def test_a_style_without_type_or_name_costs_no_document(text_of):
    parts = {
        "word/styles.xml": f'<w:styles xmlns:w="{W}"><w:style/><w:style w:type="paragraph"/></w:styles>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{RELATIONS}">'
        f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
    }
    assert text_of("a.docx", docx(paragraph(SENTENCE), **parts)) == SENTENCE


def test_slides_of_opendocument_have_no_titles_of_programs_and_no_page_numbers(text_of):
    frame = "<draw:frame{}><draw:text-box>{}</draw:text-box></draw:frame>".format
    title = ' presentation:class="title"'
    slides = (
        f"<draw:page draw:name='page1'>{frame(title, '<text:p>Lamps<text:line-break/>of oil</text:p>')}</draw:page>"
        f"<draw:page draw:name='page2'>{frame('', f'<text:p>{SENTENCE}</text:p>')}"
        f"{frame('', '<text:p><text:page-number>&lt;number&gt;</text:page-number></text:p>')}</draw:page>"
    )
    text = text_of("a.odp", opendocument(f"<office:presentation>{slides}</office:presentation>"))
    assert text == f"## Lamps of oil\n\n{SENTENCE}"


def test_sections_numbered_in_several_levels_may_end_in_a_full_stop(text_of):
    texts = ("*18.33.030 Standards.", SENTENCE, "*18.33.040 Permits.", SENTENCE)
    assert headings(text_of("a.docx", docx(body(*texts)))) == [
        "## 18.33.030 Standards.",
        "## 18.33.040 Permits.",
    ]


def test_a_fraction_in_a_power_is_in_parentheses(text_of):
    fraction = "<m:f><m:num>{}</m:num><m:den><m:r><m:t>v</m:t></m:r></m:den></m:f>".format
    power = "<m:sSup><m:e>{}</m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>".format
    inner = "<m:d><m:e><m:r><m:t>x-c</m:t></m:r></m:e></m:d>"
    formula = f"<m:oMath xmlns:m='{M}'>{power(fraction(inner))}</m:oMath>"
    assert text_of("a.docx", docx(f"<w:p>{formula}</w:p>")) == "((x-c)/v)^2"


def test_the_notes_of_a_paragraph_follow_it_in_their_order(text_of):
    note = "<text:note><text:note-citation>{0}</text:note-citation><text:note-body><text:p>N{0}.</text:p></text:note-body></text:note>".format
    data = (
        f"<office:text><text:p>One{note(1)} and two{note(2)}.</text:p><text:p>The end.</text:p></office:text>"
    )
    assert text_of("a.odt", opendocument(data)) == "One[1] and two[2].\n\n[1] N1.\n\n[2] N2.\n\nThe end."
