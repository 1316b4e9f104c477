"""Judge rows in the terminal: one at a time, one key per verdict."""

import re
from collections.abc import Callable, Sequence

import rich.console
from rich.rule import Rule
from rich.text import Text

from datagen.rows import Row
from datagen.stages.confidence.labels.file import RIGHT, SKIP, WRONG, Label

KEYS = {"r": RIGHT, "w": WRONG, "s": SKIP}
BACK, QUIT = "b", "q"
ASKED = "r right   w wrong   s skip, cannot be judged   b back   q quit"
# Fields of the row that a label repeats.
LABELLED = ("kind", "task", "question", "answer", "rejected", "text")
SHOWN = ("context", "evidence", "question", "answer", "rejected", "text")

# Codes for terminals, line breaks of Unicode, and marks that reverse the direction of text.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def judge(
    rows: Sequence[Row],
    save: Callable[[Row, str], None],
    key: Callable[[], str],
    out: rich.console.Console,
) -> int:
    """
    Show rows one by one and collect a verdict on each.

    Parameters
    ----------
    rows
        Examples.
    save
        Called with row and verdict immediately; after ``back``, again for a row that already had one.
    key
        Waits for a key.
    out
        Prints.

    Returns
    -------
    The number of rows judged before the person quit.
    """
    number = 0
    while number < len(rows):
        show(rows[number], f"{number + 1} of {len(rows)}", out)
        pressed = key().lower()
        while pressed not in (*KEYS, BACK, QUIT):
            pressed = key().lower()
        if pressed == QUIT:
            break
        if pressed == BACK:
            number = max(0, number - 1)
            continue
        save(rows[number], KEYS[pressed])
        number += 1
    return number


def show(row: Row, title: str, out: rich.console.Console) -> None:
    """Print a row as plain text: neither markup nor terminal control codes take effect."""
    out.print(Rule(Text(f"{title} · {row['kind']}, {row['task']}")))
    for name in SHOWN:
        if row.get(name):
            out.print(Text(f"{name}", style="bold"))
            out.print(Text(CONTROL.sub("�", row[name])))
    out.print(Text(ASKED, style="dim"))


def label_of(row: Row, verdict: str) -> Label:
    """Return a row's label, including the judged fields."""
    fields = {name: row[name] for name in LABELLED if row.get(name)}
    return {"id": row["id"], "verdict": verdict, **fields}
