"""Shared test support: scripted generators, toy stages, faulty servers and planted rows."""

from pathlib import Path

ROOT = Path(__file__).parents[
    2
]  # on the path of every test subprocess, so that it can import `tests.support`
