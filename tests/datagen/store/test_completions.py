"""The completions table: lookup, growth, disk faults, older formats and rejections."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.request import Completion, Usage
from datagen.schema import content_id
from datagen.store import completions as module
from datagen.store import journal as journal_module
from datagen.store import merging
from datagen.store import segments as segments_module
from datagen.store.completions import Completions
from datagen.store.journal import Journal, parse_journal
from datagen.store.key_index import BLOCK, find_keys, keys_of, write_keys
from datagen.store.parquet import Damaged


def completion(key: str, text: str = "an answer") -> Completion:
    return Completion(
        key, text, "stop", "model", "r1", prompt_tokens=7, completion_tokens=3, logprobs=(-0.5, -0.25)
    )


@pytest.fixture
def completions(tmp_path):
    return Completions(tmp_path / "completions")


def write(completions, *keys, name="shard"):
    journal = Journal(completions.folder, name)
    for key in keys:
        journal.append(completion(key))
    journal.close()
    return journal.path


def write_segment(completions, *keys):
    return completions.settle_one(write(completions, *keys))


def names(count, of=""):
    return [content_id(of, str(number)) for number in range(count)]


def missing(completions, keys):
    mask = completions.missing(pa.array(keys, pa.string())).to_pylist()
    return [key for key, absent in zip(keys, mask, strict=True) if absent]


# ── the join ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_appended_completions_are_found_before_and_after_settling(completions):
    write(completions, "b", "a")
    assert completions.find(["a"]) == {"a": completion("a")}
    completions.settle()
    assert completions.journals() == []
    assert completions.find(["a", "b", "c"]) == {"a": completion("a"), "b": completion("b")}


def test_missing_is_the_anti_join_over_segments_and_journals(completions):
    assert missing(completions, ["new"]) == ["new"]
    write_segment(completions, "settled")
    write(completions, "open")
    assert missing(completions, ["settled", "open", "new", "new"]) == ["new", "new"]
    assert missing(completions, []) == []


def test_a_key_in_two_journals_is_found_once(completions):
    write(completions, "a", name="first")
    write(completions, "a", "b", name="two")
    completions.settle()
    assert completions.find(["a", "b"]) == {"a": completion("a"), "b": completion("b")}


def test_every_value_survives_the_round_trip(completions):
    odd = Completion("a", "", "error", "m", "r", 1, 2, 3, (), (0.0, float("-inf")), 'no\nsuch "model"')
    plain = completion("b", "ünïcode \u2028 and \x00")
    journal = Journal(completions.folder, "shard")
    journal.append(odd)
    journal.append(plain)
    journal.append(completion("c", "half a pair: \ud83d"))
    journal.close()
    expected = {"a": odd, "b": plain, "c": completion("c", "half a pair: ?")}
    assert completions.find(["a", "b", "c"]) == expected
    completions.settle()
    assert completions.find(["a", "b", "c"]) == expected


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(0, 5))
def test_any_text_survives_the_round_trip(texts, splits):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(os, "fsync", lambda _: None)
        table = Completions(Path(folder))
        keys = [f"key-{n}" for n in range(len(texts))]
        for number, (key, text) in enumerate(zip(keys, texts, strict=True)):
            journal = Journal(table.folder, f"shard-{number % (splits + 1)}")
            journal.append(completion(key, text))
            journal.close()
            if number % 6 == 0:
                table.settle()
        results = table.find(keys)
        assert {key: results[key].text for key in keys} == dict(zip(keys, texts, strict=True))


def test_completions_stay_visible_while_a_journal_is_settled(completions):
    keys = names(60)
    for at in range(0, 60, 2):
        write(completions, *keys[at : at + 2], name=f"shard-{at}")

    def settle():
        for journal in completions.journals():
            completions.settle_one(journal)

    settling = threading.Thread(target=settle)
    settling.start()
    looks = 0
    while settling.is_alive() or not looks:
        assert missing(completions, keys) == []
        looks += 1
    settling.join()
    assert len(completions.segments()) == 30


def test_a_segment_missing_from_the_folder_listing_is_found_by_name(completions, tmp_path):
    elsewhere = Completions(tmp_path / "elsewhere")
    path = write_segment(elsewhere, "a")
    assert completions.find(["a"]) == {}
    assert completions.find(["a"], [path]) == {"a": completion("a")}


@pytest.mark.slow
def test_completions_stay_visible_while_segments_are_merged(completions, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(merging, "FAN", 2)
    keys = names(60)
    reader, done = Completions(completions.folder), threading.Event()

    def grow():
        for key in keys[1:]:
            write_segment(completions, key)
            completions.merge()
        done.set()

    write_segment(completions, keys[0])
    growing = threading.Thread(target=grow)
    growing.start()
    seen = 0
    while not done.is_set():
        absent = missing(reader, keys)
        assert absent == keys[60 - len(absent) :] and 60 - len(absent) >= seen
        seen = 60 - len(absent)
    growing.join()
    assert missing(reader, keys) == []
    assert reader.damage == {}
    completions.settle()
    assert not (completions.folder / module.REPLACED).exists()
    assert missing(reader, keys) == []


# ── key index ────────────────────────────────────────────────────────────────────────────────────────────


def rows_from(start, keys):
    return keys_of(pa.array(keys)), np.arange(start, start + len(keys), dtype=np.uint32)


@given(st.lists(st.text("0123456789abcdefé", min_size=1, max_size=9), max_size=400), st.data())
def test_the_key_index_finds_the_first_row_of_each_key(keys, data):
    wanted = data.draw(st.lists(st.sampled_from(keys) if keys else st.nothing(), max_size=20)) if keys else []
    wanted += data.draw(st.lists(st.text("0123456789abcdefé", min_size=1, max_size=12), max_size=20))
    if not keys or not wanted:
        return
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(os, "fsync", lambda _: None)
        path = Path(folder) / "some.keys"
        cut = data.draw(st.integers(0, len(keys)))
        halves = [(0, keys[:cut]), (cut, keys[cut:])]
        write_keys(path, [rows_from(start, half) for start, half in halves if half])
        rows = find_keys(path, keys_of(pa.array(wanted)))
        assert rows.tolist() == sorted({keys.index(key) for key in wanted if key in keys})


def test_looking_up_a_key_reads_one_block(tmp_path):
    keys, path = names(200 * BLOCK), tmp_path / "some.keys"
    write_keys(path, [rows_from(0, keys)])
    ordered = sorted(keys)
    data = bytearray(path.read_bytes())
    block = BLOCK * 36
    start = len(data) - 200 * block
    for spoiled in [*range(0, 77), *range(78, 200)]:
        data[start + spoiled * block] ^= 1
    path.write_bytes(data)
    wanted = ordered[77 * BLOCK + 5]
    assert find_keys(path, keys_of(pa.array([wanted]))).tolist() == [keys.index(wanted)]
    with pytest.raises(Damaged):
        find_keys(path, keys_of(pa.array([ordered[78 * BLOCK]])))


# ── growth ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_many_small_journals_are_merged_into_few_segments(completions, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    keys = names(300)
    for night in range(100):
        write(completions, *keys[night * 3 : night * 3 + 3])
        completions.settle()
        assert len(completions.segments()) < 3 * merging.FAN
    assert set(completions.find(keys)) == set(keys)
    assert sum(segment.rows() for segment in completions.segments()) == 300
    files = [path for path in completions.folder.iterdir() if path.name != "spent"]
    assert len(files) == 2 * len(completions.segments())


def test_a_full_segment_is_not_merged_again(completions, monkeypatch):
    full = write_segment(completions, *names(20, "full"))
    monkeypatch.setattr(merging, "FULL_BYTES", full.stat().st_size)
    monkeypatch.setattr(merging, "FAN", 2)
    for night in range(10):
        write(completions, *names(7, str(night)))
        completions.settle()
    assert full in [segment.path for segment in completions.segments()]
    assert len(completions.segments()) < 11
    assert max(segment.path.stat().st_size for segment in completions.segments()) < 2 * merging.FULL_BYTES
    assert missing(completions, [key for night in range(10) for key in names(7, str(night))]) == []


def test_a_new_run_inherits_completions(tmp_path, completions):
    write_segment(completions, "a")
    write(completions, "b", name="killed")
    later = Completions(tmp_path / "later")
    later.inherit(completions)
    later.inherit(completions)
    shutil.rmtree(completions.folder)
    assert later.find(["a", "b"]) == {"a": completion("a"), "b": completion("b")}
    assert len(later.segments()) == 2


def test_usage_is_counted_once_and_not_inherited(tmp_path, completions):
    journal = write(completions, "a", "b")
    again = journal.read_bytes()
    completions.settle_one(journal)
    journal.write_bytes(again)  # as after a crash before it was removed
    completions.settle()
    write_segment(completions, "a")  # a repeated request counts twice
    assert completions.spent == Usage(3, 21, 0, 9)
    write(completions, "c", name="killed")
    later = Completions(tmp_path / "later")
    later.inherit(completions)
    later.settle()
    assert missing(later, ["a", "b", "c"]) == [] and later.spent == Usage()


def test_files_are_copied_if_hard_links_are_not_supported(tmp_path, completions, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = write_segment(completions, "a")
    later = Completions(tmp_path / "later")
    later.inherit(completions)
    assert later.find(["a"]) == {"a": completion("a")}
    assert not (later.folder / path.name).samefile(path)


def test_merging_does_not_change_the_inherited_run(tmp_path, completions):
    keys = names(merging.FAN)
    for key in keys:
        write_segment(completions, key)
    before = {path.name: path.read_bytes() for path in completions.folder.glob("segment-*")}
    later = Completions(tmp_path / "later")
    later.inherit(completions)
    later.settle()
    assert len(later.segments()) == 1
    assert missing(later, keys) == []
    assert {path.name: path.read_bytes() for path in completions.folder.glob("segment-*")} == before


# ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_incomplete_last_line_is_lost(completions):
    path = write(completions, "a", "b")
    path.write_bytes(path.read_bytes()[:-20])
    assert [row["key"] for row in parse_journal(path.read_bytes())[0].to_pylist()] == ["a"]
    completions.settle()
    assert missing(completions, ["a", "b"]) == ["b"]
    assert completions.damage == {}


def test_a_corrupt_journal_is_moved_away_with_a_warning(completions, caplog):
    path = write(completions, "a", "b")
    path.write_bytes(
        path.read_bytes().replace(b'"key":"a"', b'"key"\0"a"') + b'{"key": "of something else"}\n'
    )
    completions.settle()
    assert f"{path} was moved to {completions.folder / 'corrupt'}: 2 of its lines" in caplog.text
    assert missing(completions, ["a", "b"]) == ["a"]
    assert (completions.folder / "corrupt" / path.name).exists()


def test_a_crash_between_writing_a_segment_and_removing_its_journal_duplicates_nothing(completions):
    write(completions, "a", "b")
    journal = completions.journals()[0]
    content = journal.read_bytes()
    completions.settle()
    journal.write_bytes(content)
    completions.settle()
    assert len(completions.segments()) == 1
    assert len(completions.find(["a", "b"])) == 2


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def replace_by_another_table(path):
    path.unlink()
    pq.write_table(pa.table({"id": ["a"]}), path)


@pytest.mark.parametrize("spoil", [truncate, empty, replace_by_another_table])
def test_an_unreadable_segment_counts_as_missing_and_is_moved_away(completions, spoil, caplog):
    path = write_segment(completions, "a")
    write_segment(completions, "b")
    spoil(path)
    assert missing(completions, ["a", "b"]) == ["a"]
    assert str(path) in completions.damage[path]
    completions.settle()
    assert f"{path} was moved to {completions.folder / 'corrupt'}" in caplog.text
    assert {file.name for file in (completions.folder / "corrupt").iterdir()} == {
        path.name,
        path.with_suffix(".keys").name,
    }
    write(completions, "a")
    fresh = Completions(completions.folder)
    fresh.settle()
    assert missing(fresh, ["a", "b"]) == []
    assert fresh.damage == {}, "it is reported once"


def test_corrupt_files_are_not_inherited(tmp_path, completions):
    path = write_segment(completions, "a")
    truncate(path)
    completions.settle()
    later = Completions(tmp_path / "later")
    later.inherit(completions)
    assert list(later.folder.iterdir()) == []


@pytest.mark.slow
def test_a_flipped_byte_gives_a_warning_and_never_a_wrong_answer(completions, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(segments_module, "GROUP", 4)
    keys = names(12)
    truth = {key: completion(key) for key in keys}
    path = write_segment(completions, *keys)
    lost = []
    for file in (path, path.with_suffix(".keys")):
        content = file.read_bytes()
        for at in range(0, len(content), 13):
            file.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
            store = Completions(completions.folder)
            results = store.find(keys)
            assert results.items() <= truth.items(), (file, at)
            assert len(results) == 12 or store.damage, (file, at)
            lost.append(12 - len(results))
        file.write_bytes(content)
    assert {0, 4} <= set(lost), "where a row group is spoiled, the others are read"


def test_a_journal_with_a_writer_is_not_settled(completions):
    journal = Journal(completions.folder, "outlived")
    journal.append(completion("a"))
    completions.settle()
    assert completions.segments() == []
    journal.append(completion("b"))
    assert missing(completions, ["a", "b"]) == []
    journal.close()
    completions.settle()
    assert completions.journals() == []
    assert missing(completions, ["a", "b"]) == []


def to_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [truncate, empty, Path.unlink, to_pipe])
def test_a_damaged_or_lost_key_index_is_rebuilt(completions, spoil, caplog):
    path = write_segment(completions, "a", "b")
    content = path.with_suffix(".keys").read_bytes()
    spoil(path.with_suffix(".keys"))
    assert missing(completions, ["a", "b", "c"]) == ["c"]
    assert path.with_suffix(".keys").read_bytes() == content
    warned = f"{path.with_suffix('.keys')} was rebuilt" in caplog.text
    assert warned == (spoil is not Path.unlink)  # a missing one may simply not have been copied


def test_a_damaged_segment_is_replaced_by_its_readable_rows(completions, monkeypatch):
    monkeypatch.setattr(segments_module, "GROUP", 4)
    keys = names(8)
    path = write_segment(completions, *keys)
    data = bytearray(path.read_bytes())
    data[100] ^= 1  # in the first row group
    path.write_bytes(data)
    assert missing(completions, keys) == keys[:4]
    completions.settle(completions.damage)
    assert [segment.rows() for segment in completions.segments()] == [4]
    assert (completions.folder / "corrupt" / path.name).exists()
    fresh = Completions(completions.folder)
    assert missing(fresh, keys) == keys[:4]
    assert fresh.damage == {}


def test_merging_keeps_readable_rows_and_moves_damaged_segments_away(completions, monkeypatch, caplog):
    monkeypatch.setattr(segments_module, "GROUP", 4)
    batches = [names(8, str(number)) for number in range(merging.FAN)]
    paths = [write_segment(completions, *keys) for keys in batches]
    data = bytearray(paths[0].read_bytes())
    data[100] ^= 1  # in the first row group
    paths[0].write_bytes(data)
    completions.settle()
    assert len(completions.segments()) == 1
    assert missing(completions, [key for keys in batches for key in keys]) == batches[0][:4]
    assert [file.name for file in (completions.folder / "corrupt").glob("*.parquet")] == [paths[0].name]
    assert "4 rows of" in caplog.text


WRITER = """
import sys
from pathlib import Path
from datagen.store.journal import Journal
from datagen.request import Completion
journal = Journal(Path(sys.argv[1]), "shard")
for number in range(10**9):
    journal.append(Completion(f"key-{number}", "x" * 2000, "stop", "m", "r"))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_sigkill_loses_no_appended_completion(completions):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, completions.folder], stdout=subprocess.PIPE, text=True
    )
    first = writer.stdout.readline()  # Python may start slowly on a busy machine
    time.sleep(1)
    writer.send_signal(signal.SIGKILL)
    appended = [int(line) for line in (first + writer.communicate()[0]).splitlines() if line]
    assert appended, "the writer never wrote"
    rows = [row for path in completions.journals() for row in parse_journal(path.read_bytes())[0].to_pylist()]
    assert len(rows) >= len(appended)
    assert all(json.dumps(row) for row in rows)
    completions.settle()
    assert completions.segments()[0].rows() == len(rows)


