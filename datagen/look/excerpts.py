"""Excerpts of the rows of a list: where a search found its words, or the passage of a row without text."""

from collections.abc import Collection, Sequence
from typing import Any

import duckdb

from datagen.look.load import APART
from datagen.look.search import fold, spellings_of

VISIBLE = 80  # characters of a text that a list surely shows
BEFORE, AFTER = 30, 150  # characters before and after the start of a hit
QUESTION, ANSWER, EXCERPT, PLACE = 6, 7, 8, -1  # positions in a row of a list


def add_excerpts(cursor: duckdb.DuckDBPyConnection, rows: list[list[Any]], terms: Sequence[str]) -> None:
    """
    Set the excerpt of each row whose question or answer does not suffice: ("text" or "passage", excerpt).

    Without a question and an answer it is the start of the passage. In a search it is the place of the first
    term that a list would not show, in lower case with single spaces, as the text is stored.

    Parameters
    ----------
    cursor
        Reads the tables.
    rows
        Rows of a list, changed in place.
    terms
        What was searched for.
    """
    shown = {row[PLACE]: _first(row[QUESTION], row[ANSWER]) for row in rows}
    if not terms and all(shown.values()):
        return
    of_rows = _look_up(cursor, "rows", "passage, search", shown)
    numbers = {passage for passage, _ in of_rows.values() if passage is not None}
    passages = _look_up(cursor, "passages", "start, search", numbers)
    spellings = [_folded(cursor, spellings_of(term)) for term in terms]
    starts = [shown[row[PLACE]] or passages.get(of_rows[row[PLACE]][0], ("", ""))[0] for row in rows]
    visible = _folded(cursor, [start[:VISIBLE] for start in starts])
    for row, start, seen in zip(rows, starts, visible, strict=True):
        if not shown[row[PLACE]] and start:
            row[EXCERPT] = ("passage", start)
        number, text = of_rows[row[PLACE]]
        hidden = next((names for names in spellings if _find(seen, names) < 0), [])
        for where, searched in (("text", text), ("passage", passages.get(number, ("", ""))[1])):
            if (at := _find(searched, hidden)) >= 0:
                row[EXCERPT] = (where, _around(searched, at))
                break


def _first(*texts: str | None) -> str:
    return next((text for text in texts if text and text.strip()), "")


def _look_up(
    cursor: duckdb.DuckDBPyConnection, table: str, columns: str, places: Collection[int]
) -> dict[int, tuple[Any, ...]]:
    """Read rows of a table by their numbers, which DuckDB looks up without a scan."""
    if not places:
        return {}
    numbers = ", ".join(map(str, places))
    found = cursor.execute(f"select rowid, {columns} from {table} where rowid in ({numbers})").fetchall()
    return {place: tuple(values) for place, *values in found}


def _folded(cursor: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[str]:
    """Fold texts as the stored ones are."""
    return [text for (text,) in cursor.execute(f"select {fold('unnest(?)')}", [list(texts)]).fetchall()]


def _find(text: str, names: Sequence[str]) -> int:
    """Return the first place of any of the names; -1 without one."""
    return min((at for name in names if (at := text.find(name)) >= 0), default=-1)


def _around(text: str, at: int) -> str:
    """Cut the surroundings of a place out of its text; `text` has several, separated by `APART`."""
    start, end = text.rfind(chr(APART), 0, at) + 1, text.find(chr(APART), at)
    field, at = text[start : None if end < 0 else end], at - start
    first, last = max(0, at - BEFORE), at + AFTER
    if first:
        first = field.find(" ", first, at) + 1 or first  # at a word
    return ("… " if first else "") + field[first:last] + (" …" if last < len(field) else "")
