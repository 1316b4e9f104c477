"""Critical words, looked up once for each distinct word, against a look-up of every word."""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language.columns import SEPARATORS, words
from datagen.stages.shared.similarity import critical_words, meaning
from datagen.stages.shared.similarity.meaning import _among, _denied, _digest, _kinds, as_written, digests
from datagen.stages.shared.similarity.plain import plain

ENGLISH = "not no at most less than more seven a in the of to is and er an unlawful impossible only never may"
OTHERS = (
    "7 250 mg open_file __init__ == + -5 % $ x² ½ nicht der die ist pas le court Friday m W MW — § “fee” … ﬁn"
)
WORDS = st.sampled_from(f"{ENGLISH} {OTHERS}".split())
RARE = "kofer milim tunor repas lodan badan 7 no m mg"
TEXTS = st.lists(
    st.lists(WORDS, max_size=30)
    | st.lists(WORDS, min_size=140, max_size=160)
    | st.lists(st.sampled_from(RARE.split()), min_size=150, max_size=160),
    max_size=4,
).map(lambda texts: [" ".join(text) for text in texts])


def of_every_word(cut, written):
    known, hashes, owners = critical_words.lexicon(), cut.hashes, cut.owners()
    values = hashes.copy()
    at = pc.index_in(pa.array(hashes), value_set=pa.array(known.critical)).fill_null(-1).to_numpy()
    listed = at >= 0
    values[listed] = known.same_as[at[listed]]
    small = cut.lengths < meaning.STRICT_BELOW * meaning.MARGIN
    natural = small | (share(hashes, known.common, cut.lengths) >= meaning.NATURAL)
    numeric, sign, symbol = _kinds(cut.words)
    identifier = pc.match_substring_regex(cut.words, meaning.IDENTIFIER).to_numpy(zero_copy_only=False)
    measures = np.zeros(len(hashes), bool)
    measures[1:] = numeric[:-1] & (owners[1:] == owners[:-1])
    listed[listed] = natural[owners[listed]] | measures[listed] | ~known.short[at[listed]]
    listed |= _denied(cut.words)
    loose = _digest(values, listed | numeric | sign | identifier, cut.lengths, written)
    meaningful = ~_among(hashes, known.plain)
    counts = np.bincount(owners[meaningful], minlength=len(cut.lengths))
    has_stop_words = small & (share(hashes[meaningful], known.stop, counts) >= meaning.NATURAL)
    critical = np.where(has_stop_words[owners], meaningful, listed | numeric | sign | symbol | identifier)
    return loose, np.where(small, _digest(values, critical, cut.lengths, written), loose)


def share(hashes, of, lengths):
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owners[_among(hashes, of)], minlength=len(lengths)) / np.maximum(lengths, 1)


@given(TEXTS)
def test_the_critical_words_are_those_of_every_word(texts):
    column = plain(pa.array(texts, pa.string()))
    cut, written = words(column, cased=True), as_written(column)
    for found, expected in zip(digests(cut, written), of_every_word(cut, written), strict=True):
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("sign", SEPARATORS)
def test_normalisation_leaves_a_separator(sign):
    for text in (f"a{sign}b", f"5 {sign} m", f"'{sign}"):
        assert unicodedata.normalize("NFKC", text) == text
