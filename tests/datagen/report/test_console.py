"""Output of a run without a terminal."""

import re
import time

import pyarrow as pa
import pytest

from datagen.report import console as module
from datagen.report.console import Console, product_table
from datagen.request import Usage
from datagen.store.parquet import write_table
from tests.support.runs import write_run


@pytest.fixture
def console(monkeypatch):
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.02)
    with Console() as console:
        yield console


def lines(capsys, count=1):
    printed = []
    ended = time.monotonic() + 30
    while len(printed) < count and time.monotonic() < ended:
        time.sleep(0.02)
        printed += capsys.readouterr().out.splitlines()
    return printed


def test_progress_lines_are_printed(console, capsys):
    console.begin("asking [/bold]", 10)
    assert re.fullmatch(r"asking \[/bold\]: 0 of 10 partitions done, started 0:00:0\d ago", lines(capsys)[-1])
    console._stages["asking [/bold]"].began -= 60
    console.advance("asking [/bold]", 4, Usage(completions=120, completion_tokens=6000), 0.0)
    console.judged("asking [/bold]", 90, 30)
    console.occupied(0.934)
    line = lines(capsys, 3)[-1]
    match = re.fullmatch(
        r"asking \[/bold\]: 4 of 10 partitions done, 75% kept, 120 answers, (\d+) tokens/s, engines 93% busy, "
        r"0:01:(\d+) left",
        line,
    )
    assert match, line
    assert 80 < int(match[1]) <= 100
    assert 30 <= int(match[2]) < 59


def test_the_time_left_is_estimated_before_the_first_partition_is_complete(console, capsys):
    console.begin("asking", 10)
    console._stages["asking"].began -= 60
    console.advance("asking", 0, Usage(completions=1), 0.5)
    match = re.search(r"0 of 10 partitions done, .*, 0:(\d+):\d+ left$", lines(capsys)[-1])
    assert match and int(match[1]) in (19, 20)  # 9.5 partitions, at two minutes each
    bar = console._progress.tasks[0]
    assert bar.completed == 0 and re.fullmatch(r"0:(19|20):\d+ left", bar.fields["left"])


def test_the_funnel_of_each_product_is_printed(console, capsys):
    record = {"stage": "mine", "rows_in": 5, "rows_out": 1200, "dropped": {}, "seconds": 1.0}
    console.end(record | {"made": {"reading": 1200}}, resumed=True)
    console.begin("instruct", 10)
    console.funnel("instruct", {"instructions": 20, "preferences": 1}, {})
    console.funnel("instruct", {"instructions": 40, "preferences": 2}, {})
    console.funnel("curate", {}, {"instructions": 10})
    console.funnel("dedup", {}, {"reading": 12, "instructions": 10})
    line = next(line for line in lines(capsys, 4) if line.startswith("kept so far"))
    assert line == (
        "kept so far: reading 1,188 of 1,200 (99%), instructions 20 of 40 (50%), preferences 2 (none dropped yet)"
    )


def test_the_funnel_is_shown_below_the_bars(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Console() as console:
        console.begin("instruct", 10)
        console.funnel("instruct", {"instructions": 40}, {})
        *_, footer = console._progress.get_renderables()
    assert str(footer) == "kept so far: instructions 40 (none dropped yet)"


@pytest.mark.parametrize(
    ("dashboard", "printed"),
    [("http://host:8787/status", "Dask dashboard: http://host:8787/status\n"), ("", "")],
)
def test_the_dashboard_of_a_cluster_is_named(capsys, dashboard, printed):
    with Console() as console:
        console.joined(dashboard)
    assert capsys.readouterr().out == printed


def test_the_rows_of_the_knowledge_test_are_counted(tmp_path):
    run = write_run(tmp_path / "a", {"s": "t"}, [])
    assert list(product_table(run).columns[0].cells) == ["reading", "instructions", "refusals", "preferences"]
    write_table(pa.table({"id": ["1", "2"]}), tmp_path / "a/handoff/knowledge_test/knowledge_test/a.parquet")
    product, _, rows = product_table(run).columns
    assert (list(product.cells)[-1], list(rows.cells)[-1]) == ("knowledge test", "2")


def test_nothing_is_printed_between_stages_and_after_the_end(console, capsys):
    console.begin("cutting", 1)
    record = {"stage": "cutting", "rows_in": 1, "rows_out": 1, "dropped": {}, "seconds": 1.0}
    console.end(record, resumed=False)
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
