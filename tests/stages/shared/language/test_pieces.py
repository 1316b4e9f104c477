import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language.pieces import sum_over_pieces
from datagen.stages.shared.language.words import count

TEXTS = st.lists(st.text("aé1 .'’\n\u00a0\u0301漢_,", max_size=30), max_size=5)


@given(TEXTS, st.integers(0, 2))
def test_the_pieces_of_a_text_have_its_words_and_bytes(texts, first):
    column = pa.array(texts, pa.string()).slice(min(first, len(texts)))
    for measure in (count, pc.binary_length):
        found = sum_over_pieces(column, lambda pieces, measure=measure: measure(pieces).to_numpy())
        assert found.tolist() == measure(column).to_pylist()


def test_equal_pieces_are_measured_once():
    seen = []

    def measure(pieces):
        seen.extend(pieces.to_pylist())
        return pc.utf8_length(pieces).to_numpy()

    texts = pa.array(["the act of the act", "the act", "“the  act", ""])
    assert sum_over_pieces(texts, measure).tolist() == [18, 7, 9, 0]
    assert sorted(seen) == sorted(["the", " act", " of", " the", "“the  act"])
