"""A browser, a finished run, and `datagen browse` serving it."""

import contextlib
import re
import subprocess
import sys

import pytest

from tests.support import chromium, finished


@pytest.fixture(scope="module")
def browser():
    with chromium.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished.write(tmp_path_factory.mktemp("run"))


@pytest.fixture
def address(run, tmp_path):
    """Start `datagen browse` and return the address that it prints."""
    with browsing(run, tmp_path / "labels.jsonl") as (address, _):
        yield address


@contextlib.contextmanager
def browsing(run, labels):
    """Start `datagen browse`; yield the address that it prints and the process."""
    command = [sys.executable, "-m", "datagen", "browse", str(run), "--labels", str(labels), "--rows", "12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(m[0] for line in process.stdout if (m := re.search(r"http://\S+", line))), process
        finally:
            process.terminate()
