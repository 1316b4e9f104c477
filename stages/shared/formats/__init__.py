"""
Output formats, each with a strict parser: the whole text must match the format, with nothing around it.

`read(name, text)` returns the content of a text in that format. Code fences, introductions, rows of different
lengths and repeated keys are errors. The parsers bound length and nesting, resolve no references and execute
nothing.
"""

import re
from collections.abc import Callable

from datagen.request import Reject
from datagen.stages.shared.formats import lists, mappings, tables
from datagen.stages.shared.formats.parsed import NotTheFormat, Parsed

__all__ = ["FORMATS", "NotTheFormat", "Parsed", "read", "unfenced"]

LONGEST = 20_000  # characters
CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
FENCED = re.compile(r"```[\w+-]*[ \t]*\n(.*?)\n?```", re.DOTALL)

FORMATS: dict[str, Callable[[str], Parsed]] = {
    "json": mappings.json_object,
    "yaml": mappings.yaml_mapping,
    "csv": tables.csv_table,
    "markdown_table": tables.markdown_table,
    "html_table": tables.html_table,
    "latex_table": tables.latex_table,
    "numbered_list": lists.numbered_list,
    "bulleted_list": lists.bulleted_list,
    "one_line": lists.one_line,
}


def read(name: str, text: str) -> Parsed:
    """
    Parse a text in a format.

    Parameters
    ----------
    name
        A key of `FORMATS`.
    text
        The text; surrounding white space is ignored.

    Raises
    ------
    Reject
        If the text does not match the format, is empty, or is longer than `LONGEST`.
    """
    try:
        if not text.strip():
            raise NotTheFormat("empty")
        if len(text) > LONGEST:
            raise NotTheFormat(f"{len(text)} characters")
        parsed = FORMATS[name](text.strip())
        if not any(cell.strip() for cell in parsed.cells):
            raise NotTheFormat("no content")
        # Parsers remove or replace some of them, and escapes in the text may stand for others.
        if any(CONTROL.search(part) for part in (text, *parsed.names, *parsed.cells)):
            raise NotTheFormat("a control character, or half of a surrogate pair")
    except (NotTheFormat, RecursionError) as error:
        raise Reject("not the demanded format", f"{name}: {error}: {text[:200]}") from None
    return parsed


def unfenced(text: str) -> str:
    """Remove surrounding white space, and a code fence around the whole text."""
    fenced = FENCED.fullmatch(text.strip())
    return (fenced[1] if fenced else text).strip()
