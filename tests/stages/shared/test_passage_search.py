"""Search by partition gives the same scores as BM25 over all passages."""

import math
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema import LINEAGE, PASSAGES, table_of
from datagen.stages.shared import passage_search as search
from datagen.store.parquet import part_name, write_table
from tests.support.rows import context

WORD = st.sampled_from(["river", "bridge", "tower", "gate", "mill", "Brücke", "7"])
TEXTS = st.lists(st.lists(WORD, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=9)


def look(folder, texts, queries, size):
    """Search for the queries, each from a different document, in partitions of `size` passages."""
    rows = [
        {"id": str(n), "document_id": str(n), "text": text, "start": 0, "end": 9}
        for n, text in enumerate(texts)
    ]
    shelves = []
    for part, start in enumerate(range(0, len(rows), size)):
        shelves.append(folder / part_name(part))
        write_table(table_of(PASSAGES, rows[start : start + size]), shelves[-1])
    lineage = pa.array([{"document_id": "none"}] * len(queries), LINEAGE)
    where = replace(context(), output=folder)
    where.scratch.mkdir(parents=True, exist_ok=True)
    search.search(shelves, [search.Queries.of(queries, lineage)], where)
    hits = search.read_hits(where.scratch, 0)
    return {
        (hit["query"].item(), hit["part"].item() * size + hit["row"].item()): hit["score"].item()
        for hit in hits
    }


def bm25(texts, query):
    """Score each text by the definition of BM25."""
    bags = [Counter(text.casefold().split()) for text in texts]
    mean = sum(bag.total() for bag in bags) / len(bags)
    scores = []
    for bag in bags:
        score = 0.0
        for word in set(query.casefold().split()):
            holding = sum(word in other for other in bags)
            telling = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
            damped = bag[word] + 1.2 * (1 - 0.75 + 0.75 * bag.total() / mean)
            score += telling * bag[word] * 2.2 / damped
        scores.append(score)
    return scores


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(TEXTS, st.lists(WORD, min_size=1, max_size=4).map(" ".join), st.integers(1, 4))
def test_scores_equal_bm25_for_any_partitioning(tmp_path_factory, texts, query, size):
    hits = look(tmp_path_factory.mktemp("search"), texts, [query, ""], size)
    expected = {(0, row): score for row, score in enumerate(bm25(texts, query)) if score > 0}
    assert hits == pytest.approx(expected)  # no search without questions


def test_queries_need_no_lineage(tmp_path):
    assert search.Queries.of(["gate"]).document.to_pylist() == [None]


def test_the_best_of_many_are_kept(tmp_path):
    texts = [f"gate {'gate ' * n}" + "mill " * 30 for n in range(40)]
    hits = look(tmp_path, texts, ["gate"], 40)
    assert sorted(row for _, row in hits) == list(range(40 - search.BEST, 40))


def test_partitions_without_passages_or_questions(tmp_path):
    assert look(tmp_path / "none", [], ["gate"], 1) == {}
    assert look(tmp_path, ["gate", "mill"], [], 1) == {}
    write_table(PASSAGES.empty_table(), tmp_path / "empty" / part_name(0))
    where = replace(context(), output=tmp_path / "empty")
    where.scratch.mkdir(parents=True)
    lineage = pa.array([{"document_id": "none"}], LINEAGE)
    search.search([tmp_path / "empty" / part_name(0)], [search.Queries.of(["gate"], lineage)], where)
    assert not len(search.read_hits(where.scratch, 0))
