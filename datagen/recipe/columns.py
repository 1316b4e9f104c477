"""Check that the columns which stages, options and gates name are made by an earlier stage."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from datagen.columns import NONE, Columns, Read, is_number
from datagen.errors import hint, similar
from datagen.recipe.errors import Mistake
from datagen.recipe.gates import read_gate
from datagen.recipe.model import Recipe
from datagen.recipe.registry import BUILT_IN, find_stage, is_built_in
from datagen.schema import TABLES
from datagen.stage import Options, Stage

SCORE = "score."  # prefix of a gate on the mean of a column

Line = Sequence[tuple[str, Stage, Options]]


def missing_columns(recipe: Recipe) -> Iterator[Mistake]:
    """
    Find columns that a stage reads or a gate names, and that no earlier stage makes.

    A table to which a stage may have added other columns, because it declares none, is not checked.
    """
    line = recipe.line()
    for place, (name, stage, options) in enumerate(line):
        reads = _declared(stage, options).reads
        before = columns_after(recipe, line[:place], stage.takes) if reads else None
        if before is not None:
            missing = [read for read in reads if not _has(before, read)]
            # Without a column that the stage always needs, those that its options name hardly matter.
            for read in [read for read in missing if not read.option][:1] or missing:
                yield ("stages", name, *read.option), _advice(read, before, line[place + 1 :])
    figures = [(index, read_gate(text).name) for index, text in enumerate(recipe.gates)]
    scores = [(index, Read(name.removeprefix(SCORE))) for index, name in figures if name.startswith(SCORE)]
    final = columns_after(recipe, line, "examples") if scores else None
    if final is not None:
        for index, read in scores:
            if not _has(final, read):
                yield ("gates", index), _advice(read, final)


def columns_after(recipe: Recipe, line: Line, kind: str) -> pa.Schema | None:
    """Return the columns of a kind of table after some stages; None if one of them declares none."""
    columns = {field.name: field for field in TABLES.get(kind, NONE)}
    for name, stage, options in line:
        if stage.gives == kind:
            declared = stage.columns(options) if stage.columns else None
            if not stage.columns and is_built_in(recipe.use(name)):
                declared = Columns()  # it adds none
            if declared is None:
                return None
            columns |= {field.name: field for field in declared.makes}
    return pa.schema(columns.values())


def _declared(stage: Stage, options: Options) -> Columns:
    return (stage.columns(options) if stage.columns else None) or Columns()


def _has(columns: pa.Schema, read: Read) -> bool:
    return read.column in columns.names and (not read.number or is_number(columns.field(read.column).type))


def _advice(read: Read, before: pa.Schema, later: Line | None = None) -> str:
    """Name the stage that makes a column, or the column probably meant; without `later`, for a gate."""
    known = [field.name for field in before if _has(before, Read(field.name, number=read.number))]
    what = f"no {'' if later is None else 'earlier '}stage makes the column {read.column!r}"
    if read.column in before.names:
        return f"{read.column} is not a column of numbers; {hint(read.column, known)}"
    for name, stage, options in later or ():
        if read.column in _declared(stage, options).makes.names:
            return f"{what}; move it after {name}"
    makers = _makers()
    if read.column in makers:
        where = "add it to the stages" if later is None else "put it before this one"
        return f"{what}; the stage {makers[read.column]} does: {where}"
    return f"{what}; {similar(read.column, [*known, *makers]) or hint(read.column, known)}"


def _makers() -> dict[str, str]:
    """Map each column to the first built-in stage that makes it without options. Imports all stages."""
    makers: dict[str, str] = {}
    for built_in in BUILT_IN:
        stage = find_stage(built_in.name)
        for column in _declared(stage, stage.options.model_construct()).makes.names:
            makers.setdefault(column, built_in.name)
    return makers
