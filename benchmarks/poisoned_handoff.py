"""
Copy a finished run with the answers of its handed-off pairs shuffled among the questions.

    python -m benchmarks.poisoned_handoff outputs/python-reference/latest outputs/python-reference/poisoned
    datagen prove outputs/python-reference/latest --arms pairs --tokens 18000
    datagen prove outputs/python-reference/poisoned --arms pairs --tokens 18000

A proof must tell the two apart: only the first pairs help on the facts that they ask for.
"""

import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.schema import content_id
from datagen.store.parquet import write_table


def poison(run: Path, copy: Path) -> int:
    """Copy what a proof reads, with shuffled answers; return the number of pairs with another answer."""
    leave_out = shutil.ignore_patterns("completions", "proof")
    shutil.copytree(run, copy, ignore=leave_out)
    paths = sorted((copy / "handoff" / "instructions" / "train").glob("*.parquet"))
    tables = [pq.read_table(path, partitioning=None) for path in paths]
    ids = [id_ for table in tables for id_ in table["id"].to_pylist()]
    targets = [answer for table in tables for answer in table["completion"].to_pylist()]
    order = sorted(range(len(ids)), key=lambda place: content_id("poison", ids[place]))
    moved = dict(zip(order, order[1:] + order[:1], strict=True))
    place = changed = 0
    for path, table in zip(paths, tables, strict=True):
        answers = [targets[moved[place + row]] for row in range(len(table))]
        changed += sum(answer != targets[place + row] for row, answer in enumerate(answers))
        place += len(table)
        column = table.schema.get_field_index("completion")
        write_table(
            table.set_column(column, "completion", pa.array(answers, table.schema.field(column).type)), path
        )
    return changed


if __name__ == "__main__":
    print(f"{poison(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))} pairs have another answer")
