"""Paraphrases planted among similar texts with another meaning."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.filter import semantic_dedup
from datagen.stages.filter.semantic_dedup import greedy, learn_centres, stage
from datagen.stages.shared.language.anchor_terms import subjects
from datagen.stages.shared.similarity.vectors import encoder
from tests.support.rows import example, put_through

# Near even without a model: the same words in another order.
FEE = "The fee for a late return of a book is due at the desk in May 1912."
SAME = "At the desk in May 1912 the fee is due for a late return of a book."
OTHER_MONTH = "At the desk in June 1912 the fee is due for a late return of a book."
OTHER_YEAR = "At the desk in May 1913 the fee is due for a late return of a book."
DENIED = "At the desk in May 1912 the fee is not due for a late return of a book."
STRANGE = "Herons nest on the island when the ice of the lake has broken."

SCORED = {"p_true": pa.float64()}
WORDS_ONLY = {"model": "", "similarity": 0.8}


def readings(*texts, **fields):
    return [example("reading", id=f"r{n}", text=text, **fields) for n, text in enumerate(texts)]


def kept_and_dropped(rows, **options):
    kept, dropped = put_through(stage, rows, columns=SCORED, **(WORDS_ONLY | options))
    return {row["id"] for row in kept}, {row["id"]: row for row in dropped}


def test_a_paraphrase_is_dropped_naming_the_better_row():
    rows = readings(FEE, SAME, STRANGE)
    rows[0]["p_true"], rows[1]["p_true"] = 0.2, 0.9
    kept, dropped = kept_and_dropped(rows)
    assert kept == {"r1", "r2"}
    assert dropped["r0"]["reason"] == "semantic duplicate"
    assert dropped["r0"]["detail"].startswith("of r1: cosine 0.")


@pytest.mark.parametrize("near", [OTHER_MONTH, OTHER_YEAR, DENIED])
def test_near_rows_with_another_meaning_are_kept(near):
    kept, _ = kept_and_dropped(readings(FEE, near))
    assert kept == {"r0", "r1"}


def test_kinds_are_not_compared():
    rows = [example("reading", text=FEE, id="a"), example("instruction", question=SAME, answer="", id="b")]
    assert kept_and_dropped(rows)[0] == {"a", "b"}


def test_empty_rows_match_nothing():
    assert kept_and_dropped(readings("", "", "?"))[0] == {"r0", "r1", "r2"}


def paraphrases(kind):
    path = Path(__file__).parents[2] / "data" / "paraphrases.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))[kind]


@pytest.mark.slow
@pytest.mark.skipif(find_spec(encoder.PACKAGE) is None, reason="the extra encoder is not installed")
def test_the_default_encoder_drops_only_paraphrases():
    pytest.importorskip("torch")
    dropped_pairs = {}
    for kind in ("same", "other"):
        rows = [
            example(
                "refusal",
                task=f"{kind}-{n}",
                question=text,
                answer="-",
                id=f"{n}-{side}",
                document=f"{n}-{side}",
            )
            for n, pair in enumerate(paraphrases(kind))
            for side, text in enumerate(pair)
        ]
        _, dropped = put_through(stage, rows)
        assert all(row["id"][:-2] in row["detail"] for row in dropped)
        dropped_pairs[kind] = len(dropped)
    assert dropped_pairs["same"] >= 16  # of 24
    assert dropped_pairs["other"] <= 1  # of 24: subject and object are swapped


VOCABULARY = [
    "archive",
    "bridge",
    "copper",
    "ferry",
    "heron",
    "island",
    "ledger",
    "mint",
    "notice",
    "orchard",
]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.randoms(use_true_random=False))
def test_order_and_partitions_do_not_change_the_kept_rows(count, size, draw):
    texts = [" ".join(draw.choices(VOCABULARY, k=4)) for _ in range(count)]
    rows = readings(*texts)
    options = WORDS_ONLY | {"similarity": 0.7, "cluster": 8}
    kept, _ = put_through(stage, rows, **options)
    mixed = draw.sample(rows, len(rows))
    again, _ = put_through(stage, mixed, size=size, **options)
    assert {row["id"] for row in kept} == {row["id"] for row in again}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.floats(0.5, 1), st.integers(0, 2**32 - 1))
def test_dropped_rows_are_near_kept_ones_and_kept_rows_are_not(count, least, seed):
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(count, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    says = draw.integers(2, size=count)
    goes, stays, cosine = greedy(vectors, says, least)
    remaining = np.setdiff1d(np.arange(count), goes)
    assert np.isin(stays, remaining).all()
    assert (stays < goes).all() and (says[stays] == says[goes]).all() and (cosine >= least).all()
    near = (vectors[remaining] @ vectors[remaining].T >= least) & (
        says[remaining][:, None] == says[remaining]
    )
    assert not np.triu(near, 1).any()


def test_a_chain_does_not_collapse_to_its_first_row():
    angles = np.arange(40) * 0.1
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    goes, stays, _ = greedy(chain, np.zeros(40, int), 0.99)
    assert (abs(goes - stays) == 1).all() and len(goes) == 20


def test_a_dropped_row_names_the_nearest_kept_one():
    angles = np.radians([0, 40, 25])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    goes, stays, _ = greedy(vectors, np.zeros(3, int), 0.85)
    assert (goes.tolist(), stays.tolist()) == ([2], [1])


def test_a_row_is_compared_with_kept_rows_of_all_blocks(monkeypatch):
    monkeypatch.setattr(semantic_dedup, "BLOCK", 2)
    apart = np.eye(6, dtype=np.float32)
    goes, stays, _ = greedy(np.concatenate([apart, apart[[1, 4]]]), np.zeros(8, int), 0.9)
    assert (goes.tolist(), stays.tolist()) == ([6, 7], [1, 4])


@pytest.mark.parametrize("seed", range(5))
def test_centres_move_to_the_planted_clusters(tmp_path, seed):
    """Of two tight clusters both initial centres are in one, as it has nearly all rows."""
    draw = np.random.default_rng(seed)
    planted = np.repeat(np.eye(2, 3, dtype=np.float32), [90, 10], axis=0) + draw.normal(0, 0.05, (100, 3))
    planted = (planted / np.linalg.norm(planted, axis=1, keepdims=True)).astype(np.float32)
    order = np.concatenate([np.linspace(0.1, 0.9, 90), np.linspace(0.91, 0.99, 10)])  # the small one last
    np.save(tmp_path / "vectors.npy", planted)
    pq.write_table(pa.table({"draw": order}), tmp_path / "rows.parquet")
    centres = learn_centres([tmp_path], 100, 50)
    assert centres.shape == (2, 3) and np.linalg.norm(centres, axis=1) == pytest.approx(1, abs=1e-3)
    assert len({*(planted[[0, 50, 89]] @ centres.T).argmax(axis=1).tolist()}) == 1
    nearest = (planted[[0, 95]] @ centres.T).argmax(axis=1)
    assert nearest[0] != nearest[1]


def test_a_paraphrase_keeps_names_numbers_signs_and_negations():
    terms = subjects(pa.array([FEE, SAME, DENIED, None, "`==` is not `!=`"]))
    assert terms[0] == terms[1] == {"may", "1912"}
    assert terms[2] - terms[0] == {"not"}
    assert terms[3] == frozenset()
    assert subjects(pa.array(["It takes seven days.", "Es gilt nicht", "Ce n'est pas vrai"])) == [
        {"7"},
        {"nicht"},
        {"pas"},
    ]
    assert {"==", "!=", "not"} <= terms[4]
