"""
Output formats, each with a strict parser: the whole text must be the format, with nothing around it.

`read(name, text)` returns what a text of that format holds. A code fence, an introduction, a row of another
length or a repeated key is not the format. The parsers bound length and nesting, resolve no references and
execute nothing.
"""

from collections.abc import Callable

from datagen.request import Reject
from datagen.stages.shared.formats import lists, mappings, tables
from datagen.stages.shared.formats.parsed import NotTheFormat, Parsed

__all__ = ["FORMATS", "NotTheFormat", "Parsed", "read"]

LONGEST = 20_000  # characters

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
    Parse a text as a format.

    Parameters
    ----------
    name
        A key of `FORMATS`.
    text
        The text; blanks around it are ignored.

    Raises
    ------
    Reject
        If the text is not of the format, is empty, or longer than `LONGEST`.
    """
    try:
        if not text.strip():
            raise NotTheFormat("empty")
        if len(text) > LONGEST:
            raise NotTheFormat(f"{len(text)} characters")
        parsed = FORMATS[name](text.strip())
        if not any(cell.strip() for cell in parsed.cells):
            raise NotTheFormat("it holds nothing")
    except (NotTheFormat, RecursionError) as error:
        raise Reject("not the demanded format", f"{name}: {error}: {text[:200]}") from None
    return parsed
