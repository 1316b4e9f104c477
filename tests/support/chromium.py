"""A headless browser for tests of pages, which are skipped if there is none."""

import contextlib
import os
import shutil

import pytest

SIZES = (400, 1100, 1600)


def path():
    """Find Chromium: the variable CHROMIUM, or a command of that name."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextlib.contextmanager
def opened():
    """Open a browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not path():
        pytest.skip("Chromium is not installed (apt-get install chromium), nor named by CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """
    A page, with the errors that the browser reported.

    Parameters
    ----------
    browser
        The browser.
    width, scheme
        Of the window, in px; light or dark.
    """

    def __init__(self, browser, width=1100, scheme="light"):
        self.complaints = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.questions, self.consents = [], None
        self.page.on("dialog", self._answer)
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))

    def _answer(self, dialog):
        """Answer a dialog as `consents` specifies; if it is None, no dialog is expected."""
        self.questions.append(dialog.message)
        if self.consents is None:
            self.complaints.append("dialog")
        dialog.accept() if self.consents else dialog.dismiss()

    def overflow(self):
        """Measure by how much the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
