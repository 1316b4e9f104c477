"""Difficulty before and after a filter."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.report.difficulty import BINS, shifts
from datagen.schema import EXAMPLES, table_of
from datagen.store.parquet import write_table
from tests.support.rows import example

SCHEMA = pa.schema([*EXAMPLES, ("ifd", pa.float64()), ("words", pa.float64())])


def stage(folder, kept, dropped):
    for where, rows in ((folder, kept), (folder / "dropped", dropped)):
        for number, part in enumerate((rows[::2], rows[1::2])):
            write_table(table_of(SCHEMA, part), where / f"part-{number:05}.parquet")
    return {(shift.kind, shift.measure): shift for shift in shifts(folder)}


def test_a_filter_that_prunes_hard_rows_is_visible(tmp_path):
    rows = [example(answer=str(at), ifd=at / 400, words=float(at % 5)) for at in range(400)]
    shift_of = stage(
        tmp_path, [row for row in rows if row["ifd"] < 0.75], [row for row in rows if row["ifd"] >= 0.75]
    )
    assert set(shift_of) == {("instruction", "ifd"), ("instruction", "words")}
    shift = shift_of["instruction", "ifd"]
    assert shift.hard == "high"
    assert shift.before == (50,) * BINS
    assert shift.after == (50,) * 6 + (0, 0)
    by_words = [after / before for _, _, before, after in shift_of["instruction", "words"].bins]
    assert max(by_words) - min(by_words) < 0.05  # the length did not matter


def test_only_kinds_with_dropped_rows_and_rows_with_the_measure_are_shown(tmp_path):
    kept = [example("reading", text=f"t{at}", words=float(at)) for at in range(9)]
    kept += [example(answer=str(at), words=float(at)) for at in range(4)] + [example(answer="x")]
    shift_of = stage(tmp_path, kept, [example(answer="y", words=9.0), example(answer="z")])
    assert list(shift_of) == [("instruction", "words")]
    assert sum(shift_of["instruction", "words"].before) == 5
    assert sum(shift_of["instruction", "words"].after) == 4


def test_a_stage_without_measures_shows_nothing(tmp_path):
    assert stage(tmp_path, [example(answer="x")], [example(answer="y", ifd=1.0)]) == {}
    assert shifts(tmp_path / "none") == []


numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)


@settings(max_examples=30, deadline=None)
@given(numbers, numbers)
def test_every_row_is_in_one_bin(tmp_path_factory, kept, dropped):
    rows = [[example(answer=f"{at}", ifd=ifd) for at, ifd in enumerate(some)] for some in (kept, dropped)]
    for shift in stage(tmp_path_factory.mktemp("stage"), *rows).values():
        assert (sum(shift.before), sum(shift.after)) == (len(kept) + len(dropped), len(kept))
        assert all(np.array(shift.after) <= np.array(shift.before))
