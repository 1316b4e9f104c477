"""The filled cells of a sheet, which are written without the empty rows and columns between them."""

import io
from collections.abc import Iterator

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.zipped import Element

MAX_CELLS = 4_000_000  # of a full grid; calamine takes some 30 bytes for each

Grid = dict[int, dict[int, str]]  # row -> column -> the cell as XML, without its place


def dense(grid: Grid) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """
    Number the columns that have cells, and the rows; of the empty rows between two, one is left.

    Returns
    -------
    column -> new column, and pairs of row and new row, from 0.

    Raises
    ------
    Reject
        If the new grid exceeds `MAX_CELLS`.
    """
    columns = {
        column: at for at, column in enumerate(sorted({column for row in grid.values() for column in row}))
    }
    rows: list[tuple[int, int]] = []
    for row in sorted(grid):
        rows.append((row, rows[-1][1] + min(2, row - rows[-1][0]) if rows else 0))
    if rows and len(columns) * rows[-1][1] > MAX_CELLS:
        raise Reject("too large", f"{len(grid):,} rows with cells in {len(columns):,} columns")
    return columns, rows


def xml_reader(data: bytes, name: str) -> etree.iterparse:
    """Open XML to read the elements of this name; its `error_log` lists where it is not well-formed."""
    return etree.iterparse(
        io.BytesIO(data), tag=name, recover=True, huge_tree=True, resolve_entities=False, no_network=True
    )


def elements(reader: etree.iterparse) -> Iterator[Element]:
    """Read the elements, one at a time."""
    for _, element in reader:
        yield element
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
