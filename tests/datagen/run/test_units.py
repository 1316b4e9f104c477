"""Partitions at one position of several tables are read together while they are small, and always the same ones."""

import pyarrow as pa
import pytest

from datagen.recipe.load import load_recipe
from datagen.request import Identity, Request
from datagen.run import model_tasks, units
from datagen.run.tasks import _read
from datagen.run.units import Units
from datagen.store.parquet import part_name, write_table

RECIPE = """
name: r
corpus: [{{path: docs}}]
models: {{generator: {{engine: scripted, model: "tests.support.scribe:model", profile: small}}}}
cluster: {{partition_mb: {limit}}}
stages:
  ingest:
  chunk:
  instruct:
  comprehend:
  own_pairs: {{path: [pairs]}}
  seeds: {{path: [pairs]}}
  from_seeds:
  from_search:
  novelty:
  expand:
  refine:
  assess:
  measure:
"""


@pytest.fixture
def units_of(tmp_path):
    """Return the units of stages, as (stage, position), for a run with three partitions of documents."""

    def units_of(limit=8, sizes=(1, 1, 1), **changed):
        folder, path = tmp_path / "run", tmp_path / "recipe.yaml"
        path.write_text(RECIPE.format(limit=limit))
        for number, size in enumerate(sizes):
            rows = pa.table({"text": [f"{at:032x}" for at in range(size)]})
            write_table(rows, folder / "stages/ingest" / part_name(number, 0))
        for source in ("own_pairs", "seeds"):
            write_table(pa.table({"text": ["a"]}), folder / "stages" / source / part_name(0, 0))
        formed = Units(load_recipe(path), folder)
        counts = {"own_pairs": 1} | changed

        def of(name, *reads):
            tables = [
                [folder / read / part_name(number) for number in range(counts.get(read, 3))] for read in reads
            ]
            units = formed.of(name, tables)
            counts[name] = len(units)
            return [[(path.parent.name, int(path.stem[5:])) for path in unit] for unit in units]

        return of

    return units_of


EXAMPLES = ("instruct", "comprehend", "own_pairs")


def test_the_number_of_partitions_does_not_grow_with_the_tables(units_of):
    of = units_of()
    assert len(of("instruct", "chunk")) == 3
    of("comprehend", "chunk")
    assert of("expand", *EXAMPLES) == [
        [("instruct", 0), ("comprehend", 0), ("own_pairs", 0)],
        [("instruct", 1), ("comprehend", 1)],
        [("instruct", 2), ("comprehend", 2)],
    ]
    assert len(of("refine", *EXAMPLES)) == 3
    assert len(of("assess", "expand", "refine")) == 3
    assert len(of("measure", *EXAMPLES, "assess")) == 3


def test_a_unit_holds_no_more_than_a_partition_may(units_of, monkeypatch):
    monkeypatch.setattr(units, "SMALL_UNIT", 0)
    of = units_of(limit=0.01, sizes=(100, 1000, 100))  # about 4, 40 and 4 kB
    assert of("expand", *EXAMPLES) == [
        [("instruct", 0), ("comprehend", 0), ("own_pairs", 0)],
        [("instruct", 1)],
        [("comprehend", 1)],
        [("instruct", 2), ("comprehend", 2)],
    ]
    assert len(of("refine", *EXAMPLES)) == 4
    # 8 kB are left of each first and last unit: none of these two fit into one.
    assert len(of("assess", "expand", "refine")) == 8


def test_small_partitions_of_several_tables_are_one_unit_whatever_a_partition_may_hold(units_of):
    of = units_of(limit=0.0001, sizes=(100, 40_000, 100))  # about 4 kB, 1.5 MB and 4 kB
    assert of("expand", *EXAMPLES) == [
        [("instruct", 0), ("comprehend", 0), ("own_pairs", 0)],
        [("instruct", 1)],
        [("comprehend", 1)],
        [("instruct", 2), ("comprehend", 2)],
    ]


def test_tables_of_other_kinds_stay_apart(units_of):
    of = units_of(seeds=1, from_seeds=1, from_search=1)
    assert len(of("chunk", "ingest")) == 3
    assert of("novelty", "from_seeds", "from_search") == [[("from_seeds", 0)], [("from_search", 0)]]


def test_a_damaged_source_or_a_table_of_another_version_stays_apart(units_of, tmp_path):
    of = units_of()
    (tmp_path / "run/stages/ingest" / part_name(1, 0)).write_bytes(b"damaged")
    assert len(of("expand", *EXAMPLES)) == 4
    assert len(units_of(instruct=4)("expand", *EXAMPLES)) == 7


def test_rows_keep_their_order_and_columns_of_one_table_are_null_in_others(tmp_path):
    write_table(pa.table({"id": ["a", "b"], "score": [1, 2]}), tmp_path / "one.parquet")
    write_table(pa.table({"id": ["c"], "score": [0.5], "more": ["x"]}), tmp_path / "two.parquet")
    rows = _read((tmp_path / "one.parquet", tmp_path / "two.parquet"))
    assert rows["id"].to_pylist() == ["a", "b", "c"]
    assert rows["score"].to_pylist() == [1, 2, 0.5] and rows["more"].to_pylist() == [None, None, "x"]


def test_rows_with_one_id_in_two_tables_get_each_answer_once():
    """Two uses of a stage may make equal rows; read together, each answer would count twice."""
    request = Request("row", [{"role": "user", "content": "Q"}], "", "", "score").to_row(Identity("m", "1"))
    rows = [request, request | {"about": "other"}, dict(request), request | {"row": "second"}]
    assert model_tasks._distinct(rows) == [rows[0], rows[1], rows[3]]
