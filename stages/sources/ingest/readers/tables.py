"""Write tables as Markdown."""

from collections.abc import Sequence


def write_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells; the first row is the header. Blank rows and columns are omitted."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    width = max(map(len, cells), default=0)
    used = [column for column in range(width) if any(column < len(row) and row[column] for row in cells)]
    lines = [
        "| " + " | ".join(row[column] if column < len(row) else "" for column in used) + " |"
        for row in cells
        if any(row)
    ]
    if lines:
        lines.insert(1, "|" + " --- |" * len(used))
    return "\n".join(lines)
