"""Notebooks: text, code and printed output."""

from collections.abc import Iterator

from datagen.json_types import JsonObject
from datagen.outside_json import parse
from datagen.request import Reject
from datagen.stages.sources.ingest.readers.markdown import without_badges
from datagen.stages.sources.ingest.readers.source_code import fenced
from datagen.stages.sources.ingest.readers.text import without_controls
from datagen.stages.sources.ingest.record import File, Record

MAX_OUTPUT = 2000  # characters of one output of a cell


def read(file: File) -> Iterator[Record]:
    """Read the cells in order."""
    text, _ = file.text()
    try:
        notebook = parse(text)
    except ValueError as error:
        raise Reject("unreadable file", f"it is not JSON: {error}") from error
    if not isinstance(notebook, dict):
        raise Reject("unreadable file", "it has no cells")
    cells = notebook.get("cells")
    if cells is None:  # of version 3
        sheets = notebook.get("worksheets")
        cells = (
            [
                cell
                for sheet in sheets
                if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
                for cell in sheet["cells"]
            ]
            if isinstance(sheets, list)
            else None
        )
    if not isinstance(cells, list):
        raise Reject("unreadable file", "it has no cells")
    language = _language(notebook)
    parts = [part for cell in cells if isinstance(cell, dict) for part in _cell(cell, language)]
    yield Record("\n\n".join(parts), metadata={"programming_language": language})


def _language(notebook: JsonObject) -> str:
    metadata = notebook.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        info = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(info, dict) and isinstance(info.get(name), str):
            return str(info[name]).lower()
    return "python"


def _cell(cell: JsonObject, language: str) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input")))
    if not source.strip():
        return
    if cell.get("cell_type") == "code":
        yield fenced(source, language)
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else ():
            if isinstance(output, dict) and (printed := without_controls(_output(output)).strip("\n")):
                yield fenced(printed[:MAX_OUTPUT], "")
    elif cell.get("cell_type") in ("markdown", "heading") and (text := without_badges(source).strip("\n")):
        yield text


def _output(output: JsonObject) -> str:
    """Return the printed text of an output; "" for errors and images."""
    if output.get("output_type") == "stream":
        return _joined(output.get("text")) if output.get("name") != "stderr" else ""
    data = output.get("data")
    return (
        _joined(data.get("text/plain"))
        if isinstance(data, dict) and not any("image" in key for key in data)
        else ""
    )


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
