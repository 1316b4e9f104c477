"""Each format is read; files in another format than their name states are handled."""

import io
import json
import shutil
import zipfile

import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.record import File
from tests.support.office import ODF, OFFICE, RELATIONS, W, docx, opendocument, paragraph, zipped


def pptx():
    a, p = (
        "http://schemas.openxmlformats.org/drawingml/2006/main",
        "http://schemas.openxmlformats.org/presentationml/2006/main",
    )

    def shape(kind, *texts):
        paragraphs = "".join(
            f'<a:p><a:pPr lvl="{level}"/><a:r><a:t>{text}</a:t></a:r></a:p>' for level, text in texts
        )
        return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>'

    def slide(*shapes):
        return f'<p:sld xmlns:a="{a}" xmlns:p="{p}">{"".join(shapes)}</p:sld>'

    def related(**targets):
        inner = "".join(f'<Relationship Id="{key}" Target="{target}"/>' for key, target in targets.items())
        return f'<Relationships xmlns="{RELATIONS}">{inner}</Relationships>'

    return zipped(
        **{
            "ppt/presentation.xml": f'<p:presentation xmlns:p="{p}" xmlns:r="{OFFICE}"><p:sldIdLst><p:sldId r:id="r2"/><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": related(r1="slides/slide1.xml", r2="slides/slide2.xml"),
            "ppt/slides/slide1.xml": slide(
                shape("title", (0, "Shown last")), shape("body", (0, "first"), (1, "below it"))
            ),
            "ppt/slides/slide2.xml": slide(shape("ctrTitle", (0, "Shown first")), shape("sldNum", (0, "77"))),
            "ppt/slides/_rels/slide1.xml.rels": related(r1="../notesSlides/notesSlide1.xml"),
            "ppt/notesSlides/notesSlide1.xml": slide(shape("body", (0, "What is said here."))),
        }
    )


def epub(**members):
    package = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:title>A Book</dc:title><dc:language>en</dc:language></metadata><manifest>
    <item id="b" href="text/two.xhtml" media-type="application/xhtml+xml"/><item id="a" href="text/one%20.xhtml" media-type="application/xhtml+xml"/>
    <item id="n" properties="nav" href="nav.xhtml" media-type="application/xhtml+xml"/></manifest>
    <spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
    links = "".join(f'<li><a href="x{at}.html">Further reading {at}</a></li>' for at in range(9))
    return zipped(
        **{
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": package,
            "OEBPS/nav.xhtml": "<html><body><p>Navigation</p></body></html>",
            "OEBPS/text/one .xhtml": "<html><body><h1>One</h1><p>First chapter.</p></body></html>",
            "OEBPS/text/two.xhtml": f"<html><body><h1>Two</h1><aside>An aside.</aside><ul>{links}</ul></body></html>",
        }
        | members
    )


