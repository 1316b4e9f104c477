"""Distributions of scores: histograms of those that differ between rows, sentences about the others."""

import math

import pyarrow as pa

from datagen.report.html import write_report
from datagen.report.scores import Constant, scores
from datagen.run.folder import open_run
from datagen.store.parquet import parts, read_part, write_table
from tests.support import finished


def with_scores(folder, **values):
    """A run with further scores of all its rows after `measure`."""
    run = open_run(finished.write(folder))
    for stage in ("measure", "dedup", "calibrate"):
        for path in parts(run.stage_folder(stage)):
            table = read_part(path)
            for name, value in values.items():
                table = table.append_column(name, pa.array([value] * table.num_rows, pa.float64()))
            write_table(table, path)
    return run


def test_a_score_with_one_value_has_no_chart(tmp_path):
    run = with_scores(tmp_path, loop=0.0, share=0.25, length=70.0, empty=None, wrong=math.nan)
    found = scores(run)
    assert sorted(chart.title for chart in found.charts) == ["confidence", "grounding", "logprob", "words"]
    values = {"loop": 0.0, "share": 0.25, "length": 70.0}
    assert found.constant == [Constant(name, value, 40, "measure") for name, value in values.items()]
    page = write_report(run).read_text(encoding="utf-8")
    assert "loop is 0 in 40 rows after measure; share is 0.25 in 40 rows" in page


def test_a_chart_counts_rows_handed_off_and_not(tmp_path):
    charts = {chart.title: chart for chart in scores(open_run(finished.write(tmp_path))).charts}
    rows = charts["grounding"].rows
    assert {outcome: sum(row[1] for row in rows if row[2] == outcome) for *_, outcome in rows} == {
        "handed off": 38,
        "not handed off": 2,
    }
    assert rows[0] == ["0", 0, "handed off"] and ["0", 2, "not handed off"] in rows  # 0 and 0.025


def test_a_run_without_rows_has_no_scores(tmp_path):
    run = open_run(finished.write(tmp_path))
    run.manifest["stages"] = ["read", "cut"]
    assert scores(run) == ([], [])
