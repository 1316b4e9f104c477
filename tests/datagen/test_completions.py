"""The completions table keeps every answer once and knows which requests have none."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.completions import Completions, Journal, read_journal
from datagen.request import Completion


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


def test_what_is_appended_is_found_before_and_after_settling(completions):
    write(completions, "b", "a")
    assert completions.find(["a"]) == {"a": completion("a")}
    assert completions.settle() == 2
    assert completions.journals() == []
    assert completions.find(["a", "b", "c"]) == {"a": completion("a"), "b": completion("b")}


def test_missing_is_the_anti_join_over_segments_and_journals(completions):
    write(completions, "settled")
    completions.settle()
    write(completions, "open")
    keys = pa.array(["settled", "open", "new", "new"])
    assert completions.missing(keys).to_pylist() == [False, False, True, True]


def test_a_torn_last_line_is_asked_again_and_the_rest_is_kept(completions):
    write(completions, "a", "b")
    path = completions.journals()[0]
    path.write_bytes(path.read_bytes()[:-20])
    assert [row["key"] for row in read_journal(path)] == ["a"]
    completions.settle()
    assert completions.missing(pa.array(["a", "b"])).to_pylist() == [False, True]


def test_a_crash_between_writing_the_segment_and_removing_the_journal_doubles_nothing(completions):
    write(completions, "a", "b")
    journal = completions.journals()[0]
    content = journal.read_bytes()
    completions.settle()
    journal.write_bytes(content)
    completions.settle()
    assert len(completions.segments()) == 1
    assert len(completions.find(["a", "b"])) == 2


def test_the_same_key_in_two_journals_is_kept_once(completions):
    write(completions, "a", name="one")
    write(completions, "a", "b", name="two")
    completions.settle()
    [segment] = completions.segments()
    assert pa.parquet.read_table(segment)["key"].to_pylist() == ["a", "b"]


def test_a_new_run_takes_over_what_earlier_ones_paid_for(tmp_path, completions):
    write(completions, "a")
    completions.settle()
    later = Completions(tmp_path / "later")
    assert later.inherit([completions]) == 1
    assert later.inherit([completions]) == 0
    for segment in completions.segments():
        segment.unlink()
    assert later.find(["a"]) == {"a": completion("a")}


@given(st.lists(st.text(max_size=40), max_size=20), st.integers(0, 5))
def test_any_text_comes_back_as_it_was(texts, splits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            table = Completions(Path(folder))
            keys = [f"key-{n}" for n in range(len(texts))]
            for number, (key, text) in enumerate(zip(keys, texts, strict=True)):
                journal = Journal(table.folder, f"shard-{number % (splits + 1)}")
                journal.append(completion(key, text))
                journal.close()
                if number % 3 == 0:
                    table.settle()
            found = table.find(keys)
            assert {key: found[key].text for key in keys} == dict(zip(keys, texts, strict=True))


WRITER = """
import sys
from pathlib import Path
from datagen.completions import Journal
from datagen.request import Completion
journal = Journal(Path(sys.argv[1]), "shard")
for number in range(10**9):
    journal.append(Completion(f"key-{number}", "x" * 2000, "stop", "m", "r"))
    print(number, flush=True)
"""


def test_sigkill_loses_no_answer_that_was_appended(completions):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, completions.folder], stdout=subprocess.PIPE, text=True
    )
    time.sleep(1)
    writer.send_signal(signal.SIGKILL)
    told = [int(line) for line in writer.communicate()[0].splitlines() if line]
    assert told, "the writer never wrote"
    rows = [row for path in completions.journals() for row in read_journal(path)]
    assert len(rows) >= len(told)
    assert all(json.dumps(row) for row in rows)
    assert completions.settle() == len(rows)
