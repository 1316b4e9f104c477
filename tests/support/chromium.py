"""A headless browser for tests of pages, which are skipped if there is none."""

import contextlib
import os
import shutil
import time

import pytest

SIZES = (400, 1100, 1600)
SECONDS = 30  # longest wait for a request


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
        self.page.on("requestfailed", self._add_failure)

    def _add_failure(self, request):
        """Add a request that failed, unless a newer one replaced it or the page was left."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(request.url)

    def _answer(self, dialog):
        """Answer a dialog as `consents` specifies; if it is None, no dialog is expected."""
        self.questions.append(dialog.message)
        if self.consents is None:
            self.complaints.append("dialog")
        dialog.accept() if self.consents else dialog.dismiss()

    def hold(self, pattern):
        """Hold back the requests that match a pattern."""
        return Held(self.page, pattern)

    def overflow(self):
        """Measure by how much the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")


class Held:
    """
    Requests that a page has sent and that have not reached the server.

    Parameters
    ----------
    page
        Sends the requests.
    pattern
        Of their addresses, for Playwright.
    """

    def __init__(self, page, pattern):
        self._page, self._routes, self._released = page, [], False
        page.route(pattern, lambda route: self._receive(route))

    def _receive(self, route):
        if self._released:
            route.continue_()
        else:
            self._routes.append(route)

    def wait(self, number=1):
        """Wait until the page has sent a number of requests."""
        until = time.monotonic() + SECONDS
        while len(self._routes) < number:
            assert time.monotonic() < until, f"the page sent {len(self._routes)} of {number} requests"
            self._page.wait_for_timeout(10)

    def release(self):
        """Wait for a request; let all continue, also later ones."""
        self.wait()
        self._released = True
        for route in self._routes:
            route.continue_()