def test_the_last_completion_is_flushed_without_further_appends(completions, monkeypatch):
    flushed, flush = threading.Event(), os.fsync

    def fsync(handle):
        flush(handle)
        flushed.set()

    monkeypatch.setattr(journal_module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(completions.folder, "shard")
    journal.append(completion("a"))
    assert flushed.wait(60)
    journal.close()


# The operating system limits files to 20,000 bytes, which simulates a full disk: it writes what fits and then refuses.
FULL_DISK = """
import resource, sys
from pathlib import Path
from datagen.store.completions import Completions
from datagen.errors import UserError
from datagen.store.journal import Journal
from datagen.schema import content_id
from datagen.request import Completion
store = Completions(Path(sys.argv[1]))
journal = Journal(store.folder, "shard")
count = 0

def append():
    global count
    journal.append(Completion(content_id(str(count)), "".join(content_id(str(count), str(n)) for n in range(40)), "stop", "m", "r"))
    count += 1

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

limit(20_000)
for _ in range(2):
    try:
        while True:
            append()
    except UserError as error:
        print(error)
assert 0 < count < 20 and store.journals()[0].stat().st_size <= 20_000
limit(resource.RLIM_INFINITY)
append()
journal.close()
limit(2_000)
try:
    store.settle()
except UserError as error:
    print(error)
assert len(store.journals()) == 1 and [p.suffix for p in store.folder.iterdir()] == [".jsonl"]
limit(resource.RLIM_INFINITY)
store.settle()
assert not store.journals() and store.segments()[0].rows() == count
assert len(store.find([content_id(str(n)) for n in range(count)])) == count
"""


@pytest.mark.slow
def test_a_full_disk_is_reported_and_loses_no_appended_completion(completions):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, completions.folder], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    append, again, settle = done.stdout.splitlines()
    assert append == again
    for message in (append, settle):
        assert str(completions.folder) in message and "File too large. Make room" in message
    assert "segment-" in settle


