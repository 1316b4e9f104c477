"""
What tells two texts apart that are near each other as vectors: their names, numbers, signs and negations.

"The fee is due in May" and "The fee is due in June" are neighbours in any space of embeddings and are no
paraphrases of each other. So what vectors find alike is checked by the words that a paraphrase must keep.
"""

import re

import pyarrow as pa

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.language.rules import all_negations
from datagen.stages.shared.similarity.meaning import listed_negations, numerals

# A name is written with a capital where no sentence opens; scripts without case have none.
NAME = re.compile(r"(?<=[^\W_][,;:)]\s)[^\W\d_a-z]\w+|(?<=[^\W_]\s)[^\W\d_a-z]\w+")
TELLING = re.compile(r".*[^\w].*|.*\d.*")


def subjects(texts: pa.Array | pa.ChunkedArray) -> list[frozenset[str]]:
    """
    List for each text of a column, in lower case, the words that a paraphrase of it must have.

    Negations and numerals are those of all languages: what is compared may be an item of another set, whose
    language is not known. A numeral is listed as its digits, except for one, which is a pronoun, too.
    """
    cut, negations = words(texts), all_negations() | listed_negations()
    digits = {word: number for word, number in numerals().items() if number != "1"}
    ends = cut.lengths.cumsum().tolist()
    said = cut.words.to_pylist()
    starts = [0, *ends[:-1]]
    return [
        frozenset(
            digits.get(word, word)
            for word in said[start:end]
            if word in negations or word in digits or TELLING.fullmatch(word)
        )
        | frozenset(name.casefold() for name in NAME.findall(text or "") if name[0].isupper())
        for start, end, text in zip(starts, ends, texts.to_pylist(), strict=True)
    ]
