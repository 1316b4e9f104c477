"""
Read malicious files: each must give text or a drop reason, within limits, without ending the worker.

Decompression bombs, reference loops, false sizes, unbounded nesting, links out of archives, invalid encodings
and broken structure, in each format that can be written without another program. Prints each result. Run:

    python -m benchmarks.hostile_files
"""

# ruff: noqa: E501 - the lines are data
import argparse
import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

from benchmarks import add_quick
from datagen.recipe.model import Recipe
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest import watch

PROSE = "The keeper wound the clock at dusk. A bell was rung in fog.\n\n" * 20
LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "' + "&a;" * 99 + '"><!ENTITY c "' + "&b;" * 99 + '">]>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
ODF = "".join(
    f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table")
)
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def zipped(members: dict[str, str | bytes]) -> bytes:
    """Make a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def docx(body: str, prolog: str = "") -> bytes:
    """Make a Word document."""
    target = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
    return zipped(
        {
            "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{target}</Relationships>',
            "word/document.xml": f"{prolog}<w:document {W} {M}><w:body>{body}</w:body></w:document>",
        }
    )


def odt(body: str) -> bytes:
    """Make an OpenDocument text."""
    content = f"<office:document-content{ODF}><office:body><office:text>{body}"
    return zipped({"content.xml": f"{content}</office:text></office:body></office:document-content>"})


def ods(rows: str) -> bytes:
    """Make an OpenDocument spreadsheet of the rows of its sheet."""
    table = f'<table:table table:name="S">{rows}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    content = f"<office:document-content{ODF}>{body}</office:document-content>"
    return zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content})


def xlsx(rows: str) -> bytes:
    """Make a workbook."""
    book = f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="a"/>'
    main = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    sheet = f'<Relationship Id="a" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    return zipped(
        {
            "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{main}</Relationships>',
            "xl/workbook.xml": f"{book}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{sheet}</Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>',
        }
    )


def epub(spine: str) -> bytes:
    """Make a book of one long chapter."""
    container = '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>'
    item = '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    return zipped(
        {
            "META-INF/container.xml": container,
            "b.opf": f"<package><manifest>{item}</manifest><spine>{spine}</spine></package>",
            "a.xhtml": f"<html><body><p>{PROSE * 50}</p></body></html>",
        }
    )


def pdf(content: bytes, pages: str = "1", extra: bytes = b"", more: bytes = b"") -> bytes:
    """Make a PDF without a table of positions, which readers rebuild."""
    stream = b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content)
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R%s>>endobj\n2 0 obj<</Type/Pages/Count %s/Kids[3 0 R]>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj%sendobj\n5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Courier>>endobj\n%s\ntrailer<</Root 1 0 R>>\n"
        % (extra, pages.encode(), stream, more)
    )


def tarred(*members: tuple[str, bytes, bytes]) -> bytes:
    """Make a tar archive of members: name, type and data."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def nested_zips(depth: int) -> bytes:
    """Make a zip archive in a zip archive, and so on."""
    data = zipped({"a.txt": PROSE})
    for _ in range(depth):
        data = zipped({"a.zip": data})
    return data


def hostile() -> dict[str, bytes]:
    """Make the files: name -> bytes."""
    return {name: text.encode("utf-8", "surrogatepass") for name, text in _texts().items()} | _binaries()