def test_segments_are_not_merged_on_a_full_disk(completions, caplog):
    keys = names(40)
    for at in range(0, 40, 5):
        write_segment(completions, *keys[at : at + 5])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(segment.path.stat().st_size for segment in completions.segments())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        completions.settle()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(completions.segments()) == 8
    assert "segments were not merged" in caplog.text
    assert missing(completions, keys) == []


def test_a_flush_error_is_raised_by_the_next_append(completions, monkeypatch):
    broken = threading.Event()

    def fsync(_):
        broken.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(completions.folder, "shard")
    journal.append(completion("a"))
    assert broken.wait(60)
    with pytest.raises(UserError, match=r"shard-.*\.jsonl could not be written: Input/output error"):
        journal.close()


# ── older formats and altered files ─────────────────────────────────────────────────────────────────


def line(**changes):
    fields = {"key": "a", "text": "an answer", "finish": "stop", "model": "m", "revision": "r"}
    fields |= {"prompt_tokens": 7, "cached_tokens": 0, "completion_tokens": 3}
    fields |= {"logprobs": "", "choices": [], "error": ""} | changes
    return json.dumps(fields).encode() + b"\n"


@pytest.mark.parametrize(
    ("count", "read"), [("10", 10), (1e30, 0), (-5, 0), (None, 0), ([], 0), (4.0, 4), (10**400, 0)]
)
def test_an_unvalidated_token_count_of_an_older_version_is_parsed_or_zero(completions, count, read):
    (completions.folder / "old.jsonl").write_bytes(line(prompt_tokens=count) + line(key="b"))
    completions.settle()
    results = completions.find(["a", "b"])
    assert (results["a"].text, results["a"].prompt_tokens, results["b"].prompt_tokens) == (
        "an answer",
        read,
        7,
    )
    assert completions.damage == {} and completions.spent.prompt_tokens == read + 7


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.builds(
            lambda name, value: line(**{name: value})[:-1],
            st.sampled_from(
                ["key", "text", "finish", "logprobs", "choices", "error", "model", "completion_tokens"]
            ),
            st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none() | st.floats()),
        ),
        max_size=5,
    )
)
def test_any_line_of_a_journal_is_read_or_counted(lines):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(os, "fsync", lambda _: None)
        table = Completions(Path(folder))
        good = line(key="good")
        data = b"".join(part.replace(b"\n", b" ") + b"\n" for part in lines)
        (table.folder / "some.jsonl").write_bytes(data + good)
        read, unread = journal_module.parse_journal(data + good)
        assert len(read) + unread == len(lines) + 1
        table.settle()
        assert table.find(["good"])["good"].text == "an answer"
        assert bool(table.damage) == bool(unread)


