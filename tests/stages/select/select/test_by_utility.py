"""DELIFT end to end: pairs, their utilities for a planted target, and its three modes."""

import json
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.schema import EXAMPLES, table_of
from datagen.stages.select.delift import neighbours, pairwise_utility
from datagen.stages.select.select import stage
from datagen.store.parquet import parts, read_part, write_table
from tests.support import toys
from tests.support.asked import ask
from tests.support.rows import example, partitions, put_through
from tests.support.topics import TOPICS, on, target, topics_of

COLUMN = {"utility": pairwise_utility.UTILITY}


def measured(rows, size=None, **options):
    """Pair the rows and measure their utilities."""
    tried, _ = put_through(neighbours.stage, rows, size, **options)
    table = table_of(pa.schema([*EXAMPLES, ("nearest", neighbours.NEAREST)]), tried)
    kept, _, requests = ask(pairwise_utility.stage, table, target)
    return kept, requests


def select(rows, size=None, output=None, **options):
    settings = {"method": {"instruction": "utility"}, **options}
    return put_through(stage, rows, size, columns=COLUMN, output=output, **settings)


def gains(output):
    return {row["id"]: row["worth"] for row in pq.read_table(output / "order.parquet").to_pylist()}


def test_each_topic_is_represented_before_any_repeats(tmp_path):
    rows, requests = measured(on(TOPICS), neighbours=3)
    assert len(requests) == 16 * (1 + 3)  # alone, with each of the three nearest
    kept, dropped = select(rows, output=tmp_path, max_rows={"instruction": 4})
    assert len(kept) == 4 and topics_of(kept) == set(TOPICS)
    worth = list(gains(tmp_path).values())
    assert worth == pytest.approx([3 * 0.4] * 4 + [0.4] * 4 + [0] * 8)  # the second one helps the first
    assert all(one >= after for one, after in pairwise(worth))
    assert {row["detail"].partition(", ")[2] for row in dropped} == {"gain 0.4", "gain 0"}


def test_without_a_budget_three_in_ten_are_kept():
    rows, _ = measured(on(TOPICS))
    assert len(select(rows)[0]) == 5  # of 16, rounded up
    assert len(select(rows, max_rows={"instruction": 9})[0]) == 9
    assert len(select(rows, max_share={"instruction": 0.5})[0]) == 8


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 9), st.integers(0, 14), st.randoms(use_true_random=False))
def test_order_and_partitions_do_not_matter(size, budget, random):
    rows = on(TOPICS[:3])
    rows += [row | {"id": f"copy of {row['id']}"} for row in rows[:2]]
    limit = {"max_rows": {"instruction": budget}}
    kept, _ = select(measured(rows)[0], **limit)
    again, _ = select(measured(random.sample(rows, len(rows)), size)[0], size, **limit)
    assert {row["id"] for row in again} == {row["id"] for row in kept}
    assert len(kept) == min(budget, 14)


def test_copies_gain_nothing(tmp_path):
    rows = on(TOPICS[:1])
    rows += [row | {"id": f"copy of {row['id']}"} for row in rows]
    select(measured(rows)[0], output=tmp_path, max_rows={"instruction": 2})
    worth = gains(tmp_path)
    assert list(worth.values()) == pytest.approx([6 * 0.4, 2 * 0.4] + [0] * 6)
    assert len({name.removeprefix("copy of ") for name in list(worth)[:2]}) == 2


def test_rows_covered_by_an_earlier_release_are_not_chosen(tmp_path):
    """Continual learning: duplicates of old rows, and examples that help only as the old rows do, gain nothing."""
    old = [row | {"id": f"old {row['id']}"} for row in on(TOPICS[:2], 2)]
    folder = tmp_path / "before" / "stages" / "handoff"
    write_table(next(iter(partitions(old))), folder / "part-00000.parquet")
    rows, _ = measured(on(TOPICS[:3], 3), earlier=[str(tmp_path / "before")])
    kept, _ = select(rows, output=tmp_path, max_rows={"instruction": 1})
    worth = gains(tmp_path)
    assert topics_of(kept) == {TOPICS[2]}
    assert list(worth.values())[:3] == pytest.approx([2 * 0.4, 0.4, 0])
    assert not any(gain for name, gain in worth.items() if not name.startswith(TOPICS[2]))
    alone, _ = measured(on(TOPICS[:3], 3))
    select(alone, output=tmp_path, max_rows={"instruction": 1})
    assert sorted(gains(tmp_path).values(), reverse=True)[:3] == pytest.approx([2 * 0.4] * 3)  # of each topic


