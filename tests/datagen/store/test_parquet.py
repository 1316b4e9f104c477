"""Tables on disk: reads return what was written or raise an error."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.context import in_turn
from datagen.errors import UserError
from datagen.store.digests import differences, digests, is_sealed, sealed
from datagen.store.parquet import RECORD, parts, read_part, write_json, write_table

TABLE = pa.table(
    {
        "id": [f"row-{number}" for number in range(40)],
        "text": [f"The lamp burned {number} hours and then it went out." * 2 for number in range(40)],
        "number": pa.array(range(40), pa.int64()),
        "turns": [[{"role": "user", "content": f"What {number}?"}] * (number % 3) for number in range(40)],
    }
)


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "part-00000.parquet"
    write_table(TABLE, path)
    return path


@pytest.mark.parametrize("names", [None, ["text"], ["turns", "nothing"], []])
def test_a_table_survives_the_round_trip(part, names):
    kept = TABLE.column_names if names is None else [name for name in names if name in TABLE.column_names]
    assert read_part(part, names).select(kept).equals(TABLE.select(kept))


@pytest.mark.slow
def test_a_flipped_bit_never_reads_as_other_content(part, tmp_path):
    """Pages and headers are checked here; the digest covers the few bytes of the footer."""
    original = part.read_bytes()
    footer = len(original) - 8 - int.from_bytes(original[-8:-4], "little")
    path, misread = tmp_path / "part-00000.parquet", []
    expected = digests(part.parent, in_turn)
    for place in range(len(original)):
        corrupted = bytearray(original)
        corrupted[place] ^= 1 << place % 8
        path.write_bytes(corrupted)
        assert differences(tmp_path, expected, in_turn) == [f"{path.name} was altered"]
        if place < footer:
            try:
                same = read_part(path).equals(TABLE)
            except UserError:
                same = True
            if not same:
                misread.append(place)
    assert misread == []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_truncated_or_overwritten_part_is_a_user_error_or_unchanged(part, data):
    original = part.read_bytes()
    start = data.draw(st.integers(0, len(original) - 1))
    stop = data.draw(st.integers(start, len(original)))
    corrupted = original[:start] + data.draw(st.binary(max_size=20)) + original[stop:]
    path = part.parent / "spoiled.parquet"
    path.write_bytes(corrupted)
    try:
        read_part(path)
    except UserError as error:
        assert str(path) in str(error)
    finally:
        path.unlink()


def write_stage(folder):
    for number in range(3):
        write_table(TABLE.slice(number * 10, 10), folder / f"part-0000{number}.parquet")
    write_table(TABLE.slice(30), folder / "dropped" / "part-00000.parquet")
    (folder / "order.txt").write_text("1 2 3")
    write_json(sealed({"stage": "s", "files": digests(folder, in_turn)}), folder / RECORD)
    return json.loads((folder / RECORD).read_text())["files"]


def swap(folder):
    first, second = folder / "part-00000.parquet", folder / "part-00001.parquet"
    first.rename(folder / "x"), second.rename(first), (folder / "x").rename(second)


CORRUPTIONS = {
    "deleted": (lambda folder: (folder / "part-00001.parquet").unlink(), ["part-00001.parquet is missing"]),
    "cut": (
        lambda folder: (folder / "part-00001.parquet").write_bytes(b""),
        ["part-00001.parquet was altered"],
    ),
    "swapped": (swap, ["part-00000.parquet was altered", "part-00001.parquet was altered"]),
    "added": (
        lambda folder: write_table(TABLE, folder / "part-00007.parquet"),
        ["part-00007.parquet was added"],
    ),
    "added to the dropped rows": (
        lambda folder: write_table(TABLE, folder / "dropped" / "part-00007.parquet"),
        ["dropped/part-00007.parquet was added"],
    ),
    "dropped rows deleted": (
        lambda folder: (folder / "dropped" / "part-00000.parquet").unlink(),
        ["dropped/part-00000.parquet is missing"],
    ),
    "another file altered": (
        lambda folder: (folder / "order.txt").write_text("2"),
        ["order.txt was altered"],
    ),
    "a file added by the user": (lambda folder: (folder / "note.txt").write_text("mine"), []),
    "nothing": (lambda folder: None, []),
}


@pytest.mark.parametrize("how", CORRUPTIONS)
def test_every_difference_of_a_stage_is_reported(tmp_path, how):
    files = write_stage(tmp_path)
    corrupt, messages = CORRUPTIONS[how]
    corrupt(tmp_path)
    assert differences(tmp_path, files, in_turn) == messages


def test_a_finished_stage_lists_the_partitions_in_its_record(tmp_path):
    write_stage(tmp_path)
    (tmp_path / "part-00001.parquet").unlink()
    write_table(TABLE, tmp_path / "part-00007.parquet")
    assert [path.name for path in parts(tmp_path)] == [f"part-0000{number}.parquet" for number in range(3)]
    with pytest.raises(UserError, match=r"part-00001\.parquet is corrupt or missing"):
        [read_part(path) for path in parts(tmp_path)]
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(UserError, match=RECORD):
        parts(tmp_path)


@pytest.mark.slow
@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists))
)
def test_only_an_unchanged_record_passes_the_seal_check(record):
    stored = json.loads(json.dumps(sealed(record)))
    assert is_sealed(stored)
    assert not is_sealed(stored | {"more": 1})
    assert not is_sealed({name: value for name, value in stored.items() if name != "sha256"})
    for name in record:
        assert name == "sha256" or not is_sealed({key: value for key, value in stored.items() if key != name})
