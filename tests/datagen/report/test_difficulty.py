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


def test_a_filter_that_prunes_the_hard_is_seen(tmp_path):
    rows = [example(answer=str(at), ifd=at / 400, words=float(at % 5)) for at in range(400)]
    found = stage(
        tmp_path, [one for one in rows if one["ifd"] < 0.75], [one for one in rows if one["ifd"] >= 0.75]
    )
    assert set(found) == {("instruction", "ifd"), ("instruction", "words")}
    shift = found["instruction", "ifd"]
    assert shift.hard == "high"
    assert shift.before == (50,) * BINS
    assert shift.after == (50,) * 6 + (0, 0)
    by_words = [after / before for _, _, before, after in found["instruction", "words"].bins]
    assert max(by_words) - min(by_words) < 0.05  # how long a row is had nothing to do with it


def test_only_kinds_that_lost_rows_and_rows_that_have_the_measure_are_shown(tmp_path):
    kept = [example("reading", text=f"t{at}", words=float(at)) for at in range(9)]
    kept += [example(answer=str(at), words=float(at)) for at in range(4)] + [example(answer="x")]
    found = stage(tmp_path, kept, [example(answer="y", words=9.0), example(answer="z")])
    assert list(found) == [("instruction", "words")]
    assert sum(found["instruction", "words"].before) == 5
    assert sum(found["instruction", "words"].after) == 4


def test_a_stage_without_measures_shows_nothing(tmp_path):
    assert stage(tmp_path, [example(answer="x")], [example(answer="y", ifd=1.0)]) == {}
    assert shifts(tmp_path / "none") == []


numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)


@settings(max_examples=30, deadline=None)
@given(numbers, numbers)
def test_every_row_stands_in_one_bin(tmp_path_factory, kept, dropped):
    rows = [[example(answer=f"{at}", ifd=ifd) for at, ifd in enumerate(some)] for some in (kept, dropped)]
    for shift in stage(tmp_path_factory.mktemp("stage"), *rows).values():
        assert (sum(shift.before), sum(shift.after)) == (len(kept) + len(dropped), len(kept))
        assert all(np.array(shift.after) <= np.array(shift.before))
