"""One run of a recipe at a time, on one machine and on several."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datagen.errors import UserError
from datagen.run.lease import EXPIRE_SECONDS, lease
from datagen.store.disk import translate_file_errors

HOLDER = """
import sys, time
from pathlib import Path
from datagen.run.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def refused(home):
    with pytest.raises(UserError) as error, lease(home):
        pass
    return str(error.value)


def test_a_second_run_reports_the_holder_and_the_lease_of_a_dead_process_is_free(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert f"process {holder.pid} on " in (message := refused(tmp_path)) and " since 20" in message
    holder.kill()
    holder.wait()
    with lease(tmp_path):
        assert f"process {os.getpid()} on " in refused(tmp_path)
    with lease(tmp_path):
        pass


def test_another_machines_lease_is_valid_while_it_is_touched(tmp_path):
    file = tmp_path / ".lease"
    file.write_text("process 1 on elsewhere since 2026-01-01T00:00:00+00:00")
    assert "process 1 on elsewhere since 2026" in refused(tmp_path)
    last = time.time() - EXPIRE_SECONDS - 1
    os.utime(file, (last, last))
    with lease(tmp_path):
        pass


@pytest.mark.parametrize(
    "content", [b"", b"\xa0\xff", b"process \xff on \xfe since 20", b"x" * 100_000, b"\0" * 300]
)
def test_a_damaged_lease_has_no_holder(tmp_path, content):
    (tmp_path / ".lease").write_bytes(content)
    with lease(tmp_path):
        assert f"process {os.getpid()} on " in refused(tmp_path)


@pytest.mark.parametrize(
    ("replace", "said"),
    [
        (os.mkfifo, "it is a pipe"),
        (os.mkdir, "Is a directory"),
        (lambda path: path.symlink_to(path), "levels of"),
    ],
    ids=["pipe", "folder", "loop"],
)
def test_something_else_in_place_of_the_lease_is_named(tmp_path, replace, said):
    replace(tmp_path / ".lease")
    assert f"{tmp_path}/.lease could not be read or written: " in (message := refused(tmp_path))
    assert said in message


def test_without_file_locks_the_touch_decides(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with lease(tmp_path):
        assert f"process {os.getpid()} on " in refused(tmp_path)
    with lease(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lease"]
    (tmp_path / ".lease").write_bytes(b"junk")
    assert "held by another run (just started)" in refused(tmp_path)


def test_the_holder_touches_its_lease(tmp_path, monkeypatch):
    monkeypatch.setattr("datagen.run.lease.TOUCH_SECONDS", 0.01)
    with lease(tmp_path):
        os.utime(tmp_path / ".lease", (0, 0))
        end = time.monotonic() + 10
        while (tmp_path / ".lease").stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert (tmp_path / ".lease").stat().st_mtime > 0


def test_a_lease_needs_no_room_on_the_disk_once_its_file_exists(tmp_path):
    with lease(tmp_path):
        held = (tmp_path / ".lease").stat()
    free = (tmp_path / ".lease").stat()
    assert held.st_size == free.st_size > 0 and held.st_ino == free.st_ino
    assert (tmp_path / ".lease").read_text().strip() == ""


def test_a_full_disk_is_reported_with_the_file(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    assert (
        f"{tmp_path / '.lease'} could not be read or written: No space left on device. Make room"
        in refused(tmp_path)
    )
    monkeypatch.undo()
    with lease(tmp_path):
        pass


@pytest.mark.parametrize("place", ["/proc/nothing", "/dev/null", "/dev/null/below"])
def test_an_impossible_folder_is_reported(place):
    with pytest.raises(UserError, match=place), translate_file_errors(), lease(Path(place)):
        raise AssertionError
