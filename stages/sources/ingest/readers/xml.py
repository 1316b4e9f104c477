"""XML: its titles and paragraphs; each page of a wiki export is a document."""

import re
from collections.abc import Iterator

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode_declared, unusual
from datagen.stages.sources.ingest.readers.mediawiki import to_markdown
from datagen.stages.sources.ingest.readers.xml_blocks import paragraphs
from datagen.stages.sources.ingest.readers.xml_fields import name_of
from datagen.stages.sources.ingest.readers.xml_substitutions import substitute
from datagen.stages.sources.ingest.readers.zipped import Element
from datagen.stages.sources.ingest.record import File, Record

# Errors of prefixes and attributes, and of a DTD that is elsewhere: it is not loaded.
HARMLESS = frozenset(
    {
        *("NS_ERR_UNDEFINED_NAMESPACE", "NS_ERR_ATTRIBUTE_REDEFINED", "ERR_ATTRIBUTE_REDEFINED"),
        *("NS_ERR_XML_NAMESPACE", "NS_ERR_COLON", "NS_ERR_QNAME", "NS_ERR_EMPTY"),
        *(
            "IO_NETWORK_ATTEMPT",
            "IO_ENOENT",
            "IO_LOAD_ERROR",
            "IO_UNKNOWN",
            "WAR_NS_URI",
            "WAR_NS_URI_RELATIVE",
        ),
        *("WAR_UNDECLARED_ENTITY", "WAR_NS_COLUMN"),
    }
)
DTD, UNDECLARED = b"<!DOCTYPE", "ERR_UNDECLARED_ENTITY"
XML_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*>")
DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\sencoding\s*=\s*["']?([\w.:-]{1,40})""")


def read(file: File) -> Iterator[Record | Reject]:
    """Read the document, or the pages of a wiki export."""
    with file.open() as stream:
        head = stream.read(2048)
    if b"<mediawiki" in head:
        yield from _pages(file)
        return
    text, encoding = _decoded(file)
    root = _parse(text.encode("utf-8", "replace"), is_cut=bool(file.cut))
    metadata: dict[str, object] = {"root": name_of(root), **unusual(encoding)}
    if left_out := substitute(root):
        metadata["left_out"] = dict(left_out)
    yield Record("\n\n".join(paragraphs(root)), metadata=metadata)


def _decoded(file: File) -> tuple[str, str]:
    """Decode a document, and remove its declaration, whose encoding may be unknown or wrong."""
    data = file.read()
    declared = DECLARED.match(data)
    text, encoding = decode_declared(data, declared[1].decode() if declared else "", file.entry.encoding)
    return XML_DECLARATION.sub("", text.removeprefix("\ufeff"), count=1), encoding


def _parse(data: bytes, is_cut: bool = False) -> Element:
    """Parse a document in UTF-8, in spite of errors that leave its text unambiguous (`HARMLESS`) or cut."""
    parser = _parser(recover=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if DTD not in data and any(entry.type_name == UNDECLARED for entry in parser.error_log):
            # A part of a document: with a DTD elsewhere, its entities are references and no errors.
            return _parse(DTD + b' part SYSTEM "elsewhere">' + data, is_cut)
        if not is_cut and not {entry.type_name for entry in parser.error_log} <= HARMLESS:
            raise Reject("unreadable file", f"{error}") from error
        return etree.fromstring(data, _parser(recover=True))


def _parser(recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,  # an id that occurs twice is no reason not to read the text
        recover=recover,
    )


def _pages(file: File) -> Iterator[Record | Reject]:
    """Read a wiki's pages one at a time, without redirects."""
    with file.open() as stream:
        try:
            for _, page in etree.iterparse(
                stream, tag="{*}page", resolve_entities=False, no_network=True, huge_tree=True
            ):
                title = page.findtext("{*}title") or ""
                text = page.findtext("{*}revision/{*}text") or ""
                is_redirect = page.find("{*}redirect") is not None
                namespace = page.findtext("{*}ns") or "0"
                page.clear()
                while page.getprevious() is not None:
                    del page.getparent()[0]
                if not is_redirect and namespace == "0":
                    yield Record(to_markdown(text), title, title)
        except etree.XMLSyntaxError as error:
            yield Reject("unreadable file", f"{error}")
