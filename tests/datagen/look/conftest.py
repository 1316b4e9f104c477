"""A browser, a finished run, and `datagen browse` serving it."""

import pytest

from tests.support import chromium, finished
from tests.support.browsing import browsing


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
