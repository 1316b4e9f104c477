"""Load a PDF with PDFium: the lines, rules and images of its pages, its outline and its information."""

import ctypes
from typing import IO

import pypdfium2
import pypdfium2.raw as pdfium

from datagen.request import Reject
from datagen.stages.sources.ingest.pdf.document import Document, Entry, Page
from datagen.stages.sources.ingest.pdf.text_page import TextPage

MAX_OBJECTS = 3000  # of a page that is searched for rules; a drawing has more
MAX_RULE, MIN_RULE = (
    4.5,
    20,
)  # height and width of a rule, in points; a stroke's box is twice as high as the stroke
MAX_OUTLINE = 20_000  # entries
IMAGE, PATH = pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH
WRONG_PASSWORD = pdfium.FPDF_ERR_PASSWORD


def load(source: bytes | IO[bytes]) -> Document:
    """
    Read a PDF's pages.

    Raises
    ------
    Reject
        If it is encrypted, damaged or not a PDF.
    """
    try:
        pdf = pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == WRONG_PASSWORD:
            raise Reject("encrypted", "it requires a password; save it without one") from error
        raise Reject("unreadable file", f"PDFium: {error}") from error
    try:
        pages = [_page(pdf, number) for number in range(len(pdf))]
        info = {key: value.strip() for key, value in pdf.get_metadata_dict(skip_empty=True).items()}
        return Document(pages, _outline(pdf, len(pages)), info)
    finally:
        pdf.close()


def _outline(pdf: pypdfium2.PdfDocument, count: int) -> list[Entry]:
    entries: list[Entry] = []
    for bookmark in pdf.get_toc(max_depth=8):
        dest = bookmark.get_dest()
        page = dest.get_index() if dest else None
        title = " ".join(bookmark.get_title().split())
        if title and page is not None and 0 <= page < count:
            entries.append(Entry(title, bookmark.level + 1, page))
        if len(entries) == MAX_OUTLINE:
            break
    return entries


def _page(pdf: pypdfium2.PdfDocument, number: int) -> Page:
    """Read a page; one that PDFium cannot load is empty."""
    handle = pdfium.FPDF_LoadPage(pdf.raw, number)
    if not handle:
        return Page()
    try:
        text_page = pdfium.FPDFText_LoadPage(handle)
        if not text_page:
            return Page()
        try:
            box = pdfium.FS_RECTF()
            pdfium.FPDF_GetPageBoundingBox(handle, box)
            page = TextPage(text_page).read((box.left, box.bottom, box.right, box.top))
        finally:
            pdfium.FPDFText_ClosePage(text_page)
        _read_objects(handle, page)
        return page
    finally:
        pdfium.FPDF_ClosePage(handle)


def _read_objects(handle: pdfium.FPDF_PAGE, page: Page) -> None:
    """Record horizontal rules and images."""
    count = pdfium.FPDFPage_CountObjects(handle)
    if count > MAX_OBJECTS and page.lines:
        return
    box = [ctypes.c_float() for _ in range(4)]
    for index in range(count):
        item = pdfium.FPDFPage_GetObject(handle, index)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == PATH and pdfium.FPDFPageObj_GetBounds(item, *box):
            left, bottom, right, top = (side.value for side in box)
            if top - bottom < MAX_RULE and right - left > MIN_RULE:
                page.rules.append((-(top + bottom) / 2, left, right))
        elif kind == IMAGE:
            page.has_image = True