def test_an_unreadable_usage_record_is_reported(completions):
    write_segment(completions, "a")
    (completions.folder / "spent/torn.json").write_text('{"completions": ')
    assert completions.spent == Usage(1, 7, 0, 3)
    assert any("torn.json" in message for message in completions.damage.values())


def test_segments_without_a_reasoning_column_are_read_and_merged(completions, monkeypatch):
    monkeypatch.setattr(merging, "FAN", 2)
    with monkeypatch.context() as before:
        before.setattr(segments_module, "SCHEMA", segments_module.EARLIER)
        rows = pa.Table.from_pylist([vars(completion("old"))], schema=segments_module.EARLIER)
        segments_module.write_segment(completions.folder / "segment-0.parquet", [rows])
    assert completions.find(["old"]) == {"old": completion("old")}
    write_segment(completions, "new")
    completions.settle()
    assert len(completions.segments()) == 1 and completions.damage == {}
    assert completions.find(["old", "new"]) == {"old": completion("old"), "new": completion("new")}


# ── rejections ────────────────────────────────────────────────────────────────────────────────────────────────


def rejection(key, here, why="too long"):
    return Completion(key, "", "error", "model", "r1", error=why, circumstances=here)


def keep(completions, *rows):
    journal = Journal(completions.folder, "shard")
    for row in rows:
        journal.append(row)
    journal.close()
    return completions.settle_one(journal.path)


