"""The latest proof in the report."""

import json

import pytest

from datagen.report.html import write_report
from datagen.report.proof import latest_proof
from datagen.run.folder import open_run
from tests.support import finished

pytestmark = pytest.mark.usefixtures("no_charts")

LATEST = {
    "folder": "a b",
    "gain": True,
    "sentences": [f"Reading texts: helps (+0.05). {finished.EVIL}"],
    "target": {"name": finished.EVIL, "revision": "1"},
    "seeds": 2,
    "note": "Time ran out.",
}


@pytest.fixture
def folder(tmp_path):
    folder = finished.write(tmp_path / "run")
    (folder / "proof" / "a b").mkdir(parents=True)
    (folder / "proof" / "a b" / "proof.html").write_text("page")
    (folder / "proof" / "latest.json").write_text(json.dumps(LATEST))
    return folder


def test_the_report_summarises_and_links_the_latest_proof(folder):
    text = write_report(open_run(folder)).read_text()
    assert '<a href="proof/a%20b/proof.html">Table and plot</a>' in text and '<a href="#proof">' in text
    assert "<b>better than a control</b>" in text and "2 times each" in text and "Time ran out." in text
    assert "Reading texts: helps (+0.05)." in text and "<script" not in text and "<img" not in text
    (folder / "proof" / "latest.json").write_text(json.dumps(LATEST | {"gain": False, "seeds": 1}))
    text = write_report(open_run(folder)).read_text()
    assert "<b>not shown to be better than a control</b>" in text and "once each" in text
    (folder / "proof" / "a b" / "proof.html").unlink()
    assert "Table and plot" not in write_report(open_run(folder)).read_text()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"folder": 5}', json.dumps(LATEST | {"seeds": "x"})]
)
def test_an_unreadable_proof_is_omitted(folder, content):
    (folder / "proof" / "latest.json").write_text(content)
    assert latest_proof(open_run(folder)) is None
    assert 'id="proof"' not in write_report(open_run(folder)).read_text()


def test_a_run_without_proof(tmp_path):
    assert latest_proof(open_run(finished.write(tmp_path / "run"))) is None