def test_only_help_with_wanted_examples_counts(tmp_path):
    path = tmp_path / "wanted.jsonl"
    item = {"question": f"What does the law say about {TOPICS[1]}?", "answer": "It is on wetlands."}
    path.write_text(json.dumps(item) + "\n")
    rows, _ = measured(on(TOPICS), wanted=[str(path)])
    kept, _ = select(rows, output=tmp_path, max_rows={"instruction": 3})
    first, *others = sorted(gains(tmp_path).items(), key=lambda row: -row[1])
    assert first[0].startswith(TOPICS[1]) and first[0] in {row["id"] for row in kept}
    assert first[1] == pytest.approx(3 * 0.4)  # for each row that it helps, as much as the wanted example
    assert all(name.startswith(TOPICS[1]) for name, gain in others if gain)


def test_dropped_examples_do_not_count():
    rows, _ = measured(on(TOPICS[:1]))
    left = rows[1:]
    kept, _ = select(left, max_rows={"instruction": 1})
    assert len(kept) == 1 and kept[0]["id"] != rows[0]["id"]


def test_rows_without_utilities_are_an_error():
    for rows in (on(TOPICS), [example(question="?", answer="!", utility=None)]):
        with pytest.raises(
            UserError,
            match=r"select.method: no instruction row has a utility.*delift_neighbours and delift_utility",
        ):
            select(rows)
    with pytest.raises(UserError, match="no instruction row has a utility"):
        put_through(stage, on(TOPICS), method={"instruction": "utility"})
    assert select([]) == ([], [])


RECIPE = """
name: delift
corpus: [{path: none}]
models:
  generator: {engine: scripted, model: "tests.support.toys:model"}
  target: {engine: scripted, model: "tests.support.topics:target", revision: "7"}
  small: {engine: scripted, model: "tests.support.topics:weak"}
cluster: {workers: 1}
stages:
  source: {use: "tests.support.topics:source"}
  difficulty: {role: small}
  difficulty_strong: {use: difficulty, suffix: _strong}
  compare_difficulty: {share: 0.25}
  delift_neighbours: {neighbours: 2}
  delift_utility:
  select: {method: {instruction: utility}}
"""


@pytest.mark.cluster
def test_a_run_records_who_measured_what(tmp_path, run_on_workers):
    """The number of pairs, the target, and its agreement with the weak model on difficulty."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run_on_workers(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "outputs", toys.SilentWatcher())
    assert done.stage_record("delift_neighbours")["figures"] == {"pairs": 16 * 2, "all_pairs": 16 * 16}
    record = done.stage_record("delift_utility")
    target = {"role": "target", "name": "tests.support.topics:target", "revision": "7", "licence": ""}
    assert record["model"] == target
    assert record["figures"] == {"pairs": 32, "pairs_not_read": 0}
    assert record["requests"]["asked"] == 16 + 32
    kept = pa.concat_tables(map(read_part, parts(done.stage_folder("select"))))
    assert len(kept) == 5 and topics_of(kept.to_pylist()) == set(TOPICS)
    comparison = json.loads((done.stage_folder("compare_difficulty") / "comparison.json").read_text())
    assert comparison["spearman"] == pytest.approx(1) and comparison["kept"] == comparison["by_both"] == 4
    report = (done.folder / "report.html").read_text()
    assert "\n1.00 (Spearman). Of the 4 rows that ifd_ppl_strong would keep" in report
    assert done.stage_record("difficulty")["seconds"] > 0 and "rows per second" in report
