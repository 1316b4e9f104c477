"""Compare the columns that the stages of a run declare with those that they wrote."""

import pyarrow.parquet as pq

from datagen.columns import Columns
from datagen.schema import TABLES
from datagen.store.parquet import parts

HANDED_OFF = ("mix", "handoff")  # their columns describe the hand-off; no option or gate can name them


def undeclared(run, recipe):
    """List the differences: stage -> columns that were added but not declared, or declared but not added."""
    found, differences = {}, {}
    for name, stage, options in recipe.line():
        first = parts(run.stage_folder(name))[0]
        present = {*pq.read_schema(first).names} - {*TABLES[stage.gives].names}
        before = found.setdefault(stage.gives, set())
        made = {*((stage.columns and stage.columns(options)) or Columns()).makes.names}
        found[stage.gives] = before | present
        if stage.name not in HANDED_OFF and (wrong := (present - before - made) | (made - present)):
            differences[name] = wrong
    return differences
