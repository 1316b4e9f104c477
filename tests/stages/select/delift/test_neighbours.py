"""The examples to try with each row."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datagen.errors import UserError
from datagen.stage import Partitions
from datagen.stages.select.delift import neighbours as module
from datagen.stages.select.delift.neighbours import nearest, stage
from datagen.stages.shared.similarity.vectors import STEPS
from datagen.store.parquet import write_table
from tests.support.rows import context, example, partitions, put_through
from tests.support.topics import TOPICS, on, say, topics_of


def pair(rows, size=None, **options):
    """Row -> group -> ids of its examples."""
    kept, dropped = put_through(stage, rows, size, **options)
    assert not dropped
    groups = ("rows", "earlier", "wanted")
    return {
        row["id"]: {
            of: [neighbour["id"] for neighbour in row["nearest"] if neighbour["of"] == of] for of in groups
        }
        for row in kept
    }


def release(folder, rows):
    table = next(iter(partitions(rows)))
    write_table(table, folder / "before" / "stages" / "handoff" / "part-00000.parquet")
    return [str(folder / "before")]


def test_a_row_is_tried_with_its_nearest_and_not_with_itself():
    rows = on(TOPICS)
    kept, _ = put_through(stage, rows, 5, neighbours=3)
    for row in kept:
        same_topic = {other["id"]: other for other in kept if topics_of([other]) == topics_of([row])}
        assert {neighbour["id"] for neighbour in row["nearest"]} == same_topic.keys() - {row["id"]}
        for neighbour in row["nearest"]:
            other = same_topic[neighbour["id"]]
            assert neighbour == {"of": "rows", **{name: other[name] for name in ("id", "prompt", "answer")}}


def test_pairs_are_bounded_and_counted(tmp_path):
    rows, options = partitions(on(TOPICS), 5), stage.options(neighbours=3)
    here = replace(context(), output=tmp_path)
    outcomes = [
        stage.apply(table, tried, options, here)
        for table, tried in zip(rows, stage.run(rows, options, here), strict=True)
    ]
    assert sum(outcome.figures["pairs"] for outcome in outcomes) == 16 * 3
    assert sum(outcome.figures["all_pairs"] for outcome in outcomes) == 16**2


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(1, 30), st.randoms(use_true_random=False))
def test_order_and_partitions_do_not_matter(size, neighbours, random):
    rows = on(TOPICS[:3]) + [example(id=f"copy {number}", **say(TOPICS[0], 0)) for number in range(3)]
    neighbours_of = pair(rows, neighbours=neighbours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", 4)
        assert pair(random.sample(rows, len(rows)), size, neighbours=neighbours) == neighbours_of
    copies = {f"{TOPICS[0]} 0", *(f"copy {number}" for number in range(3))}
    tried = set().union(*(row["rows"] for row in neighbours_of.values()))
    assert len(copies & tried) <= 1  # copies are one example, and not tried with each other
    assert all(
        neighbours_of[name] == neighbours_of["copy 0"] and not copies & set(neighbours_of[name]["rows"])
        for name in copies
    )
    assert all(
        len(row["rows"]) == min(neighbours, 11) == len(set(row["rows"])) for row in neighbours_of.values()
    )


def test_a_row_of_an_earlier_release_is_only_its_example(tmp_path):
    old = on(TOPICS[:2], start=2)  # rules 2 and 3 are in both, under other ids
    old = [row | {"id": f"old {row['id']}"} for row in old]
    options = {"neighbours": 2, "earlier": release(tmp_path, [*old, example("reading", text="Mail.")])}
    neighbours_of = pair(on(TOPICS[:2]), 3, **options)
    again = {f"{topic} {number}" for topic in TOPICS[:2] for number in (2, 3)}
    for name, row in neighbours_of.items():
        assert not again & set(row["rows"])
        if name in again:
            assert row["earlier"][0] == f"old {name}"
        assert len(row["earlier"]) == len(row["rows"]) == 2 and name not in row["rows"]


def test_wanted_examples_are_also_tried(tmp_path):
    path = tmp_path / "wanted.jsonl"
    item = {"question": "Which penalty has the theft of mail?", "answer": "Five years."}
    path.write_text(json.dumps(item) + "\n")
    kept, _ = put_through(stage, on(TOPICS[:2]), wanted=[str(path)])
    for row in kept:
        (wanted,) = (wanted for wanted in row["nearest"] if wanted["of"] == "wanted")
        assert wanted["prompt"] == [{"role": "user", "content": item["question"]}]
        assert wanted["answer"] == "Five years."
    chat = [{"from": "human", "value": item["question"]}, {"from": "gpt", "value": item["answer"]}]
    path.write_text(json.dumps({"conversations": chat}) + "\n")
    again, _ = put_through(stage, on(TOPICS[:2]), wanted=[str(path)])
    assert [row["nearest"] for row in again] == [row["nearest"] for row in kept]
    path.write_text('{"question": "What is mail?"}\n')
    with pytest.raises(
        UserError, match=r"delift_neighbours.wanted: .*item 1: no answer: its fields are question"
    ):
        pair(on(TOPICS[:1]), wanted=[str(path)])
    path.write_text('{"question": "What is mail?", "answer": ["Post", "Letters"]}\n')
    with pytest.raises(
        UserError, match=r"delift_neighbours.wanted: .*item 1: unknown layout: answer is a list"
    ):
        pair(on(TOPICS[:1]), wanted=[str(path)])


def test_no_rows_and_one_row(tmp_path):
    assert pair([]) == {}
    here, some = replace(context(), output=tmp_path), partitions(on(TOPICS[:1])).readers[0]
    for empty in (
        Partitions([lambda names: some(names)[:0]]),
        Partitions([some, lambda names: some(names)[:0]]),
    ):
        *_, tried = stage.run(empty, stage.options(), here)
        assert len(stage.apply(some(None)[:0], tried, stage.options(), here).kept) == 0
    assert pair(on(TOPICS[:1], 1)) == {f"{TOPICS[0]} 0": {"rows": [], "earlier": [], "wanted": []}}


GRID = arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-STEPS, STEPS))


@settings(max_examples=50, deadline=None)
@given(GRID, st.integers(1, 14), st.sampled_from([3, 4096]), st.data())
def test_nearest_matches_brute_force(vectors, most, tile, data):
    vectors = vectors / np.float32(STEPS)
    among = np.array(sorted(data.draw(st.sets(st.integers(0, len(vectors) - 1)))), np.int64)
    own = np.arange(len(vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE", tile)
        places_found = nearest(vectors, own, vectors, among, most)
    for row, places in enumerate(places_found.tolist()):
        others = [place for place in among.tolist() if place != row]
        others.sort(key=lambda place: (-(vectors[row] @ vectors[place]), place))
        assert places == [*others[:most], *[-1] * (most - len(others))]
