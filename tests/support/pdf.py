"""PDFs for tests: text at given positions, in the standard fonts."""

from collections.abc import Sequence
from dataclasses import dataclass

FONTS = {"regular": "Helvetica", "bold": "Helvetica-Bold", "mono": "Courier"}

# In the font "hebrew" the letters a to z map to the Hebrew letters from alef on.
TO_HEBREW = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /H def /CMapType 2 def\n"
    b"1 begincodespacerange <00> <ff> endcodespacerange\n2 beginbfrange <61> <7a> <05d0> <20> <20> <0020> endbfrange\n"
    b"endcmap end end"
)
# In the font "arabic" the letter a maps to alef, l to lam, and x to the ligature of lam and alef.
TO_ARABIC = TO_HEBREW.partition(b"2 beginbfrange")[0] + (
    b"4 beginbfchar <61> <0627> <6c> <0644> <78> <06440627> <20> <0020> endbfchar\nendcmap end end"
)
# In the font "arrows" the letter b maps to an arrow at the break of a line, and c to one before the rest.
TO_ARROWS = TO_HEBREW.partition(b"2 beginbfrange")[0] + (
    b"3 beginbfchar <62> <2190> <63> <21aa> <20> <0020> endbfchar\nendcmap end end"
)


@dataclass(frozen=True)
class Put:
    """A line of text, with its position in points from the page's lower left corner."""

    x: float
    y: float
    text: str
    size: float = 10
    font: str = "regular"


def lines(
    texts: Sequence[str], x: float = 72, y: float = 700, pitch: float = 12, **style: object
) -> list[Put]:
    """Place lines below each other."""
    return [Put(x, y - pitch * at, text, **style) for at, text in enumerate(texts)]  # type: ignore[arg-type]


def write_pdf(
    pages: Sequence[Sequence[Put]],
    outline: Sequence[tuple[str, int]] = (),
    title: str = "",
    extra: bytes = b"",
    trailer: bytes = b"",
    size: tuple[int, int] = (612, 792),
) -> bytes:
    """
    Write a PDF.

    The outline has titles and the pages that they lead to, from 0; `extra` are operators on each page,
    `trailer` entries of the trailer, `size` the width and height of pages.
    """
    objects: list[bytes] = [b"", b""]

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    fonts = b" ".join(
        b"/%s %d 0 R"
        % (
            key.encode(),
            add(b"<</Type/Font/Subtype/Type1/BaseFont/%s/Encoding/WinAnsiEncoding>>" % name.encode()),
        )
        for key, name in FONTS.items()
    )
    # Stems as thick as those of bold fonts, which TeX's regular fonts also have.
    for key, name in ((b"cmr", b"CMR12"), (b"unnamed", b"F1")):
        thick = add(b"<</Type/FontDescriptor/FontName/%s/Flags 4/StemV 150/ItalicAngle 0>>" % name)
        fonts += b"/%s %d 0 R" % (
            key,
            add(
                b"<</Type/Font/Subtype/Type1/BaseFont/%s/Encoding/WinAnsiEncoding/FontDescriptor %d 0 R>>"
                % (name, thick)
            ),
        )
    hebrew = add(b"<</Length %d>>stream\n%s\nendstream" % (len(TO_HEBREW), TO_HEBREW))
    fonts += b"/hebrew %d 0 R" % add(
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode %d 0 R>>" % hebrew
    )
    arabic = add(b"<</Length %d>>stream\n%s\nendstream" % (len(TO_ARABIC), TO_ARABIC))
    fonts += b"/arabic %d 0 R" % add(
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode %d 0 R>>" % arabic
    )
    arrows = add(b"<</Length %d>>stream\n%s\nendstream" % (len(TO_ARROWS), TO_ARROWS))
    fonts += b"/arrows %d 0 R" % add(
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode %d 0 R>>" % arrows
    )
    claimed = add(b"<</Type/FontDescriptor/FontName/DejaVuSans/Flags 33/StemV 80/ItalicAngle 0>>")
    fonts += b"/claimed %d 0 R" % add(
        b"<</Type/Font/Subtype/Type1/BaseFont/DejaVuSans/Encoding/WinAnsiEncoding/FontDescriptor %d 0 R>>"
        % claimed
    )
    kids = []
    for page in pages:
        content = extra
        for put in page:
            text = (
                put.text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            )
            content += b"BT /%s %g Tf %g %g Td (%s) Tj ET\n" % (
                put.font.encode(),
                put.size,
                put.x,
                put.y,
                text,
            )
        stream = add(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
        kids.append(
            add(
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R/Resources<</Font<<%s>>>>>>"
                % (*size, stream, fonts)
            )
        )
    root = b"<</Type/Catalog/Pages 2 0 R"
    if outline:
        first = len(objects) + 2
        parent = add(
            b"<</First %d 0 R/Last %d 0 R/Count %d>>" % (first, first + len(outline) - 1, len(outline))
        )
        for at, (name, page_number) in enumerate(outline):
            following = b"/Next %d 0 R" % (first + at + 1) if at + 1 < len(outline) else b""
            add(
                b"<</Title(%s)/Parent %d 0 R/Dest[%d 0 R/XYZ 0 792 0]%s>>"
                % (name.encode("cp1252"), parent, kids[page_number], following)
            )
        root += b"/Outlines %d 0 R" % parent
    objects[0] = root + b">>"
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (
        len(kids),
        b" ".join(b"%d 0 R" % kid for kid in kids),
    )
    if title:
        trailer += b"/Info %d 0 R" % add(b"<</Title(%s)>>" % title.encode("cp1252"))
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R" % (size, table, size)
    return out + b"%s>>\nstartxref\n%d\n%%%%EOF" % (trailer, out.rindex(b"xref\n0"))
