"""Fields of XML records: values that no reader can tell without their names, such as <price>3.50</price>."""

import re
from collections.abc import Set

from datagen.stages.sources.ingest.readers.zipped import Element

MAX_VALUES = 12  # of an element; more are data
LONGEST = 60  # characters of a value, and of an attribute that distinguishes it
WORD = re.compile(r"[^\W\d_]{2}|[^\W\d_A-Za-z]|=")  # two letters, one of another script, or an equation
BOOLEAN = re.compile(r"true|false|yes|no", re.IGNORECASE)
HEXADECIMAL = re.compile(r"(?=.*\d)[0-9a-f]{4,}(?:-?[0-9a-f]{4,})+", re.IGNORECASE)
IN_NAME = re.compile(r"(?<=[a-z\d])(?=[A-Z])|[-_.]+")  # between the words of a name
GENERIC = frozenset({"item", "value", "entry", "element"})  # names of values that belong to the name above


def name_of(element: Element) -> str:
    """Return an element's name without its prefix, whether that is declared or not; "" of no element."""
    return re.split("[}:]", element.tag)[-1] if isinstance(element.tag, str) else ""


def fields_of(element: Element, texts: Set[str]) -> dict[Element, str]:
    """
    Return the children of an element that are fields, as "name: value" or with the fields within them.

    An element that has a value without words is a record: its other short values are fields, too.

    Parameters
    ----------
    element
        The element.
    texts
        Names of elements that are text whatever is in them.
    """
    leaves = {child: value for child in element if name_of(child) not in texts and (value := _value(child))}
    is_record = any(map(_is_wordless, leaves.values()))
    fields = {child: f"{_label(child)}: {value}" for child, value in leaves.items() if is_record}
    for child in element:
        if len(child) and name_of(child) not in texts and (inner := _inner(child, texts)):
            fields[child] = f"{_label(child)}{inner}"
    return fields


def _inner(element: Element, texts: Set[str]) -> str:
    """Write the fields of an element that has nothing else; "" of another one."""
    filled = [child for child in element if len(child) or (child.text or "").strip()]
    values = [_value(child) if name_of(child) not in texts - GENERIC else "" for child in filled]
    if (element.text or "").strip() or not values or len(values) > MAX_VALUES or not all(values):
        return ""
    if not any(map(_is_wordless, values)):
        return ""
    if all(name_of(child) in GENERIC for child in filled):
        return f": {', '.join(values)}"
    return f" ({'; '.join(f'{_label(child)}: {value}' for child, value in zip(filled, values, strict=True))})"


def _value(element: Element) -> str:
    """Return the text of an element that is short, no sentence, and stands alone."""
    text = " ".join((element.text or "").split()) if not len(element) else ""
    is_long = len(text) > LONGEST or (text.endswith((".", "!", "?")) and not _is_wordless(text))
    return "" if is_long or (element.tail or "").strip() else text


def _is_wordless(text: str) -> bool:
    return bool(not WORD.search(text) or BOOLEAN.fullmatch(text) or HEXADECIMAL.fullmatch(text))


def _label(element: Element) -> str:
    """Return an element's name in words, with its attribute if it has only one."""
    attributes = [f" {name} {value}" for name, value in element.items() if len(value) <= LONGEST]
    return " ".join(IN_NAME.sub(" ", name_of(element)).split()) + (
        attributes[0] if len(attributes) == 1 else ""
    )
