"""
Near duplicates between two runs: added rows that are almost equal to removed ones.

MinHash over word trigrams with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
3.4): 128 permutations in 32 bands of 4 miss a pair with a Jaccard similarity of 0.8 with a probability
of 10^-7.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from rensa import RMinHash, RMinHashLSH

from datagen.report.rows import final_parts
from datagen.run.folder import Run
from datagen.store.parquet import read_part

MIN_SIMILARITY = 0.8
PERMUTATIONS, BANDS, SEED, WORDS = 128, 32, 1, 3


def near_duplicates(old: Run, removed: list[str], new: Run, added: list[str]) -> dict[str, str]:
    """
    Find the added rows of a run that are near duplicates of removed ones.

    Parameters
    ----------
    old, removed
        The earlier run, and ids of its rows that the later run lacks.
    new, added
        The later run, and ids of its rows that the earlier run lacks.

    Returns
    -------
    Id of the new row -> id of the old one.
    """
    if not removed or not added:
        return {}
    index = RMinHashLSH(MIN_SIMILARITY, PERMUTATIONS, BANDS)
    sketches: list[RMinHash] = []
    names: list[str] = []
    for name, text in _texts(old, removed):
        sketches.append(_sketch(text))
        index.insert(len(names), sketches[-1])
        names.append(name)
    duplicates = {}
    for name, text in _texts(new, added):
        sketch = _sketch(text)
        candidates = [(sketch.jaccard(sketches[at]), at) for at in index.query(sketch)]
        if candidates and max(candidates)[0] >= MIN_SIMILARITY:
            duplicates[name] = names[max(candidates)[1]]
    return duplicates


def _texts(run: Run, ids: list[str]) -> Iterator[tuple[str, str]]:
    """Yield id and text of the rows with these ids."""
    wanted = pa.array(ids, pa.string())
    for path in final_parts(run):
        table = read_part(path, ["id", "question", "answer", "text"])
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            yield row["id"], row["text"] or f"{row['question'] or ''} {row['answer'] or ''}"


def _sketch(text: str) -> RMinHash:
    words = text.casefold().split()
    sketch = RMinHash(PERMUTATIONS, SEED)
    sketch.update([" ".join(words[at : at + WORDS]) for at in range(max(len(words) - WORDS + 1, 1))])
    return sketch
