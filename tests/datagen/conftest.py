"""Fixtures shared by the tests of the command and the run."""

import pytest


@pytest.fixture
def no_charts(monkeypatch):
    """Leave out the charts of reports, which a child process draws in more than a second."""
    monkeypatch.setattr("datagen.report.charts.draw", lambda specifications: [])
