"""Prepare the XML of a Word document for mammoth, which ignores formulas and ruby and keeps hidden text."""

import re
from collections.abc import Callable, Iterable

from lxml import etree

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
OFFICE = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
# One of these occurs in a part that must be changed.
MARKS = (b"oMath", b":ruby", b":vanish", b":altChunk", b":showingPlcHdr")
CHUNK = "\ue0ac"  # a private character, before and after the id of a chunk (`alt_chunks`)
PARTED = re.compile(r"^[^(]*\)")  # a parenthesis that closes before the end
FORMULA = "formula"  # marks the run of a formula
OFF = ("0", "false", "off")
NOT_WORD = re.compile(r"\W")


def prepared(data: bytes, parse: Callable[[bytes], etree._Element | None]) -> bytes:
    """
    Write formulas as text, keep the base of ruby annotations, and mark chunks.

    Hidden text and the prompts of empty fields ("Click here to enter text") are removed.
    """
    if not any(mark in data for mark in MARKS):
        return data
    root = parse(data)
    if root is None:
        return data
    for vanish in list(root.iter(f"{WORD}vanish")):
        properties = vanish.getparent()
        run = None if properties is None else properties.getparent()
        if vanish.get(f"{WORD}val") not in OFF and run is not None and run.tag == f"{WORD}r":
            _replace(run, ())
    for prompt in list(root.iter(f"{WORD}showingPlcHdr")):
        control = prompt.getparent().getparent()
        if prompt.get(f"{WORD}val") not in OFF and control is not None and control.tag == f"{WORD}sdt":
            for text in list(control.iter(f"{WORD}t")):
                text.text = ""
    for ruby in list(root.iter(f"{WORD}ruby")):
        # The runs of the base become siblings of the run that holds the annotation.
        base = ruby.find(f"{WORD}rubyBase")
        _replace(ruby, [] if base is None else list(base.iter(f"{WORD}t")))
    for chunk in list(root.iter(f"{WORD}altChunk")):
        paragraph = etree.Element(f"{WORD}p")
        text = etree.SubElement(etree.SubElement(paragraph, f"{WORD}r"), f"{WORD}t")
        text.text = f"{CHUNK}{NOT_WORD.sub('', chunk.get(f'{OFFICE}id', ''))}{CHUNK}"
        _replace(chunk, (paragraph,))
    for formula in list(root.iter(f"{MATH}oMath")):
        run = etree.Element(f"{WORD}r")
        text = etree.SubElement(run, f"{WORD}t")
        text.text = linear(formula)
        previous = formula.getprevious()
        if previous is not None and previous.tag == f"{WORD}r" and previous.get(FORMULA):
            text.text = f"; {text.text}"
        run.set(FORMULA, "1")
        _replace(formula, (run,))
    for paragraph in list(root.iter(f"{MATH}oMathPara")):  # mammoth ignores it
        _replace(paragraph, list(paragraph.iter(f"{WORD}r")))
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def _replace(element: etree._Element, by: Iterable[etree._Element]) -> None:
    """Replace an element, keeping the text after it."""
    parent = element.getparent()
    if parent is None:
        return
    at = parent.index(element)
    for child in reversed(list(by)):
        child.tail = None
        parent.insert(at + 1, child)
    parent.remove(element)


def linear(formula: etree._Element) -> str:
    """Write a formula on one line: (a+b)/2, x^2, √(x)."""
    return " ".join(_children(formula).split())


def _children(element: etree._Element) -> str:
    return "".join(_written(child) for child in element if isinstance(child.tag, str))


def _part(element: etree._Element, name: str) -> str:
    part = element.find(f"{MATH}{name}")
    return "" if part is None else _children(part).strip()


def _property(element: etree._Element, group: str, name: str, default: str) -> str:
    stated = element.find(f"{MATH}{group}/{MATH}{name}")
    return default if stated is None else str(stated.get(f"{MATH}val", ""))


def grouped(text: str) -> str:
    """Put a text of several parts in parentheses."""
    is_grouped = text[:1] == "(" and text[-1:] == ")" and not PARTED.search(text[1:-1])
    return text if len(text) < 2 or text.isalnum() or is_grouped else f"({text})"


def _scripts(element: etree._Element) -> str:
    """Write what is below and above a symbol."""
    below, above = _part(element, "sub"), _part(element, "sup")
    return (f"_{grouped(below)}" if below else "") + (f"^{grouped(above)}" if above else "")


def _written(element: etree._Element) -> str:
    name = etree.QName(element).localname
    if name == "t":
        return str(element.text or "")
    if name == "f":
        return f"{grouped(_part(element, 'num'))}/{grouped(_part(element, 'den'))}"
    if name in ("sSup", "sSub", "sSubSup"):
        base = _part(element, "e")
        return (base if element.find(f"{MATH}e/{MATH}f") is None else grouped(base)) + _scripts(element)
    if name == "rad":
        return f"{_part(element, 'deg')}√{grouped(_part(element, 'e'))}"
    if name == "nary":
        return f"{_property(element, 'naryPr', 'chr', '∫')}{_scripts(element)} {_part(element, 'e')}"
    if name == "d":
        parts = ", ".join(_children(part) for part in element.findall(f"{MATH}e"))
        return _property(element, "dPr", "begChr", "(") + parts + _property(element, "dPr", "endChr", ")")
    if name == "func":
        of = _part(element, "e")
        return _part(element, "fName") + (of if of.startswith("(") else f"({of})")
    if name == "mr":
        return ", ".join(_children(part) for part in element.findall(f"{MATH}e")) + "; "
    return "" if name.endswith("Pr") else _children(element)
