"""
Words that a paraphrase must keep: names, numbers, symbols and negations.

"The fee is due in May" and "The fee is due in June" are close in any embedding space, but are not
paraphrases. Pairs that embeddings find similar are therefore checked by these words.
"""

import re
from functools import cache

import pyarrow as pa

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.language.joined import all_negations
from datagen.stages.shared.similarity.critical_words import listed_negations, numerals

# A name is capitalised inside a sentence; scripts without case have no names.
NAME = re.compile(r"(?<=[^\W_][,;:)]\s)[^\W\d_a-z]\w+|(?<=[^\W_]\s)[^\W\d_a-z]\w+")
TELLING = re.compile(r".*[^\w].*|.*\d.*")


@cache
def negations() -> frozenset[str]:
    """Join the negations of all languages."""
    return all_negations() | listed_negations()


def subjects(texts: pa.Array | pa.ChunkedArray) -> list[frozenset[str]]:
    """
    Return for each text of a column the words, in lower case, that a paraphrase of it must contain.

    Negations and numerals of all languages count, because the compared text may be from another set whose
    language is unknown. A numeral is listed as its digits, except for one, which is also a pronoun.
    """
    cut, denying = words(texts), negations()
    digits = {word: number for word, number in numerals().items() if number != "1"}
    ends = cut.lengths.cumsum().tolist()
    all_words = cut.words.to_pylist()
    starts = [0, *ends[:-1]]
    return [
        frozenset(
            digits.get(word, word)
            for word in all_words[start:end]
            if word in denying or word in digits or TELLING.fullmatch(word)
        )
        | frozenset(name.casefold() for name in NAME.findall(text or "") if name[0].isupper())
        for start, end, text in zip(starts, ends, texts.to_pylist(), strict=True)
    ]