def _texts() -> dict[str, str]:
    return {
        "deep.html": "<div>" * 50_000 + "x",
        "tables.html": "<table><tr><td>" * 8_000 + "x",
        "attributes.html": "<p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">x</p>",
        "comment.html": "<!--" * 80_000,
        "references.html": "<p>a &#1; &#xFFFE; &#55296; b</p>",
        "deep.json": "[" * 100_000 + "]" * 100_000,
        "integers.json": json.dumps([{"text": PROSE, "n": 10**4000}]),
        "cut.json": '[{"text": "One."}, {"text": "Tw',
        "numbers.jsonl": '{"text": "One.", "x": NaN}\n{"text": 5}\n[1]\n"x"\n{"text": "\\ud800 Two."}\n',
        "aliases.md": "---\na: &a [x, x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}, *{p}]\n" for p, c in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)) + "---\nText.\n",
        "date.md": "---\ndate: 2024-02-30\n!!int x: 1\n---\nText.\n",
        "brackets.md": "[" * 200_000,
        "fences.md": "```\n" * 100_000,
        "quote.csv": 'id,text\n1,"' + "x,\n" * 500_000,
        "columns.csv": ",".join(f"c{n}" for n in range(20_000)) + "\n" + ",".join("1" * 20_000),
        "laughs.xml": LAUGHS + "<l>&c;&c;</l>",
        "deep.xml": "<a>" * 100_000,
        "leak.xml": '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>Text &a;</l>',
        "braces.rtf": "{\\rtf1 " + "{" * 150_000,
        "binary.rtf": "{\\rtf1 \\bin999999999 x}",
        "parts.eml": "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(800)) + "\nx",
        "header.eml": "Subject: " + "=?utf-8?q?a?= " * 50_000 + "\n\nx",
        "charset.eml": "From: a\nContent-Type: text/plain; charset=klingon-8\n\nText.\n",
        "many.mbox": "From x\n\n" * 50_000,
        "cells.ipynb": '{"cells": [null, 5, {"cell_type": "code", "source": {"a": 1}, "outputs": [[]]}]}',
        "macro.1": ".TH A 1\n.de X\n" + ".X\n" * 50_000,
        "table.3": ".TH A 3\n.SH NAME\nx\n.TS\nl l.\nT{\n" + "a\n" * 50_000,
        "braces.wiki": "{{" * 100_000 + "[[File:" * 50_000,
        "times.srt": "1\n99:99:99,999 --> 00:00:00,000\nHello.\n\n" * 20_000,
        "roles.rst": "`" * 100_000 + "\n=\n" * 50_000,
        "names.txt": "user\tpassword\n" * 100_000 + "\tpassword" * 100_000 + "Cookie: a=b PIN: " * 100_000,
        "paragraphs.eml": "Subject: a\n\n" + "unsubscribe here\n\n" * 100_000,
        "base64.eml": "Subject: a\nContent-Transfer-Encoding: base64\n\nNone of this is.\n" * 10_000,
        "signed.eml": "".join(f"Content-Type: multipart/signed; boundary=b{n}\n\n--b{n}\nContent-Type: message/rfc822\n\n" for n in range(300)) + f"Subject: a\n\n{PROSE}",
        "options.txt": " -u a" * 100_000 + "--pass " * 100_000 + "SSID " * 100_000 + "user  password\n" * 100_000,
        "field.txt": "From: a\nSubject: b\nX-" + "x" * 2_000_000,
        "wrapped.json": '{"data":' * 500 + '{"text": "One."}' + "}" * 500,
        "parameter.xml": '<!DOCTYPE l [<!ENTITY % a "<!ENTITY b \'x\'>"> ' + "%a;" * 10_000 + "]><l>&b;</l>",
        "line.py": "x = [" + "1, " * 2_000_000 + "]",
        "spans.html": "<table>" + ("<tr>" + "<td colspan=1000>x</td>" * 50 + "</tr>") * 300,
        "colspan.html": "<table><tr><td colspan=99999999999999>x<td colspan=-1>y<td colspan=x>z</tr><tr><td>a<td>b</tr></table>",
        "items.html": "<ul>" + "<li></li>" * 100_000,
        "lines.html": "<div class=fragment>" + "<div class=line>x</div>" * 50_000,
        "summary.html": "<div class=summary-table>" + "<div class=col-last>x</div><div class=col-first>y</div>" * 20_000,
        "enriched.eml": "From: a\nContent-Type: text/enriched\n\n" + "<param>" * 200_000 + "<<" * 100_000,
        "pictures.eml": "From: a\n\n" + "<http://a.gif?" * 100_000 + ">",
        "package.tex": "\\documentclass{article}\\usepackage{hostile}\\begin{document}x\\end{document}",
        "hostile.sty": "\\def\\a{" * 150_000 + "\\newcommand{\\x}[1]" * 50_000,
        "codes.txt": "\x1b]0;title\x07\x1b[2J" * 20_000,
    }  # fmt: skip


