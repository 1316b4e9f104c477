"""Rows that a stage generated or dropped, by product, for the live funnel."""

from collections import Counter

import pyarrow as pa
import pytest

from datagen.run.account import PartReport
from datagen.run.tasks import Job, apply_map, empty_part
from datagen.schema import EXAMPLES
from datagen.stage import Context, MapStage, Options, Outcome
from datagen.store.parquet import write_table

KINDS = ("reading", "reading", "instruction", "refusal", "preference")


def examples(kinds=KINDS):
    rows = [
        {"id": str(n), "kind": kind, "lineage": {"parents": [str(n)], "requests": []}}
        for n, kind in enumerate(kinds)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def drop_first(rows, options, context):
    reasons = pa.array(["first"] + [None] * (len(rows) - 1), pa.string())
    return Outcome.split(rows, reasons, pa.nulls(len(rows), pa.string()))


def keep_none(rows, options, context):
    return Outcome.split(rows, pa.array(["none"] * len(rows)), pa.nulls(len(rows), pa.string()))


@pytest.fixture
def apply(tmp_path):
    def report(stage, table):
        path = tmp_path / "stages" / "before" / "part-00000.parquet"
        write_table(table, path)
        context = Context(stage.name, run_folder=tmp_path)
        return apply_map(Job(stage.name, stage, Options(), context, tmp_path / "after"), (path,), 0)

    return report


def test_a_refining_stage_reports_the_products_that_it_dropped(apply):
    stage = MapStage("drop", "drops", "examples", "examples", keep_none)
    report = apply(stage, examples())
    assert report.lost == {"reading": 2, "instructions": 1, "refusals": 1, "preferences": 1}
    assert not report.made


def test_rows_that_bypass_a_stage_are_not_counted(apply):
    stage = MapStage("drop", "drops", "examples", "examples", drop_first, kinds=("refusal", "preference"))
    report = apply(stage, examples())
    assert (report.lost, report.passed_by) == ({"refusals": 1}, 3)


def test_a_making_stage_reports_only_what_it_kept(apply):
    stage = MapStage("make", "makes", "passages", "examples", drop_first)
    report = apply(stage, examples())
    assert report.made == {"reading": 1, "instructions": 1, "refusals": 1, "preferences": 1}
    assert not report.lost


@pytest.mark.parametrize(("takes", "gives"), [("probes", "probes"), ("documents", "passages")])
def test_other_tables_are_not_products(apply, takes, gives):
    report = apply(MapStage("other", "drops", takes, gives, drop_first), examples())
    assert not report.made and not report.lost


def test_reports_are_summed():
    total = PartReport(made=Counter(reading=2)) + PartReport(
        made=Counter(reading=1), lost=Counter(refusals=1)
    )
    assert (total.made, total.lost) == ({"reading": 3}, {"refusals": 1})


def test_an_empty_table_has_no_products(tmp_path):
    stage = MapStage("drop", "drops", "examples", "examples", drop_first)
    empty_part(Job("drop", stage, Options(), Context("drop"), tmp_path))
    assert (tmp_path / "part-00000.parquet").exists()
