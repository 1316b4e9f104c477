"""What the tests share: scripted generators, toy stages, faulty servers and planted rows."""

from pathlib import Path

ROOT = Path(__file__).parents[
    2
]  # on the path of each process that a test starts: `tests.support` is found there