def _binaries() -> dict[str, bytes]:
    bomb = bytes(200_000_000)
    glyphs = b"BT /F 1 Tf " + b"(" + b"a" * 20_000_000 + b") Tj ET"
    lying = xlsx('<row><c t="inlineStr"><is><t>aaaaaaaa</t></is></c></row>' * 100_000)
    with zipfile.ZipFile(io.BytesIO(lying)) as book:
        size = struct.pack("<I", book.getinfo("xl/worksheets/sheet1.xml").file_size)
    return {
        "empty.txt": b"",
        "zeros.txt": bytes(1_000_000),
        "mark.txt": b"\xff\xfe",
        "mixed.txt": "Grüße und café. ".encode() * 99 + "Grüße".encode("latin-1"),
        "long.txt": b"x" * 8_000_000,
        "bomb.txt.gz": gzip.compress(bomb),
        "bomb.txt.xz": lzma.compress(bomb),
        "bomb.txt.bz2": bz2.compress(bomb),
        "cut.txt.gz": gzip.compress(PROSE.encode())[:-9],
        "cut.txt.zst": b"\x28\xb5\x2f\xfd\x04\x00",
        "half.txt.gz": gzip.compress(PROSE.encode() * 5_000)[:2_000],
        "letter.mbox": b"".join(b"From x\nSubject: %d\n%s\n%s\n" % (n, b"Content-Type: text/plain; charset=utf-8\n\n\xff\xfe\x80 " if n == 5 else b"", PROSE.encode()) for n in range(9)),
        "bomb.zip": zipped({"a.txt": bomb}),
        "nested.zip": nested_zips(6),
        "paths.zip": zipped({"../../x.txt": PROSE, "/abs.txt": PROSE, "C:\\a.txt": PROSE}),
        "many.zip": zipped({f"{n}.txt": "x" for n in range(101_000)}),
        "cut.zip": zipped({"a.txt": PROSE})[:-30],
        "links.tar": tarred(("a", tarfile.SYMTYPE, b""), ("b", tarfile.CHRTYPE, b""), ("c.txt", b"0", PROSE.encode())),
        "size.tar": tarred(("a.txt", b"0", b"x")).replace(b"00000000001\0", b"77777777777\0"),
        "footer.parquet": b"PAR1" + bytes(20) + b"\xff\xff\xff\x7fPAR1",
        "cut.arrow": b"ARROW1\0\0" + bytes(100),
        "bomb.docx": docx(f"<w:p><w:r><w:t>{'a' * 100_000_000}</w:t></w:r></w:p>"),
        "tables.docx": docx("<w:tbl><w:tr><w:tc>" * 3_000 + "</w:tc></w:tr></w:tbl>" * 3_000),
        "formula.docx": docx("<w:p>" + "<m:oMath>" + "<m:rad><m:e>" * 5_000 + "</m:e></m:rad>" * 5_000 + "</m:oMath></w:p>"),
        "laughs.docx": docx("<w:p><w:r><w:t>&c;&c;</w:t></w:r></w:p>", LAUGHS),
        "none.docx": zipped({"word/other.xml": "x"}),
        "lists.odt": odt("<text:list><text:list-item>" * 5_000 + "</text:list-item></text:list>" * 5_000),
        "cells.odt": odt('<table:table><table:table-row><table:table-cell table:number-columns-repeated="999999999"><text:p>x</text:p></table:table-cell></table:table-row></table:table>'),
        "rows.ods": ods('<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="one"/></table:table-row>'),
        "sizes.xlsx": lying.replace(size, struct.pack("<I", 500)),
        "corner.xlsx": xlsx('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "diagonal.xlsx": xlsx("".join(f'<row r="{n * 60}"><c r="A{chr(65 + n % 26)}{chr(65 + n // 26 % 26)}{n * 60}"><v>1</v></c></row>' for n in range(1, 16_000))),
        "damaged.xlsx": xlsx('<row><c t="b"><v>maybe</v></c><c t="s"><v>99</v></c></row>' * 20_000),
        "spine.epub": epub('<itemref idref="a"/>' * 100_000),
        "missing.epub": zipped({"META-INF/container.xml": '<container><rootfile full-path="../../x"/></container>'}),
        "glyphs.pdf": pdf(zlib.compress(glyphs)),
        "flate.pdf": pdf(zlib.compress(bomb)),
        "outline.pdf": pdf(zlib.compress(b"BT /F 9 Tf (Text) Tj ET"), extra=b"/Outlines 6 0 R", more=b"6 0 obj<</First 6 0 R/Next 6 0 R/Title(x)/Parent 6 0 R>>endobj"),
        "arrays.pdf": pdf(b"", extra=b"/X " + b"[" * 100_000),
        "pages.pdf": pdf(b"", pages="999999999"),
        "loop.pdf": pdf(b"").replace(b"/Kids[3 0 R]", b"/Kids[2 0 R]"),
        "cut.pdf": b"%PDF-1.7\n1 0 obj<<",
    }  # fmt: skip


def main() -> None:
    """Write the files, read them one by one, and print each result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_quick(parser)
    parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        results = read(hostile(), Path(name), ingest.Options())
    for file, ends in results.items():
        print(f"{file:18} {', '.join(sorted(set(ends))[:4]) or 'LOST'}")
    seconds = round(time.monotonic() - started)
    print(
        json.dumps({"files": len(results), "accounted": sum(map(bool, results.values())), "seconds": seconds})
    )


def read(files: dict[str, bytes], folder: Path, options: ingest.Options) -> dict[str, list[str]]:
    """Read files, written to a folder; return what became of each: lengths of texts, and reasons."""
    (folder / "files").mkdir()
    for file, data in files.items():
        (folder / "files" / file).write_bytes(data)
    recipe = Recipe(name="hostile", corpus=[{"path": "files"}], file=folder / "recipe.yaml")
    context = recipe.context("ingest", folder / "run")
    outcomes: dict[str, list[str]] = {file: [] for file in sorted(files)}
    for task in ingest.plan(options, context):
        for outcome in ingest.read(task, options, context):
            for row in outcome.kept.to_pylist():
                outcomes[_file(row["source"])].append(f"text of {len(row['text'])}")
            for row in outcome.dropped.to_pylist():
                outcomes[_file(row["source"])].append(row["reason"])
    watch.end_children()
    return outcomes


def _file(source: str) -> str:
    return source.removeprefix("files/").partition("!")[0].partition("#")[0].partition("/")[0]


if __name__ == "__main__":
    main()