MANIFEST = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
LETTER = (
    b"From: A <a@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n"
    b"Message-ID: <one@example.org>\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=iso-8859-1\n"
    b"Content-Transfer-Encoding: quoted-printable\n\nDear B,\n\nsee the h=F6tel.\n-- \nA's signature\n--x\nContent-Type: text/markdown\n"
    b"Content-Disposition: attachment; filename=plan.md\n\n# Plan\n\nGo there.\n--x--\n"
)
MBOX = (
    b"From a@example.org Mon Jan  5 10:00:00 2026\nSubject: One\nMessage-ID: <1@x>\n\nFirst letter.\n>From here it goes on.\nFrom there, too.\n\n"
    b"From b@example.org Mon Jan  5 11:00:00 2026\nSubject: Two\nMessage-ID: <2@x>\n\nSecond letter.\n"
)
NOTEBOOK = {
    "metadata": {"language_info": {"name": "Python"}},
    "cells": [
        {"cell_type": "markdown", "source": ["# Analysis\n", "\n", "Some words."]},
        {
            "cell_type": "code",
            "source": "print(6 * 7)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}],
        },
        {
            "cell_type": "code",
            "source": "plot()",
            "outputs": [{"data": {"image/png": "iVBO", "text/plain": "<Figure>"}}],
        },
        {"cell_type": "raw", "source": "raw"},
    ],
}
MAN = r""".\" a comment
.TH LS 1 "January 2026"
.de XX
a macro's definition
of two lines
..
.SH NAME
ls \- list directory contents
.SH OPTIONS
.TP
\fB\-a\fR, \fB\-\-all\fR
do not ignore entries
.PP
.B "Bold words"
go on.
.nf
ls -l \e
.fi
"""
MDOC = """.Dd January 1, 2026
.Dt CAT 1
.Os
.Sh NAME
.Nm cat
.Nd concatenate files
.Sh DESCRIPTION
The
.Nm
utility reads files.
.Bl -tag
.It Fl n Ar number
Number the lines.
.El
"""
RST = """
=====
Title
=====

See :ref:`the other <other>` and ``code_it_``, or `a
page <https://x.org>`_.

.. _target:

.. note:: Mind this.

Section
-------

Run::

    make all

.. code-block:: python
   :linenos:

   print(1)

.. image:: x.png

Last words.
"""
WIKI = """{{Infobox|a={{b}}}}
'''Rome''' is a [[city|big city]] in [[Italy]].<ref>A source.</ref>
[[File:x.jpg|thumb|a [[picture]]]]
== History ==
* founded
** early
{| class="wikitable"
! Year !! Event
|-
| 753 || Founding
|}
"""
SRT = "1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i> there,\n\n2\n00:00:02,500 --> 00:00:04,000\nhow are you?\n\n3\n00:01:00,000 --> 00:01:02,000\nLater on.\n"
VTT = "WEBVTT\n\nNOTE nothing\n\n00:01.000 --> 00:02.000\nrolling captions\n\n00:02.000 --> 00:03.000\nrolling captions\nrepeat a line\n"
DOCBOOK = "<book><title>The Book</title><chapter><title>One</title><para>Some <emphasis>words</emphasis> here.</para><programlisting>a\n  b</programlisting></chapter></book>"
DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><page><title>A</title><ns>0</ns><revision><text>== H ==\nText of A.</text></revision></page>
<page><title>R</title><ns>0</ns><redirect title="A"/><revision><text>#REDIRECT [[A]]</text></revision></page>
<page><title>Talk:A</title><ns>1</ns><revision><text>Talk.</text></revision></page></mediawiki>"""
RTF = rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\b Heading\b0\par A paragraph with \'e9 in it.\par}"


@pytest.fixture
def read(tmp_path):
    """Write a file, and read it: its kept and its dropped rows."""

    def reader(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        made = list(rows(File(path, name, Source(path=name), path.stat().st_size)))
        kept = [row for row in made if "reason" not in row]
        return kept, [row for row in made if "reason" in row]

    return reader


@pytest.fixture
def text_of(read):
    def reader(name, data):
        kept, dropped = read(name, data)
        assert not dropped and len(kept) == 1, dropped
        return kept[0]["text"]

    return reader


def test_word(read):
    table = (
        "<w:tbl>"
        + "".join(
            f"<w:tr><w:tc>{paragraph(a)}</w:tc><w:tc>{paragraph(b)}</w:tc></w:tr>" for a, b in ["ab", "cd"]
        )
        + "</w:tbl>"
    )
    kept, _ = read("a.docx", docx(paragraph("Part", "Heading1") + paragraph("Some words.") + table))
    assert kept[0]["text"].startswith("# Part\n\nSome words.\n\n| a | b |")
    assert kept[0]["title"] == "The stated title" and json.loads(kept[0]["metadata"])["author"] == "A. Author"


def test_opendocument_text(text_of):
    body = """<office:text><text:h text:outline-level="2">Part</text:h><text:p>Some<text:s text:c="2"/>words, see
    <text:bookmark-ref>4</text:bookmark-ref><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>.</text:p>
    <text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>
    <text:tracked-changes><text:p>deleted</text:p></text:tracked-changes></office:text>"""
    text = text_of("a.odt", opendocument(body))
    assert text.startswith("## Part\n\nSome words, see 4[1].\n\n[1] A note.\n\n- one")
    assert "deleted" not in text


def test_invalid_numbers_in_an_opendocument_lose_nothing(text_of):
    body = """<office:text><text:h text:outline-level="²">Part</text:h><text:h text:outline-level="-1">Two</text:h>
    <text:p>Some<text:s text:c="²"/>words<text:s text:c="99999999999999999999"/>here.</text:p></office:text>"""
    text = text_of("a.odt", opendocument(body))
    assert text.startswith("# Part\n\n# Two\n\nSome words") and text.endswith("here.")


@pytest.mark.parametrize(
    "odd", [5, None, "x", [5], {}, [None, {"cell_type": "markdown", "source": "Words."}]]
)
def test_invalid_cells_in_a_notebook_affect_no_others(read, odd):
    sound = {"cells": [{"cell_type": "markdown", "source": "Sound."}]}
    kept, _ = read("a.ipynb", json.dumps({"worksheets": [{"cells": odd}, odd, sound]}))
    assert kept[0]["text"].endswith("Sound.")


def test_opendocument_slides(text_of):
    body = """<office:presentation><draw:page draw:name="page1"><draw:frame presentation:class="title"><text:p>Results</text:p></draw:frame>
    <draw:frame presentation:class="outline"><text:p>They are good.</text:p></draw:frame></draw:page></office:presentation>"""
    assert text_of("a.odp", opendocument(body)) == "## Results\n\nThey are good."


def test_slides_come_in_the_order_shown_with_their_notes(text_of):
    text = text_of("a.pptx", pptx())
    assert text == "## Shown first\n\n## Shown last\n\n- first\n  - below it\n\nWhat is said here."


def test_boxes_that_many_slides_have_in_one_place_are_left_out_and_counted(read):
    a, p = (f"http://schemas.openxmlformats.org/{part}/2006/main" for part in ("drawingml", "presentationml"))
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def box(text, top, kind=""):
        holder = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>' if kind else ""
        place = f'<p:spPr><a:xfrm><a:off x="0" y="{top}"/></a:xfrm></p:spPr>'
        words = f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody>"
        return f"<p:sp>{holder}{place}{words}</p:sp>"

    def slides(count):
        parts = {}
        for number in range(count):
            boxes = box(f"Title {number}", 0, "title") + box("Lamps and Sons", 9_000_000)
            boxes += box(f"Text {number} of a lamp that burns all night.", 4_000_000) + box(
                "Moved.", number * 10**6
            )
            parts[f"ppt/slides/s{number}.xml"] = f'<p:sld xmlns:a="{a}" xmlns:p="{p}">{boxes}</p:sld>'
        shown = "".join(f'<p:sldId r:id="r{number}"/>' for number in range(count))
        links = "".join(f'<Relationship Id="r{at}" Target="slides/s{at}.xml"/>' for at in range(count))
        return zipped(
            **{
                "ppt/presentation.xml": f'<p:presentation xmlns:p="{p}" xmlns:r="{related}">{shown}</p:presentation>',
                "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{RELATIONS}">{links}</Relationships>',
                **parts,
            }
        )

    ((row,), _) = read("a.pptx", slides(4))
    assert row["text"].count("Lamps and Sons") == 1 and row["text"].count("Moved.") == 4
    assert json.loads(row["metadata"])["left_out"] == {"boxes on many slides": 3}
    ((row,), _) = read("a.pptx", slides(2))
    assert row["text"].count("Lamps and Sons") == 2 and "left_out" not in json.loads(row["metadata"] or "{}")


def test_items_of_slides_that_are_numbered_have_no_bullet():
    from lxml import etree

    from datagen.stages.sources.ingest.readers.pptx import DRAWING, _paragraphs

    shape = etree.fromstring(
        f"<s xmlns:a='{DRAWING[1:-1]}'>"
        + "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in ("1. Oil", "Gas"))
        + "</s>"
    )
    assert _paragraphs(shape, bullets=True) == ["1. Oil", "- Gas"]


def test_a_spreadsheets_sheets_are_documents(read):
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = (
        '<table:table-cell office:value-type="float" office:value="7"><text:p>7</text:p></table:table-cell>'
    )
    row = "<table:table-row>{}</table:table-row>"
    body = (
        f'<office:spreadsheet><table:table table:name="Prices">{row.format(cell.format("Name") + cell.format("a|b"))}'
        f'{row.format(cell.format("Pear") + number)}</table:table><table:table table:name="Empty"/></office:spreadsheet>'
    )
    kept, dropped = read(
        "a.ods",
        zipped(
            mimetype="application/vnd.oasis.opendocument.spreadsheet",
            **{"META-INF/manifest.xml": MANIFEST},
            **{
                "content.xml": f"<office:document-content {ODF}><office:body>{body}</office:body></office:document-content>"
            },
        ),
    )
    assert [(row["source"], row["text"]) for row in kept] == [
        ("a.ods#Prices", "| Name | a\\|b |\n| --- | --- |\n| Pear | 7 |")
    ]
    assert not dropped


def test_rtf(text_of):
    assert text_of("a.rtf", RTF) == "Heading\n\nA paragraph with é in it."


def test_a_books_chapters_follow_its_spine_and_keep_their_lists(read):
    kept, _ = read("a.epub", epub())
    assert kept[0]["title"] == "A Book"
    text = kept[0]["text"]
    assert (
        text.index("# One") < text.index("# Two") < text.index("An aside.") < text.index("Further reading 8")
    )
    assert "Navigation" not in text


def test_a_message_and_its_attachment(read):
    kept, _ = read("a.eml", LETTER)
    letter, plan = kept
    assert (letter["title"], letter["text"]) == ("Grüße", "Dear B,\n\nsee the hötel.")
    assert (plan["source"], plan["title"], plan["text"]) == ("a.eml!plan.md", "Plan", "# Plan\n\nGo there.")


def test_each_message_of_a_mailbox_is_a_document(read):
    kept, _ = read("a.mbox", MBOX)
    assert [(row["source"], row["text"]) for row in kept] == [
        ("a.mbox#1@x", "First letter.\nFrom here it goes on.\nFrom there, too."),
        ("a.mbox#2@x", "Second letter."),
    ]


DIGEST = f"""From: list@example.org
Subject: Lamps Digest, Vol 3, Issue 2

