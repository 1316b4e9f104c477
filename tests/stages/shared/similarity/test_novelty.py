"""The novelty check equals brute force on any texts, and its bound never excludes a match."""

import random

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity import novelty
from datagen.stages.shared.similarity.novelty import Like, Novelty, candidates


def rouge(left, right):
    """ROUGE-L F1 by the recurrence of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for a in left:
        above = row
        row = [0]
        for place, b in enumerate(right):
            row.append(above[place] + 1 if a == b else max(above[place + 1], row[-1]))
    return 2 * row[-1] / (len(left) + len(right))


def split(texts):
    cut = words(pa.array(texts, pa.string()), symbols=False)
    return [cut.of(number) or [text.strip()] for number, text in enumerate(texts)]


def brute_force(texts, most):
    """Compare each text with all kept ones."""
    kept, matches = [], []
    for sequence in split(texts):
        scores = [rouge(sequence, other) for other in kept]
        if scores and max(scores) > most:
            matches.append(Like(scores.index(max(scores)), max(scores)))
        else:
            matches.append(None)
            kept.append(sequence)
    return matches


SCRIPTS = ("abc", "деё", "租约年", "लीज", "عقد", "ของ", "あア", "１23", "ß𝔸", "🙂+")
WORD = st.one_of(*(st.text(alphabet, min_size=1, max_size=2) for alphabet in SCRIPTS))
TEXTS = st.lists(st.lists(WORD, max_size=12).map(" ".join), max_size=25)


@settings(max_examples=300)
@given(TEXTS, st.sampled_from([0.5, 0.7, 0.95]), st.integers(1, 4))
@example(["a b c d e f g h i j", "a b c d e f g x y z"], 0.7, 1)  # exactly 0.7: not above it
@example(["a a a a", "a", "a a a", "a a"], 0.7, 2)
@example(["", " ", "?", "!", "🙂", "🙂"], 0.7, 1)
def test_it_equals_brute_force_in_any_script(texts, most, block):
    checked = Novelty(most)
    with_block = novelty.BLOCK, novelty.TILE
    novelty.BLOCK, novelty.TILE = block, 3
    try:
        matches = checked.judge(texts)
    finally:
        novelty.BLOCK, novelty.TILE = with_block
    assert matches == brute_force(texts, most)
    assert len(checked) == matches.count(None)


@given(TEXTS, st.sampled_from([0.5, 0.7, 0.95]))
def test_the_bound_excludes_no_match(texts, most):
    coded = Novelty()._coded(texts)
    lengths, bits = novelty._lengths(coded), novelty._bitmaps(coded)
    rows, columns = candidates(lengths, bits, lengths, bits, most)
    possible = set(zip(rows.tolist(), columns.tolist(), strict=True))
    for row, left in enumerate(coded):
        for column, right in enumerate(coded):
            assert rouge(left, right) <= most or (row, column) in possible


def test_the_bound_excludes_most_pairs():
    random.seed(1)
    vocabulary = [f"word{number}" for number in range(3000)]
    texts = [" ".join(random.choices(vocabulary, k=random.randint(5, 60))) for _ in range(300)]
    coded = Novelty()._coded(texts)
    lengths, bits = novelty._lengths(coded), novelty._bitmaps(coded)
    rows, columns = candidates(lengths, bits, lengths, bits, 0.7)
    assert (rows == columns).sum() == 300 and len(rows) < 0.02 * 300**2


def test_the_first_of_a_group_is_kept_and_seeds_count():
    checked = Novelty()
    checked.keep(["How long does a standard lease last?", "How long does a standard lease last?"])
    texts = [
        "How long does a seasonal lease last?",
        "Who records a notice in the land register?",
        "Who records a notice in the register?",
        "承租人每个月的第一天必须支付租金吗?",
        "承租人每个月的第二天必须支付租金吗?",
    ]
    matches = checked.judge(texts)
    assert [like and like.kept for like in matches] == [0, None, 2, None, 3]
    assert matches[0].score == 12 / 14 and len(checked) == 4
    assert np.isclose(matches[4].score, 32 / 34)