def test_a_rejection_counts_only_under_its_circumstances(tmp_path):
    here, there = Completions(tmp_path, "here"), Completions(tmp_path, "there")
    keep(here, rejection("a", "here"), completion("b"), rejection("old", ""))
    assert here.look_up(pa.array(["a", "b", "old"]))[1] == {"a": "too long"}
    assert missing(here, ["a", "b", "old"]) == ["old"] and missing(there, ["a", "b", "old"]) == ["a", "old"]
    keep(there, rejection("a", "there", "still too long"))
    assert missing(there, ["a"]) == [] and here.find(["a"])["a"].error == "too long"
    assert there.find(["a"])["a"].error == "still too long"


@pytest.mark.parametrize("order", [0, 1])
def test_an_answer_takes_precedence_over_a_rejection_in_any_order(tmp_path, monkeypatch, order):
    monkeypatch.setattr(merging, "FAN", 2)
    completions = Completions(tmp_path, "here")
    rows = [rejection("a", "here"), completion("a")]
    for row in rows[:: 1 - 2 * order]:
        keep(completions, row)
    for _ in range(2):
        assert completions.find(["a"]) == {"a": completion("a")} and missing(completions, ["a"]) == []
        completions.settle()
    assert len(completions.segments()) == 1 and completions.segments()[0].rows() == 2


def test_reasoning_survives_the_round_trip_and_lines_without_it_are_unchanged(completions):
    thought = Completion("a", "fine", "stop", "m", "r", reasoning="hm")
    keep(completions, thought)
    assert completions.find(["a"]) == {"a": thought}
    assert b"reasoning" not in write(completions, "b").read_bytes()
