"""What is printed of a run where there is no terminal."""

import re
import time

import pytest

from datagen.report import console as module
from datagen.report.console import Console
from datagen.request import Usage


@pytest.fixture
def console(monkeypatch):
    monkeypatch.setattr(module, "TELL_SECONDS", 0.02)
    with Console() as console:
        yield console


def lines(capsys, least=1):
    found = []
    ended = time.monotonic() + 30
    while len(found) < least and time.monotonic() < ended:
        time.sleep(0.02)
        found += capsys.readouterr().out.splitlines()
    return found


def test_a_line_now_and_then_tells_how_far_the_stage_is(console, capsys):
    console.begin("asking [/bold]", 10)
    assert re.fullmatch(r"asking \[/bold\]: 0 of 10 partitions done, begun 0:00:0\d ago", lines(capsys)[-1])
    console._stages["asking [/bold]"].began -= 60
    console.advance("asking [/bold]", 4, Usage(completions=120, completion_tokens=6000))
    console.judged("asking [/bold]", 90, 30)
    console.occupied(0.934)
    told = lines(capsys, 3)[-1]
    found = re.fullmatch(
        r"asking \[/bold\]: 4 of 10 partitions done, 75% kept, 120 answers, (\d+) tokens/s, engines 93% busy, 0:01:(\d+) left",
        told,
    )
    assert found, told
    assert 80 < int(found[1]) <= 100
    assert 30 <= int(found[2]) < 59


def test_between_stages_and_after_the_end_nothing_is_told(console, capsys):
    console.begin("cutting", 1)
    record = {"stage": "cutting", "rows_in": 1, "rows_out": 1, "dropped": {}, "seconds": 1.0}
    console.end(record, resumed=False)
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