Send Lamps mailing list submissions to
\tlamps@example.org

Today's Topics:

   1. Oil (A)

{"-" * 70}

Message: 1
Date: Sun, 31 Dec 2023 10:00:00 +0000
From: A <a@example.org>
Subject: [Lamps] Oil
Message-ID: <1@x>
Content-Type: text/plain; charset="utf-8"

Which oil?

-- 
A


{"-" * 30}

Message: 2
From: B <b@example.org>
Subject: Re: [Lamps] Oil
 of lamps

Rape oil.

{"-" * 30}

It is cheap.

> Which oil?


{"-" * 30}

Subject: Digest Footer

____
Lamps mailing list

{"-" * 30}

End of Lamps Digest, Vol 3, Issue 2
***
"""


def test_each_message_of_a_digest_is_a_document_without_contents_and_footer(read):
    kept, dropped = read("a.eml", DIGEST)
    assert not dropped and [(row["title"], row["text"]) for row in kept] == [
        ("[Lamps] Oil", "Which oil?"),
        ("Re: [Lamps] Oil of lamps", "Rape oil.\n\nIt is cheap."),
    ]
    assert kept[0]["source"] == "a.eml#1@x"
    first, second = (json.loads(row["metadata"]) for row in kept)
    assert first["digest"] == "Lamps Digest, Vol 3, Issue 2" and second["from"] == "B <b@example.org>"
    assert first["left_out"] == {"lines of the digest": 10} and second["left_out"] == {"quoted lines": 1}


def test_a_letter_with_a_rule_is_no_digest(text_of):
    text = f"Dear B,\n\n{'-' * 70}\n\nFrom: here\n\n{'-' * 30}\n\nAda"
    assert text_of("a.eml", f"From: a@example.org\n\n{text}") == text


def test_attached_messages_and_those_of_a_digest_in_parts_are_documents(read):
    def inner(number, name=""):
        disposition = f'Content-Disposition: attachment; filename="{name}"\n' if name else ""
        return (
            f"Content-Type: message/rfc822\n{disposition}\nFrom: a@x\nSubject: S{number}\n\nText {number}.\n"
        )

    digest = f"Content-Type: multipart/digest; boundary=i\n\n--i\n{inner(1)}--i\n{inner(2)}--i--\n"
    parts = ["Content-Type: text/plain\n\nContents.\n", digest, inner(3, "b.eml"), inner(4, "Re: lamps")]
    body = "".join(f"--o\n{part}\n" for part in parts)
    kept, dropped = read("a.eml", f"From: a@x\nContent-Type: multipart/mixed; boundary=o\n\n{body}--o--\n")
    assert not dropped
    assert {row["source"]: row["text"] for row in kept} == {
        "a.eml": "Contents.",
        "a.eml!message-1.eml": "Text 1.",
        "a.eml!message-2.eml": "Text 2.",
        "a.eml!b.eml": "Text 3.",
        "a.eml!Re: lamps-4.eml": "Text 4.",
    }


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("From: MAILER-DAEMON@a.org (Mail Delivery System)", "delivery report"),
        ("From: Mailer-Daemon", "delivery report"),
        ("Auto-Submitted: auto-replied (vacation)", "automatic reply"),
        ("X-Spam-Flag: YES", "marked as spam"),
        ("Auto-Submitted: auto-generated", None),
        ("X-Spam-Flag: NO", None),
        ("From: The mailer-daemon maintainers <a@b.org>", None),
        ("Subject: mailer-daemon@a.org", None),
    ],
)
def test_messages_that_nobody_wrote_are_dropped_with_their_subject(read, header, reason):
    (kept, dropped) = read(
        "a.mbox", f"From a\nSubject: Lost\n{header}\n\nHello.\n\nFrom b\nSubject: B\n\nYes.\n"
    )
    assert [row["text"].strip() for row in kept] == ["Hello.", "Yes."][bool(reason) :]
    assert [(row["reason"], row["detail"]) for row in dropped] == [(reason, "a.mbox, line 1: Lost")][
        : bool(reason)
    ]


@pytest.mark.parametrize(
    "body",
    [
        "Content-Type: multipart/mixed\n\nHello.",
        "Content-Type: multipart/alternative; boundary=x\n\nHello.",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/related; type=y\n\nHello.\n--x--\n",
        "Content-Type: multipart/digest; boundary=x\n\n--x\nContent-Type: multipart/related\n\nHello.\n--x--\n",
    ],
)
def test_the_text_of_a_message_whose_parts_have_no_boundary_is_read(text_of, body):
    assert text_of("a.eml", f"Subject: A\n{body}").strip() == "Hello."


def test_the_message_that_a_delivery_report_returns_is_read(read):
    bounce = (
        "Subject: Returned\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
        "--x\n\nSorry.\n--x\nContent-Type: message/delivery-status\n\nAction: failed\n"
        "--x\nContent-Type: message/rfc822\n\nSubject: Lamps\n\nThe lamp is out.\n--x--\n"
    )
    (kept,), (dropped,) = read("a.eml", bounce)
    assert (kept["title"], kept["text"].strip()) == ("Lamps", "The lamp is out.")
    assert (dropped["reason"], dropped["detail"]) == ("delivery report", "a.eml: Returned")


def test_a_saved_web_page_is_read(read):
    page = "<html><body><h1>Lamps</h1><p>They burn =C3=B6l.</p></body></html>"
    part = f"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{page}\n"
    ((row,), _) = read(
        "a.mht", f"Subject: Lamps\nContent-Type: multipart/related; boundary=b\n\n--b\n{part}--b--"
    )
    assert (row["title"], row["text"]) == ("Lamps", "# Lamps\n\nThey burn öl.")


def test_a_notebook(text_of):
    assert text_of("a.ipynb", json.dumps(NOTEBOOK)) == (
        "# Analysis\n\nSome words.\n\n```python\nprint(6 * 7)\n```\n\n```\n42\n```\n\n```python\nplot()\n```"
    )


def test_a_manual_page(read):
    kept, _ = read("ls.1", MAN)
    assert kept[0]["title"] == "LS(1)"
    assert kept[0]["text"] == (
        "## NAME\n\nls - list directory contents\n\n## OPTIONS\n\n- -a, --all: do not ignore entries\n\n"
        "Bold words go on.\n\n```\nls -l \\\n```"
    )


def test_a_manual_page_of_bsd(text_of):
    text = text_of("cat.1", MDOC)
    assert (
        "cat — concatenate files" in text
        and "The cat utility reads files." in text
        and "- -n number: Number the lines." in text
    )


def test_restructured_text(text_of):
    assert text_of("a.rst", RST) == (
        "# Title\n\nSee the other and `code_it_`, or a\npage.\n\nMind this.\n\n## Section\n\nRun:\n\n```\nmake all\n```\n\n"
        "```python\nprint(1)\n```\n\nLast words."
    )


def test_wikitext(text_of):
    assert text_of("a.wiki", WIKI) == (
        "Rome is a big city in Italy.\n\n## History\n\n- founded\n  - early\n\n| Year | Event |\n| --- | --- |\n| 753 | Founding |"
    )


def test_each_page_of_a_wiki_export_is_a_document_without_redirects_and_talk(read):
    kept, dropped = read("dump.xml", DUMP)
    assert [(row["source"], row["text"]) for row in kept] == [("dump.xml#A", "## H\n\nText of A.")]
    assert not dropped


def test_subtitles_are_paragraphs_separated_by_pauses(text_of):
    assert text_of("a.srt", SRT) == "Hello there, how are you?\n\nLater on."
    assert text_of("a.vtt", VTT) == "rolling captions repeat a line"


def test_xml_is_its_paragraphs_under_its_titles(text_of):
    assert text_of("a.xml", DOCBOOK) == "# The Book\n\n## One\n\nSome words here.\n\n```\na\n  b\n```"


def test_a_table_in_the_entry_of_a_dictionary_is_a_table(text_of):
    rows = "<tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr>"
    text = text_of("a.xml", f"<dictionary><entry><form>cat</form><table>{rows}</table></entry></dictionary>")
    assert text == "cat\n\n| a | b |\n| --- | --- |\n| c | d |"


@pytest.mark.parametrize("declared", ["utf-16", "windows-31j", "rot13", "undefined", "", "ascii", "latin-1"])
@pytest.mark.parametrize("before", ["", "\n"])
def test_xml_is_read_whatever_encoding_it_declares(text_of, declared, before):
    document = f'{before}<?xml version="1.0" encoding="{declared}"?><p>The café at &harbour; &eacute;</p>'
    assert text_of("a.xml", document.encode()).strip() == "The café at harbour é"


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0" encoding="iso-8859-1"?><p>Die große Übersicht</p>'.encode("latin-1"),
        '<?xml version="1.0" encoding="utf-8"?><p>Die große Übersicht</p>'.encode("utf-16"),
        '<?xml version="1.0"?><p>Die große Übersicht</p>'.encode("utf-16-le"),
    ],
)
def test_xml_in_other_encodings_than_utf_8(text_of, document):
    assert text_of("a.xml", document).strip() == "Die große Übersicht"


def test_the_encoding_in_the_recipe_applies_to_xml(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes('<?xml version="1.0" encoding="utf-8"?><p>Die große Übersicht</p>'.encode("latin-1"))
    entry = Source(path=str(path), encoding="latin-1")
    (row,) = rows(File(path, "a.xml", entry))
    assert row["text"] == "Die große Übersicht"


def test_a_number_in_rtf_that_is_no_character_affects_no_others(text_of):
    text = text_of("a.rtf", rb"{\rtf1\ansi One\u-99999? two\u99999999999999999999? three \u233?.\par}")
    assert text == "One\ufffd two\ufffd three é."


def test_links_that_track_the_reader_are_removed_from_mail_and_counted(read):
    tracked = f"https://mail.example.com/{'Ab3_' * 12}"
    body = (
        f"Read it <{tracked}> today\nhttps://a.example/offers?utm_source=x\n\n\n\n\n"
        "See <https://example.org/rfc> and https://docs.example.org/guide/chapter.html.\n"
        "a@example.org <mailto:a@example.org>\n\n_____\n"
    )
    ((row,), _) = read("a.eml", f"From: a@example.org\nSubject: S\n\n{body}")
    assert row["text"].strip() == (
        "Read it today\n\n\nSee <https://example.org/rfc> and https://docs.example.org/guide/chapter.html.\n"
        "a@example.org"
    ).replace("\n\n\n", "\n\n")
    assert json.loads(row["metadata"])["left_out"] == {"links": 3}


DRAWN = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
SHOWN = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'


def box(*lines, x=0, y=0, font="Arial", kind=""):
    """Write a box of a slide; with `kind`, a placeholder."""
    runs = "<a:br/>".join(
        f'<a:r><a:rPr><a:latin typeface="{font}"/></a:rPr><a:t>{line}</a:t></a:r>' for line in lines
    )
    place = f'<p:spPr><a:xfrm><a:off x="{x}" y="{y}"/></a:xfrm></p:spPr>'
    holder = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>' if kind else ""
    return f"<p:sp>{holder}{place}<p:txBody><a:p>{runs}</a:p></p:txBody></p:sp>"


def drawn(*boxes):
    """Make a presentation of one slide with boxes."""
    presentation = f'<p:presentation {SHOWN} xmlns:r="{OFFICE}"><p:sldIdLst><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>'
    relations = f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Target="slides/slide1.xml"/></Relationships>'
    return zipped(
        **{
            "ppt/presentation.xml": presentation,
            "ppt/_rels/presentation.xml.rels": relations,
            "ppt/slides/slide1.xml": f"<p:sld {DRAWN} {SHOWN}>{''.join(boxes)}</p:sld>",
        }
    )


def test_boxes_of_a_slide_are_read_from_the_top_and_code_is_code(text_of):
    code = box("def f():", "    pass", y=6_000_000, font="Courier New")
    below, right = box("below", y=4_000_000), box("right", x=5_000_000, y=1_050_000)
    data = drawn(code, below, right, box("left", y=1_000_000))
    assert text_of("a.pptx", data) == ("left\n\nright\n\nbelow\n\n```\ndef f():\n    pass\n```")


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        *(("PowerPoint-Präsentation", "Lamps"), ("Présentation PowerPoint", "Lamps"), ("Folie 1", "Lamps")),
        *(("Normal.dot", "Lamps"), ("Microsoft Word - a.doc", "Lamps"), ("Presentation 2", "Lamps")),
        *(
            ("", "Lamps"),
            ("How to use PowerPoint", "How to use PowerPoint"),
            ("Slide 1 of two", "Slide 1 of two"),
        ),
    ],
)
def test_a_title_that_a_program_wrote_is_none(read, stated, title):
    core = f'<p xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{stated}</dc:title></p>'

    def presentation(*boxes):
        data = io.BytesIO(drawn(*boxes))
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr("docProps/core.xml", core)
        return data.getvalue()

    ((row,), _) = read("a.pptx", presentation(box("Lamps", kind="title"), box("They burn.", y=4_000_000)))
    assert row["title"] == title
    ((row,), _) = read("deck.pptx", presentation(box("They burn.")))
    assert row["title"] == (title if title != "Lamps" else "deck")


def test_the_labels_of_a_diagram_are_one_line_after_the_text_of_the_slide(text_of):
    labels = [
        box(word, y=n * 1_000_000) for n, word in enumerate(("Plan", "Do", "Check", "Act", "Plan"), start=2)
    ]
    title, text = box("Cycle", kind="title"), box("It never ends.", y=3_500_000)
    assert (
        text_of("a.pptx", drawn(title, *labels, text)) == "## Cycle\n\nIt never ends.\n\nPlan; Do; Check; Act"
    )
    few = drawn(title, *labels[:3], text)
    assert text_of("a.pptx", few) == "## Cycle\n\nPlan\n\nDo\n\nIt never ends.\n\nCheck"


@pytest.mark.parametrize(
    ("first", "heading"),
    [
        (box("Lamps of oil"), "Lamps of oil"),
        (box("Lamps", kind="title") + box("Oil"), "Lamps"),
        (box("") + box("Lamps of oil") + box("", kind="title") + box("7", kind="sldNum"), "Lamps of oil"),
        (box("Lamps burn oil."), ""),
        (box("word " * 17), ""),
        (box("42"), ""),
        (box("Lamps", kind="body"), ""),
        (box("Lamps", y=3_950_000), ""),
        ("", ""),
    ],
)
def test_a_short_line_on_top_is_the_title_of_a_slide_without_one(text_of, first, heading):
    text = text_of("a.pptx", drawn(box("The rest.", y=4_000_000, x=9), first))
    assert [line for line in text.split("\n") if line.startswith("#")] == [f"## {heading}"] * bool(heading)
    assert text.count("Lamps") <= 1 and "The rest." in text


@pytest.mark.parametrize(
    ("other", "text"),
    [("", "One.\n\nTwo.\n\nThree."), ("x", "| One. Two. | x |\n| --- | --- |\n| Three. | x |")],
)
def test_a_table_with_one_column_on_a_slide_is_a_frame(text_of, other, text):
    def cell(*lines):
        written = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
        return f"<a:tc><a:txBody>{written}</a:txBody></a:tc>"

    rows = "".join(f"<a:tr>{cell(*lines)}{cell(other)}</a:tr>" for lines in (("One.", "Two."), ("Three.",)))
    frame = f"<p:graphicFrame><a:graphic><a:tbl>{rows}</a:tbl></a:graphic></p:graphicFrame>"
    assert text_of("a.pptx", drawn(box("Lamps", kind="title"), frame)) == f"## Lamps\n\n{text}"


def test_slides_without_words_are_no_document(read):
    (_, (row,)) = read("a.pptx", drawn(box("")))
    assert row["reason"] == "empty document"


def test_a_body_of_one_paragraph_is_no_list(text_of):
    assert text_of("a.pptx", drawn(box("It burns.", kind="body"))) == "It burns."


def test_html_within_a_feed_is_read_and_in_other_xml_it_is_text(text_of):
    item = "<title>News</title><description>&lt;p&gt;One &lt;b&gt;word&lt;/b&gt;.&lt;/p&gt;&lt;ul&gt;&lt;li&gt;a&lt;/li&gt;&lt;/ul&gt;</description>"
    feed = f"<rss><channel><item>{item}</item></channel></rss>"
    assert text_of("a.xml", feed) == "# News\n\nOne **word**.\n\n- a"
    manual = "<doc><para>The element &lt;p&gt; is a paragraph.</para></doc>"
    assert text_of("b.xml", manual) == "The element <p> is a paragraph."


def test_references_to_entities_are_text_and_binary_data_is_not(text_of):
    entity = '<!DOCTYPE p SYSTEM "none.dtd"><p><a>One</a>&mdash;<b>Two &none;.</b></p>'
    assert text_of("a.xml", entity) == "One—Two none."
    binary = "\n".join(["iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4AAAA"] * 5)
    assert text_of("b.xml", f"<p><a>One.</a><data>{binary}==</data><data>{'a' * 70}</data></p>") == (
        f"One.\n\n{'a' * 70}"
    )


def test_text_beside_blocks_of_xml_does_not_join_them(text_of):
    mixed = (
        "<book><title>Guide</title><chapter><title>Use</title>stray<para>One<itemizedlist><listitem><para>a</para>"
        "</listitem><listitem>b <b>c</b></listitem></itemizedlist>after &amp; <b>more</b>.</para>\n"
        "<sect1><title>Keys</title><para>Two.</para></sect1></chapter></book>"
    )
    expected = "# Guide\n\n## Use\n\nstray\n\nOne\n\n- a\n\n- b c\n\nafter & more.\n\n### Keys\n\nTwo."
    assert text_of("a.docbook", mixed) == expected


def test_the_entities_of_a_part_of_a_document_are_their_words_and_are_counted(read):
    ((row,), _) = read(
        "a.docbook",
        '<?xml version="1.0"?>\n<sect1><para>&kate; opens &Jo.Ann; <app>&kate;</app>.</para><para>&legal; &notice;</para></sect1>',
    )
    assert row["text"] == "kate opens Jo Ann kate." and '"entities": 5' in row["metadata"]


def test_entities_of_a_few_words_are_written_and_others_are_not_expanded(text_of):
    grown = f'<!ENTITY short "ha"><!ENTITY grown "{"&short;" * 9}"><!ENTITY long "{"ha" * 50}">'
    dtd = f'<!DOCTYPE p SYSTEM "x" [<!ENTITY n "&i;"><!ENTITY i "The App">{grown}]>'
    assert (
        text_of("a.xml", f"{dtd}<p>&n;, &i;. &grown; &long; &notice;</p>")
        == "The App, The App. grown long notice"
    )
    signs = "&ccaron;&lpar;&le;&nbsp;&hellip; &Del;, &eg; &Tab;"
    assert text_of("b.xml", f"<!DOCTYPE p SYSTEM 'x'><p>{signs}</p>") == "č(≤ … Del, eg Tab"


def test_keys_and_menus_of_xml_are_apart(text_of):
    keys = (
        "<p>Press <keyseq><key>Super</key><key>Tab</key></keyseq>, <keycombo>&Ctrl;<keycap>T</keycap></keycombo> or "
        "<menuchoice><shortcut><keycombo><keycap>Alt</keycap><keycap>F4</keycap></keycombo></shortcut>"
        "<guimenu>File</guimenu><guimenuitem>Quit</guimenuitem></menuchoice>.</p>"
    )
    assert text_of("a.xml", keys) == "Press Super+Tab, Ctrl+T or File > Quit (Alt+F4)."


def test_of_a_page_of_help_the_title_and_the_text_are_read(read):
    page = (
        '<page xmlns="http://projectmallard.org/1.0/"><info><credit><name>Ann</name></credit><desc>Short.</desc></info>'
        "<title>Connect</title><comment><cite>Bob</cite><p>Check this.</p></comment><p>Plug it in.</p>"
        "<steps><item><p>Wait.</p></item></steps><code>a = 1\nb = 2</code><p>Run <code>a</code>.</p><p>Run a.</p></page>"
    )
    ((row,), _) = read("a.page", page)
    assert row["text"] == "# Connect\n\nPlug it in.\n\n- Wait.\n\n```\na = 1\nb = 2\n```\n\nRun a."
    assert '"fields of the article": 2' in row["metadata"]


def test_values_of_xml_that_have_no_words_are_written_with_their_names(text_of):
    """A reader cannot tell what "true", "E" and "841" alone say, nor the other values of their record."""
    record = (
        "<item><ShortCode>V1.2</ShortCode><Name>Oil lamps</Name><text>Fill the lamp.</text>"
        "<L1><Required>False</Required></L1><L2><Required>True</Required><By>hand</By></L2><CWE><item>841</item><item>7</item></CWE>"
        '<level n="1">true</level><level n="2"/><note>See <b>2</b>.</note></item>'
    )
    assert text_of("a.xml", f"<root><items>{record}</items></root>").split("\n\n") == [
        "- Short Code: V1.2; Name: Oil lamps",
        "Fill the lamp.",
        "L1 (Required: False); L2 (Required: True; By: hand); CWE: 841, 7; level n 1: true",
        "See 2.",
    ]


def test_words_paragraphs_lists_and_tables_of_xml_have_no_names(text_of):
    page = "<doc><speaker>ADA</speaker><line>To be</line><p>3</p><list><item>4</item><item>5</item></list><字>水</字></doc>"
    assert text_of("a.xml", page).split("\n\n") == ["ADA", "To be", "3", "- 4", "- 5", "水"]


def test_a_paragraph_of_xml_that_is_all_markup_is_one_line(text_of):
    page = (
        "<sect1><title><application>Kate</application> <acronym>UI</acronym></title>"
        "<para><prompt>%</prompt> <command>kate</command> <option>-n</option></para>"
        "<variablelist><varlistentry><term><option>-p</option>, <option>--page</option></term>"
        "<listitem><para>A page.</para></listitem></varlistentry></variablelist>"
        "<cmdsynopsis><command>kate</command><arg><option>-s</option><replaceable>x</replaceable></arg></cmdsynopsis>"
        "<data><name>wick</name><value>oil</value></data></sect1>"
    )
    expected = "# Kate UI\n\n% kate -n\n\n-p, --page\n\n- A page.\n\nkate -s x\n\nwick\n\noil"
    assert text_of("a.docbook", page) == expected


def test_an_empty_reference_of_xml_is_the_title_of_its_section(text_of):
    book = (
        '<book><sect1 id="a"><title>Data <emphasis>types</emphasis></title><para>See <xref linkend="b"/>.</para></sect1>'
        '<sect1 xml:id="b"><title>Files</title><para>Or <xref linkend="a"/> and <xref linkend="c"/>.</para></sect1></book>'
    )
    assert text_of("a.docbook", book).endswith("See Files.\n\n# Files\n\nOr Data types and .")


@pytest.mark.slow
def test_markup_that_repeats_takes_linear_time_and_space(text_of):
    """Quadratic, each would take minutes, or gigabytes."""
    index = "<para>Start{}</para>".format(
        "<indexterm><primary>x</primary></indexterm> and some more words" * 100_000
    )
    assert len(text_of("a.docbook", index)) == len("Start") + 20 * 100_000
    references = "<xref linkend='a'/> " * 1000
    title = f'<s id="a"><title>{"long " * 10_000}</title><p>{references}</p></s>'
    assert len(text_of("a.docbook", title)) < 1_000_000
    nested = "<x>a " * 190 + "<b>b</b>" * 20_000 + "<p>p</p>" + "</x>" * 190
    assert text_of("a.xml", nested).endswith("bbb\n\np")


def test_the_words_of_a_drawing(text_of):
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg"><title>Flow</title><metadata><a>image/svg+xml</a></metadata>'
        "<style>.a{fill:red}</style><path d='M0'/><text><tspan>Open the</tspan> <tspan>valve.</tspan></text></svg>"
    )
    assert text_of("a.svg", drawing) == "# Flow\n\nOpen the valve."


def test_a_log_is_text_and_settings_are_code(read):
    (log,), _ = read("server.log", "12:00 \x1b[31mThe disk is full.\x1b[0m\n")
    assert (log["format"], log["text"].strip()) == ("text", "12:00 The disk is full.")
    (settings,), _ = read("app.properties", "app.name=Lamp\n")
    assert (settings["format"], settings["text"]) == ("code", "```properties\napp.name=Lamp\n```")


def test_the_preambles_of_formulas_are_removed_in_linear_time(text_of):
    formula = r"\documentclass{minimal}\begin{document}$x$\end{document}"
    assert text_of("a.xml", f"<p>If {formula} or {formula}, then.</p>") == "If $x$ or $x$, then."
    unclosed = (
        r"\documentclass{minimal}\begin{document}" * 40_000
    )  # in quadratic time this would take minutes
    assert len(text_of("b.xml", f"<p>{unclosed}</p>")) == len(unclosed)


@pytest.mark.parametrize(("name", "language"), [("a.py", "python"), ("b.RS", "rust"), ("Makefile", "make")])
def test_code_is_a_block_of_its_language(read, name, language):
    kept, _ = read(name, "x = '```'\n")
    assert kept[0]["text"] == f"````{language}\nx = '```'\n````"
    assert json.loads(kept[0]["metadata"])["programming_language"] == language


@pytest.mark.skipif(shutil.which("pandoc") is not None, reason="pandoc is installed")
def test_latex_without_pandoc_is_dropped_with_a_remedy(read):
    _, dropped = read("a.tex", r"\documentclass{article}\begin{document}Hello\end{document}")
    assert dropped[0]["reason"] == "needs pandoc" and "install pandoc" in dropped[0]["detail"]


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "'
    + "&a;" * 50
    + '"><!ENTITY c "'
    + "&b;" * 50
    + '">]><l>&c;&c;</l>'
)
LEAK = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>Text &a; here</l>'


def test_a_chapter_that_a_book_repeats_is_read_once(text_of):
    """A spine of 100,000 entries would make a large book of a small file."""
    package = epub()
    with zipfile.ZipFile(io.BytesIO(package)) as book:
        spine = (
            book.read("OEBPS/book.opf").decode().replace('<itemref idref="b"/>', '<itemref idref="b"/>' * 9)
        )
    text = text_of("a.epub", epub(**{"OEBPS/book.opf": spine}))
    assert text.count("An aside.") == 1


def test_a_word_document_with_entities_is_dropped(read):
    document = f'<!DOCTYPE l [<!ENTITY a "ha">]><w:document xmlns:w="{W}"><w:body>{paragraph("&a;")}</w:body></w:document>'
    _, dropped = read("a.docx", zipped(**{"word/document.xml": document}))
    assert [row["reason"] for row in dropped] == ["unreadable file"]


@pytest.mark.parametrize("data", [LAUGHS, LEAK])
def test_entities_are_not_expanded(read, data):
    root = f"<office:document-content {ODF}><office:body><office:text><text:p>&c;&a;</text:p></office:text></office:body>"
    document = data.partition("]>")[0] + f"]>{root}</office:document-content>"
    for name, content in (("a.xml", data), ("a.odt", zipped(**{"content.xml": document}))):
        kept, dropped = read(name, content)
        assert all("hahaha" not in row["text"] and "root:" not in row["text"] for row in kept)
        assert len(kept) + len(dropped) == 1


@pytest.mark.parametrize("name", ["a.docx", "a.odt", "a.pptx", "a.xlsx", "a.ods", "a.epub"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip file",
        zipped(other="x"),
        docx(paragraph("x"))[:200],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    ],
    ids=["empty", "text", "other", "cut", "old"],
)
def test_a_file_of_another_format_is_dropped_with_a_reason(read, name, data):
    kept, dropped = read(name, data)
    assert not kept and len(dropped) == 1
    assert dropped[0]["reason"] and dropped[0]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.docx", "a.odt", "a.pptx", "a.xlsx", "a.epub"])
def test_a_zip_bomb_is_not_unpacked(read, name):
    member = {"a.docx": "word/document.xml", "a.odt": "content.xml"}.get(name, "x.xml")
    _, dropped = read(name, zipped(**{member: b"<x>" + bytes(70_000_000)}))
    assert [row["reason"] for row in dropped] == ["grows without bound"]


@pytest.mark.parametrize("name", ["a.ipynb", "a.xml", "a.eml", "a.srt", "a.rtf", "a.1", "a.pdf"])
@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff\xfe\x80" * 40, b"[]", b"{}", b"plain words, and nothing else"]
)
def test_no_file_content_raises_an_exception(read, name, data):
    kept, dropped = read(name, data)
    assert len(kept) + len(dropped) >= 1
    assert all(row["reason"] for row in dropped)


TBL = r""".TH GET 3
.SH ATTRIBUTES
.TS
allbox;
lb lb lbx
l l l.
Interface	Attribute	Value
T{
.BR get (),
.B put
T}	Thread safety	MT-Safe
_
free	Thread safety	T{
MT-Unsafe
race
T}
.TE
In the above table, get is safe.
"""


def test_a_table_of_a_manual_page(text_of):
    assert text_of("a.3", TBL) == (
        "## ATTRIBUTES\n\n| Interface | Attribute | Value |\n| --- | --- | --- |\n"
        "| get(), put | Thread safety | MT-Safe |\n| free | Thread safety | MT-Unsafe race |\n\n"
        "In the above table, get is safe."
    )


def test_tables_of_manual_pages_may_be_damaged(text_of):
    for table in (
        ".TS",
        ".TS\nl l.",
        ".TS\ntab(;);\nl l.\na;b\n.TE",
        ".TS\nl.\nT{\nx",
        ".TS\nl.\nT}\ta\n.TE",
    ):
        assert text_of("a.1", f".TH A 1\n.SH NAME\nWords.\n{table}").startswith("## NAME\n\nWords.")


def test_preformatted_wikitext_is_code(text_of):
    wiki = "Words.\n def f():\n     return 1\n----\n```\n as it is\n```\nMore."
    assert (
        text_of("a.wiki", wiki) == "Words.\n\n```\ndef f():\n    return 1\n```\n\n```\n as it is\n```\nMore."
    )


ANSWER = "From: A\nSubject: Re: Lamps\n\n{}"
INTRODUCED = "Yes, it does.\n\nOn Monday, B wrote\nto the list:\n\n> Does it burn?\n>\n> B\n"


@pytest.mark.parametrize(
    ("body", "kept", "removed"),
    [
        (INTRODUCED, "Yes, it does.", 5),
        ("Yes.\n\n-----Original Message-----\nFrom: B\nSent: today\nTo: A\n\nDoes it?\n", "Yes.", 5),
        ("Ja.\n\n________________\nVon: B\nGesendet: heute\nAn: A\nBetreff: x\n\nGeht es?\n", "Ja.", 6),
        ("Oui.\n\n-----Message d’origine-----\nDe : B\nEnvoyé : hier\nÀ : A\n\nOù ?\n", "Oui.", 5),
        ("Yes.\n\n*From:* B\n*Sent:* today\n*To:* A\n\nDoes it?\n", "Yes.", 4),
        (
            "Two fields:\n\nFrom: the start\nuntil it ends.\n",
            "Two fields:\n\nFrom: the start\nuntil it ends.",
            0,
        ),
        ("> Does it burn?\nYes.\n> Why?\nIt is lit.\n", "> Does it burn?\nYes.\n> Why?\nIt is lit.", 0),
        ("> All of it\n> is quoted.\n", "> All of it\n> is quoted.", 0),
        ("See below:\n\nThe end.", "See below:\n\nThe end.", 0),
    ],
)
def test_the_message_quoted_below_an_answer_is_removed_and_counted(read, body, kept, removed):
    (row,), dropped = read("a.eml", ANSWER.format(body))
    assert row["text"] == kept and not dropped
    assert json.loads(row["metadata"]).get("left_out", {}).get("quoted lines", 0) == removed


def test_a_forwarded_message_is_kept(text_of):
    """Outlook writes it like the quotation in an answer, but it may be nowhere else."""
    copy = "See below.\n\n-----Original Message-----\nFrom: B\nSent: today\nTo: A\n\nThe lamp is dark."
    letter = ANSWER.format(copy)
    assert "dark" not in text_of("a.eml", letter)
    subject = next(line for line in letter.split("\n") if line.startswith("Subject:"))
    assert "dark" in text_of("b.eml", letter.replace(subject, "Subject: WG: Lamp"))


def test_of_a_letter_with_a_blank_plain_part_the_page_is_read(text_of):
    letter = (
        "From: a@b\nSubject: News\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=x\n\n"
        "--x\nContent-Type: text/plain\n\n \n--x\nContent-Type: text/html\n\n<p>The lamp burns.</p>\n--x--\n"
    )
    assert text_of("a.eml", letter) == "The lamp burns."


def test_rtf_lists_and_tables(text_of):
    """A bar within a cell is no border, and a row may end its last cell in a new paragraph."""
    row = rb"\trowd\cellx1\cellx2\intbl %s\cell %s\cell\row "
    table = row % (b"Model", b"Flow") + row % (b"A | B", b"200\\par l/min")
    text = (
        rb"{\rtf1\ansi Before.\par \u61623?\tab First.\par 2.\tab Second.\par "
        + table
        + rb"\pard After.\par}"
    )
    expected = "Before.\n\n- First.\n\n2. Second.\n\n| Model | Flow |\n| --- | --- |\n| A \\| B | 200 l/min |\n\nAfter."
    assert text_of("a.rtf", text) == expected


def test_the_outline_levels_of_rtf_are_headings(text_of):
    """As Word, LibreOffice and pandoc write them; a long paragraph with a level is text."""
    long = b"Every lamp of the coast is described here. " * 6
    text = (
        rb"{\rtf1\ansi\uc0{\stylesheet{\s1\outlinelevel0\b heading 1;}}"
        rb"\pard\plain\s1\outlinelevel0\b Lamps\par \pard\s2\ilvl1\outlinelevel1{\listtext\pard\plain 1.1\tab}{\b Oil }{\b lamps}\par "
        rb"\pard\outlinelevel9 They burn oil.\par \pard\outlinelevel1\par \pard\outlinelevel8 Deep\par "
        rb"\trowd\cellx1\cellx2\intbl\outlinelevel1 Model\cell Flow\cell\row \pard\outlinelevel2 "
        + long
        + rb"\par}"
    )
    assert text_of("a.rtf", text) == (
        "# Lamps\n\n## 1.1 Oil lamps\n\nThey burn oil.\n\n###### Deep\n\n| Model | Flow |\n| --- | --- |\n\n"
        + long.decode().strip()
    )


def test_the_named_characters_of_manual_pages(text_of):
    page = ".TH X 1\n.SH NAME\nask list\\[at]lists.example, Ren\\['e] \\(:Ubung \\[vs]koda \\(de \\[u20AC] \\[nosuch]end\n"
    assert text_of("x.1", page).endswith("Ren\u00e9 \u00dcbung \u0161koda \u00b0 \u20ac end")
    assert "list@lists.example" in text_of("x.1", page)


def test_literals_of_wikitext_are_code(text_of):
    assert text_of("a.wiki", "Type <code>ls -l</code> or <tt>dir</tt>.") == "Type `ls -l` or `dir`."


DTD = '<!DOCTYPE %s PUBLIC "-//OASIS//DTD DocBook XML V4.1.2//EN" "%s">'


@pytest.mark.parametrize(
    "data",
    [
        '<x:doc><x:title>Lamps</x:title><x:p y:href="a">They burn <z:b>oil</z:b>.</x:p></x:doc>',
        "<doc><title>Lamps</title><p id='1' id='2'>They burn oil.</p></doc>",
        '<doc xmlns:x="a b"><title>Lamps</title><p a:b:c="1">They burn oil.</p></doc>',
        DTD % ("doc", "http://www.example.org/docbookx.dtd")
        + "<doc><title>Lamps</title><p>They burn oil.</p></doc>",
        DTD % ("doc", "/missing/docbookx.dtd")
        + "<doc><title>Lamps</title><x:p>They burn&nbsp;oil.</x:p></doc>",
    ],
)
def test_xml_whose_prefixes_attributes_or_dtd_are_wrong_is_read(text_of, data):
    assert text_of("a.xml", data).replace("\xa0", " ") == "# Lamps\n\nThey burn oil."


def test_an_article_is_its_title_and_prose_without_its_other_fields(read):
    front = (
        "<front><journal-meta><journal-id>pmc</journal-id></journal-meta><article-meta>"
        "<article-id>77</article-id><title-group><article-title>Lamps</article-title></title-group>"
        "<pub-date><day>3</day><year>2001</year></pub-date><abstract><p>They burn.</p></abstract>"
        "</article-meta></front>"
    )
    formula = "<alternatives><tex-math>$e=mc^2$</tex-math><math><mi>e</mi><mo>=</mo><mi>m</mi></math></alternatives>"
    body = (
        f"<body><sec><title>Oil</title><p>So {formula} holds.</p><p><math><mi>a</mi><mo>=</mo><mi>b</mi></math></p>"
        "<p><d>N</d><sub>1</sub><d>x</d></p></sec></body>"
    )
    back = "<back><ref-list><ref><element-citation><name>Ada</name><year>1901</year></element-citation></ref></ref-list></back>"
    ((row,), _) = read("a.nxml", f"<article>{front}{body}{back}</article>")
    assert row["title"] == "Lamps" and json.loads(row["metadata"])["left_out"] == {
        "fields of the article": 3,
        "references": 1,
    }
    assert row["text"].split("\n\n") == [
        *("# Lamps", "They burn.", "# Oil", "So $e=mc^2$ holds.", "a=b", "N1x"),
    ]
    reference = "<bibliography><biblioentry><a>Ada</a><year>1901</year></biblioentry></bibliography>"
    assert read("a.xml", reference)[0][0]["text"] == "Ada 1901"


def test_xml_with_other_errors_is_dropped(read):
    _, (row,) = read("a.xml", DTD % ("doc", "http://example.org/a.dtd") + "<doc><x:p>One</x:q></doc>")
    assert row["reason"] == "unreadable file"


def test_xml_with_an_id_twice_is_read(text_of):
    assert text_of("a.xml", '<a><p xml:id="x">One.</p><p xml:id="x">Two.</p></a>') == "One.\n\nTwo."


def test_sounds_in_subtitles_are_removed(text_of):
    cues = "1\n00:00:01,000 --> 00:00:02,000\n[Music]\nHello (there).\n\n2\n00:00:02,000 --> 00:00:03,000\n(laughs)\n"
    assert text_of("a.srt", cues) == "Hello (there)."


def test_options_and_metadata_of_rst_are_removed(text_of):
    text = (
        ":title: Settings\n:category: S3\n\nThe first\nparagraph.\n\n.. rubric:: Which one\n   is better?\n   :name: which\n"
        "   :class: title\n\n.. note:: Take\n   care.\n\n   And more.\n\nLast: text.\n"
    )
    expected = "The first\nparagraph.\n\nWhich one is better?\n\nTake care.\n\nAnd more.\n\nLast: text."
    assert text_of("a.rst", text) == expected


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        *(("a.doc", "save it as .docx"), ("A.PPT", ".pptx"), ("a.jpg", "OCR"), ("a.xyz", ".md")),
        *(("a.7z", "pack it as .zip"), ("a.fodt", ".odt"), ("a.chm", ".html"), ("a.sqlite", ".parquet")),
        *(("a.txt.lz4", ".zst"), ("a.ttml", ".srt"), ("a.asciidoc", ".md"), ("a.gpg", "decrypt")),
    ],
)
def test_files_that_are_not_read_have_a_remedy(read, name, remedy):
    _, (dropped,) = read(name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert dropped["reason"] == "unknown format" and remedy in dropped["detail"]


def test_mail_in_utf_16(text_of):
    assert (
        text_of("a.eml", ANSWER.format("Die Glühlampe brennt.").encode("utf-16")) == "Die Glühlampe brennt."
    )


def test_the_first_heading_of_a_notebook_after_its_badges_is_its_title(read):
    badge = '<a href="https://x"><img src="https://x/badge.svg"/></a>'
    cells = [{"cell_type": "markdown", "source": source} for source in (badge, "# Lamps\n\nLight.")]
    (row,), _ = read("a.ipynb", json.dumps({"cells": cells}))
    assert (row["title"], row["text"]) == ("Lamps", "# Lamps\n\nLight.")


def test_the_tables_of_xml_are_tables(text_of):
    rows = '<tr><th>Name</th><th colspan="2">Value</th></tr><tr><td>a <i>b</i></td><td>1</td><td>2</td></tr>'
    text = text_of("a.nxml", f"<article><p>One.</p><table-wrap><table>{rows}</table></table-wrap></article>")
    assert text == "One.\n\n| Name | Value |  |\n| --- | --- | --- |\n| a b | 1 | 2 |"


def test_the_preamble_of_a_formula_in_xml_is_removed(text_of):
    tex = r"\documentclass{minimal} \usepackage{amsmath} \begin{document} $$ x=1 $$ \end{document}"
    assert (
        text_of("a.xml", f"<a><p>Where <tex-math>{tex}</tex-math> holds.</p></a>") == "Where $$ x=1 $$ holds."
    )


def test_index_entries_of_a_manual_page_are_removed(text_of):
    """Those that pod2man writes below each heading and item."""
    page = '.TH A 1\n.SH NAME\na \\- b\n.IX Header "NAME"\n.IP "x" 4\n.IX Item "x"\nCipher x\n'
    assert "IX" not in text_of("a.1", page)
    assert "- x: Cipher x" in text_of("a.1", page)


def test_the_colours_of_printed_text_are_removed(text_of):
    printed = {"output_type": "stream", "text": ["\x1b[1;36m106\x1b[0m rows\n"]}
    cell = {"cell_type": "code", "source": "n", "outputs": [printed]}
    assert "```\n106 rows\n```" in text_of("a.ipynb", json.dumps({"cells": [cell]}))


@pytest.mark.parametrize(
    "printed", ["\x1b[1mName\x1b[0m of it", "N\bNa\bam\bme\be of it", "_\bN_\ba_\bm_\be of it"]
)
def test_bold_and_underlined_words_of_a_terminal_are_plain(text_of, printed):
    """As `man page > page.txt` writes them."""
    assert text_of("a.txt", printed) == "Name of it"
