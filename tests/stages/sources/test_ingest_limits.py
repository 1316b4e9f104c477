"""No document exceeds its limits, and one that kills its reader affects no others."""

import bz2
import ctypes
import gzip
import json
import lzma
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest import child, watch
from datagen.stages.sources.ingest.record import File, Limits, Record
from tests.support.corpora import context, ingested, outcomes, reasons, write

FORMATS = "datagen.stages.sources.ingest.formats"


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A reader that executes the instruction in its file, in child processes of this test."""
    package = tmp_path / "path" / "hostile_reader.py"
    package.parent.mkdir()
    package.write_text(
        "import sys\n"
        "from datagen.stages.sources.ingest import formats\n"
        "sys.modules[formats.READERS + '.hostile'] = sys.modules[__name__]\n"
        "formats.BY_ENDING['.bad'] = formats.Format('bad', 'hostile', ('.bad',), '')\n"
        "from tests.stages.sources.test_ingest_limits import obey as read\n"
    )
    monkeypatch.setattr(
        watch,
        "START",
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]); sys.path.insert(0, "
        + repr(str(package.parent))
        + "); import hostile_reader; from {} import main; main()",
    )
    watch.end_children()
    yield
    watch.end_children()


def obey(file: File):
    for line in file.text()[0].split("\n"):
        match line:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "hang":
                ctypes.CDLL(None).sleep(3600)  # holds no lock, and gets no exception
            case "spin":
                while True:
                    pass
            case "work":
                while time.process_time() < 3:
                    pass
            case "grow":
                held = []
                while True:
                    held.append(bytearray(10_000_000))
            case "grow outside":  # as a native library does
                while True:
                    at = ctypes.CDLL(None).malloc(10_000_000)
                    ctypes.memset(at or os.abort(), 1, 10_000_000)
            case "grow shared":  # which the system's limit does not count
                held = []
                for _ in range(100):
                    held.append(mmap.mmap(-1, 10_000_000))
                    held[-1].write(bytes(10_000_000))
                time.sleep(1)
            case "spin in a program":
                subprocess.run([sys.executable, "-c", "while True: pass", str(file.path)], check=False)
            case "grow in a program":
                code = "a = bytearray(350_000_000); import time; time.sleep(60)"
                subprocess.run([sys.executable, "-c", code, str(file.path)], check=False)
            case "work in a program":
                code = "import time\nwhile time.process_time() < 3: pass"
                subprocess.run([sys.executable, "-c", code], check=False)
            case "raise":
                raise KeyError("unforeseen")
            case text:
                yield Record(text, name=text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("crash", "reader crashed"),
        ("exit", "reader crashed"),
        ("hang", "took too long"),
        ("spin", "took too long"),
        ("grow", "out of memory"),
        ("grow outside", "reader crashed"),
        ("grow shared", "out of memory"),
        ("raise", "unreadable file"),
    ],
)
def test_a_file_that_kills_its_reader_is_dropped_and_all_others_are_read(tmp_path, hostile, does, reason):
    write(tmp_path, "docs/a.txt", "Before.")
    write(tmp_path, "docs/b.bad", f"one\ntwo\n{does}\nthree")
    write(tmp_path, "docs/c.bad", "four")
    write(tmp_path, "docs/d.txt", "After.")
    options = ingest.Options(seconds={"hang": 2, "spin": 5}.get(does, 60), memory_mb=300)
    kept, dropped = ingested(tmp_path, "docs", options=options)
    assert reasons(dropped) == {"docs/b.bad": reason}
    assert list(kept) == ["docs/a.txt", "docs/b.bad#one", "docs/b.bad#two", "docs/c.bad#four", "docs/d.txt"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "reason"), [("spin in a program", "took too long"), ("grow in a program", "out of memory")]
)
def test_a_program_that_a_reader_runs_has_its_limits_and_ends_with_it(tmp_path, hostile, does, reason):
    """Pandoc, for LaTeX."""
    path = write(tmp_path, "docs/a.bad", does)
    write(tmp_path, "docs/b.txt", "After.")
    kept, dropped = ingested(tmp_path, "docs", options=ingest.Options(seconds=3, memory_mb=300))
    assert reasons(dropped) == {"docs/a.bad": reason} and list(kept) == ["docs/b.txt"]
    deadline = time.monotonic() + 60
    while running := [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if str(path) in (process.info["cmdline"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]:
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("does", ["work", "work in a program"])
def test_a_reader_that_works_is_not_limited_in_wall_clock_time(tmp_path, hostile, monkeypatch, does):
    """On a busy machine, a few seconds of processor time take minutes."""
    monkeypatch.setattr(watch, "IDLE_SHARE", 0.01)
    write(tmp_path, "docs/a.bad", f"{does}\none")
    kept, dropped = ingested(tmp_path, "docs")
    assert list(kept) == ["docs/a.bad#one"] and not dropped


@pytest.mark.slow
def test_a_child_that_dies_of_an_earlier_file_loses_nothing(tmp_path, monkeypatch):
    """The second child reads what the first one did not send."""
    for number in range(5):
        write(tmp_path, f"docs/{number}.txt", f"Number {number}.")
    heard = watch.Child._next
    crashes = iter([True])

    def die_once(self):
        if next(crashes, False):
            self._process.kill()
            raise EOFError
        return heard(self)

    monkeypatch.setattr(watch.Child, "_next", die_once)
    kept, dropped = ingested(tmp_path, "docs")
    assert len(kept) == 5 and not dropped


@pytest.mark.slow
def test_a_long_file_is_continued_after_its_last_row(tmp_path, monkeypatch):
    write(
        tmp_path, "a.jsonl", "\n".join(f'{{"text": "{n} {"word " * 500}", "id": {n}}}' for n in range(3000))
    )
    heard, sent = watch.Child._next, []

    def die_after_two(self):
        message = heard(self)
        sent.append(len(message))
        if len(sent) == 2:
            self._process.kill()
            raise EOFError
        return message

    monkeypatch.setattr(watch.Child, "_next", die_after_two)
    kept, dropped = ingested(tmp_path, "a.jsonl")
    assert len(kept) == 3000 and not dropped


@pytest.mark.slow
def test_an_idle_child_that_has_ended_is_replaced(tmp_path):
    name = write(tmp_path, "a.txt", "Words.").name
    task = child.Task([File(tmp_path / name, name, Source(path=name), 6)])
    with watch._child(Limits()) as reader:
        assert len([*reader.work(task)]) == 1
    reader._process.kill()
    reader._process.wait()
    with watch._child(Limits()) as other:
        assert other is not reader and len([*other.work(task)]) == 1


def test_a_child_slow_to_begin_is_not_attributed_to_a_file_of_the_previous_task(tmp_path):
    """On a busy machine it may be checked before it has started."""
    name = write(tmp_path, "a.txt", "Words.").name
    file = File(tmp_path / name, name, Source(path=name), 6)
    with watch._child(Limits()) as reader:
        assert len([*reader.work(child.Task([file] * 9))]) > 0
        reader._process.send_signal(signal.SIGSTOP)
        go_on = threading.Timer(3 * watch.POLL_SECONDS, reader._process.send_signal, [signal.SIGCONT])
        go_on.start()
        assert len([*reader.work(child.Task([file]))]) == 1
        go_on.join()


@pytest.mark.slow
def test_no_child_outlives_its_parent():
    with watch._child(Limits()) as reader:
        process = reader._process
    assert process.poll() is None
    watch.end_children()
    assert process.poll() is not None


PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACKERS)
def test_compressed_files_are_read(tmp_path, ending):
    pack = PACKERS[ending]
    write(tmp_path, f"a.txt{ending}", pack(b"Words."))
    write(tmp_path, f"b.jsonl{ending}", pack(b'{"text": "One."}\n') + pack(b'{"text": "Two."}\n'))
    kept, dropped = ingested(tmp_path, ".")
    assert sorted(row["text"] for row in kept.values()) == ["One.", "Two.", "Words."]
    assert not dropped


@pytest.mark.parametrize("ending", PACKERS)
def test_compressed_data_that_end_early_are_read_up_to_there(tmp_path, ending):
    pack = PACKERS[ending]
    # More than a block of bzip2, which has 900 kB, before the end; few records, as each takes time.
    lines = [f"{number} {random.Random(number).randbytes(1000).hex()} é" for number in range(700)]
    text = pack("\n".join(lines).encode())
    records = pack("".join(f'{{"text": "{line}", "id": "{at}"}}\n' for at, line in enumerate(lines)).encode())
    for name, data in (("a.txt", text), ("b.jsonl", records)):
        write(tmp_path, name + ending, data[: len(data) * 9 // 10])
    kept, dropped = ingested(tmp_path, ".")
    read = kept.pop(f"a.txt{ending}")["text"].split("\n")
    assert len(read) > 300 and read == lines[: len(read)]
    assert list(kept) == [f"b.jsonl{ending}#{number}" for number in range(len(kept))] and len(kept) > 300
    assert reasons(dropped) == {
        f"a.txt{ending}": "truncated file",
        f"b.jsonl{ending}": "truncated file",
    }


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_a_text_whose_checksum_differs_is_not_read(tmp_path, ending):
    """Unlike missing data, wrong data may precede the place where they are noticed."""
    data = bytearray(PACKERS[ending](b"".join(b"%d words\n" % number for number in range(20_000))))
    data[len(data) // 2] ^= 1
    write(tmp_path, f"a.txt{ending}", bytes(data))
    kept, dropped = ingested(tmp_path, ".")
    assert not kept and reasons(dropped) == {f"a.txt{ending}": "unreadable file"}


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_what_precedes_damage_is_read_and_the_damage_reported(tmp_path, ending):
    first, second = (PACKERS[ending](f'{{"text": "{word}"}}\n'.encode()) for word in ("One.", "Two."))
    write(tmp_path, f"padded.jsonl{ending}", first + b"\0" * 510 + second + b"\0" * 512)
    write(tmp_path, f"damaged.jsonl{ending}", first + b"Q" + second[1:])
    kept, dropped = ingested(tmp_path, ".")
    assert sorted(row["text"] for row in kept.values()) == ["One.", "One.", "Two."]
    (row,) = dropped
    assert row["reason"] == "unreadable file" and row["detail"].startswith("after 1 records: ")


@pytest.mark.parametrize("ending", PACKERS)
def test_content_decides_whether_a_file_is_compressed(tmp_path, ending):
    pack = PACKERS[ending]
    table = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["One."]}), table)
    contents = {
        f"a.txt{ending}{ending}": pack(pack(b"Words.")),
        f"b.jsonl{ending}": b'{"text": "Plain."}\n',
        "c.md": pack(b"# Title\n\nPacked."),
        "d.parquet": pack(table.getvalue().to_pybytes()),
        f"e.txt{ending}": b"",
        f"f.txt{ending}": pack(pack(pack(pack(b"Words.")))),
        f"g.txt{ending}": b"\x01" + pack(b"Words.")[1:],
    }
    for name, data in contents.items():
        write(tmp_path, name, data)
    kept, dropped = ingested(tmp_path, ".")
    assert sorted(row["text"] for row in kept.values()) == ["# Title\n\nPacked.", "One.", "Plain.", "Words."]
    assert reasons(dropped) == {
        f"e.txt{ending}": "empty document",
        f"f.txt{ending}": "nested too deep",
        f"g.txt{ending}": "unreadable file",
    }


@pytest.mark.slow
def test_a_file_that_is_compressed_twice_may_not_grow_without_bound(tmp_path):
    write(tmp_path, "a.jsonl.gz", gzip.compress(gzip.compress(b" " * 300_000_000)))
    write(tmp_path, "b.txt", "Fine.")
    kept, dropped = ingested(tmp_path, ".", options=ingest.Options(memory_mb=300, document_mb=200))
    assert list(kept) == ["b.txt"] and reasons(dropped) == {"a.jsonl.gz": "grows without bound"}


@pytest.mark.slow
@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_a_file_that_grows_without_bound_is_dropped(tmp_path, ending, name):
    bomb = PACKERS[ending](b"text\n" + b" " * 300_000_000)
    write(tmp_path, f"{name}{ending}", bomb)
    write(tmp_path, "fine.txt", "Fine.")
    kept, dropped = ingested(tmp_path, ".", options=ingest.Options(memory_mb=300, document_mb=20))
    assert list(kept) == ["fine.txt"]
    assert set(reasons(dropped).values()) <= {"too large", "grows without bound"}


@pytest.mark.slow
def test_a_document_larger_than_the_limit_is_dropped(tmp_path):
    write(tmp_path, "a.txt", "word " * 300_000)
    write(tmp_path, "b.jsonl", '{"text": "' + "word " * 300_000 + '"}\n')
    write(tmp_path, "c.txt", "Fine.")
    write(tmp_path, "d.json", json.dumps([{"text": "word"}] * 100_000))
    kept, dropped = ingested(tmp_path, ".", options=ingest.Options(document_mb=1))
    assert list(kept) == ["c.txt"]
    assert reasons(dropped) == dict.fromkeys(["a.txt", "b.jsonl", "d.json"], "too large")


def test_files_are_counted_by_ending_and_result(tmp_path):
    for name in ("a.txt", "b.txt", "c.xyz", "d.md.gz"):
        write(tmp_path, name, b"Words." if not name.endswith("gz") else gzip.compress(b"Words."))
    write(tmp_path, "e.txt", "")
    parts = outcomes(tmp_path, ".", {"python": "tests.stages.sources.test_ingest:PLANETS"})
    figures = sum((Counter(part.figures) for part in parts), start=Counter())
    assert {name: count for name, count in figures.items() if name.startswith("files/")} == {
        "files/python/read": 1,
        "files/.txt/read": 2,
        "files/.xyz/unknown format": 1,
        "files/.md/read": 1,
        "files/.txt/empty document": 1,
    }


@pytest.mark.slow
def test_a_slow_task_is_not_killed_while_it_yields_rows(tmp_path):
    """The limit is per document, not per task."""
    for number in range(30):
        write(tmp_path, f"docs/{number}.txt", f"{number} " + "word " * 20_000)
    started = time.monotonic()
    kept, dropped = ingested(tmp_path, "docs", options=ingest.Options(seconds=30))
    assert len(kept) == 30 and not dropped and time.monotonic() - started < 600


def test_a_mapping_is_a_separate_task(tmp_path):
    write(tmp_path, "a.txt", "Words.")
    tasks = ingest.plan(
        ingest.Options(),
        context(tmp_path, "a.txt", {"python": "tests.stages.sources.test_ingest:PLANETS"}, "a.txt"),
    )
    assert [task.mapping for task in tasks] == [False, True, False]


def test_a_file_that_gives_no_row_is_dropped_with_a_reason(tmp_path, monkeypatch):
    for name in "abc":
        write(tmp_path, f"docs/{name}.txt", "The keeper wound the clock.")
    monkeypatch.setattr(ingest, "read_files", lambda files, *limits: watch.read_files(files[:1], *limits))
    parts = outcomes(tmp_path, "docs")
    assert [row["source"] for part in parts for row in part.kept.to_pylist()] == ["docs/a.txt"]
    dropped = [row for part in parts for row in part.dropped.to_pylist()]
    assert reasons(dropped) == {"docs/b.txt": "not read", "docs/c.txt": "not read"}
    assert parts[-1].figures["files/.txt/not read"] == 2
