"""
Take the pictures in this folder from a finished run of examples/python-reference.yaml.

    python -m docs.pictures outputs/python-reference/latest
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from datagen.report.html import write_report
from datagen.run.folder import open_run
from tests.support import chromium
from tests.support.browsing import browsing

HERE = Path(__file__).parent
COLOURS = 128  # of a picture, for small files


def report(browser: Browser, run: Path) -> None:
    """Picture the start of the report."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto(write_report(open_run(run)).as_uri())
    _save(page, "report.png")


def browse(browser: Browser, run: Path) -> None:
    """Picture a search in `datagen browse`, and a row that it finds."""
    labels = Path(tempfile.gettempdir()) / "no-labels.jsonl"
    with browsing(run, labels) as (address, _):
        page = browser.new_page(viewport={"width": 1400, "height": 800})
        page.goto(address)
        page.locator("#list button").first.wait_for()
        with page.expect_response("**/api/rows?text=sequence+concatenat&stage=handed*kind=instruction*"):
            page.fill("#filters [name=text]", "sequence concatenat")
            page.select_option("#filters [name=stage]", "handed off")
            page.select_option("#filters [name=kind]", "instruction")
        page.locator("#list button").first.click()
        page.locator("#list [aria-current=true]").wait_for()
        page.evaluate("document.querySelector('header .path').textContent = 'Labels: labels.jsonl'")
        _save(page, "browse.png")


def _save(page: Page, name: str) -> None:
    page.screenshot(path=HERE / name)
    with Image.open(HERE / name) as picture:
        few = picture.convert("RGB").quantize(
            COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    few.save(HERE / name, optimize=True)
    page.close()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run.resolve()
    with chromium.opened() as browser:
        for take in (report, browse):
            take(browser, run)


if __name__ == "__main__":
    main()
