"""Find nulls in tables where the row types of `datagen.rows` allow none."""

from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints, is_typeddict

from datagen import rows
from datagen.store.parquet import parts, read_part

ROW_OF = {
    "documents": rows.DocumentRow,
    "passages": rows.PassageRow,
    "seeds": rows.ExampleRow,
    "questions": rows.QuestionRow,
    "probes": rows.ProbeRow,
    "dialogues": rows.DialogueRow,
    "nodes": rows.NodeRow,
    "syllabi": rows.SyllabusRow,
    "candidates": rows.ExampleRow,
    "examples": rows.ExampleRow,
}


def nulls(value, hint, path):
    """Yield the path of each null within a value whose type does not allow it."""
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None:
        if NoneType not in options:
            yield path
        return
    (hint,) = [option for option in options if option is not NoneType]
    if is_typeddict(hint):
        for name, part in get_type_hints(hint).items():
            yield from nulls(value[name], part, f"{path}.{name}")
    elif get_origin(hint) is list:
        for item in value:
            yield from nulls(item, *get_args(hint), f"{path}[]")


def nulls_in(run):
    """List the fields of a run's tables that are null in a kept row although their type allows no null."""
    wrong = set()
    for record in run.stage_records():
        for path in parts(run.stage_folder(record["stage"])):
            for row in read_part(path).to_pylist():
                wrong.update(nulls(row, ROW_OF[record["gives"]], record["stage"]))
    return sorted(wrong)
