"""
Near duplicates between two runs: rows that came in place of rows that went, and say nearly the same.

MinHash over word trigrams with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
3.4): 128 permutations in 32 bands of 4 find pairs of a Jaccard similarity of 0.8 with a probability of 1 in
all but 10^-7 of cases.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from rensa import RMinHash, RMinHashLSH

from datagen.run.folder import Run
from datagen.store.parquet import parts, read_part

LEAST = 0.8  # similarity
PERMUTATIONS, BANDS, SEED, WORDS = 128, 32, 1, 3


def near_duplicates(old: Run, gone: list[str], new: Run, come: list[str]) -> dict[str, str]:
    """
    Find the rows of a run that nearly repeat one that it no longer has.

    Parameters
    ----------
    old, gone
        The earlier run, and ids of its rows that the later one lacks.
    new, come
        The later run, and ids of its rows that the earlier one lacks.

    Returns
    -------
    Id of the new row -> id of the old one.
    """
    if not gone or not come:
        return {}
    index = RMinHashLSH(LEAST, PERMUTATIONS, BANDS)
    sketches: list[RMinHash] = []
    names: list[str] = []
    for name, text in _texts(old, gone):
        sketches.append(_sketch(text))
        index.insert(len(names), sketches[-1])
        names.append(name)
    found = {}
    for name, text in _texts(new, come):
        mine = _sketch(text)
        likely = [(mine.jaccard(sketches[at]), at) for at in index.query(mine)]
        if likely and max(likely)[0] >= LEAST:
            found[name] = names[max(likely)[1]]
    return found


def _texts(run: Run, ids: list[str]) -> Iterator[tuple[str, str]]:
    """Read what the rows with these ids say."""
    made = [record for record in run.stage_records() if record.get("gives") == "examples"]
    wanted = pa.array(ids, pa.string())
    for path in parts(run.stage_folder(made[-1]["stage"])) if made else []:
        table = read_part(path, ["id", "question", "answer", "text"])
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            yield row["id"], row["text"] or f"{row['question'] or ''} {row['answer'] or ''}"


def _sketch(text: str) -> RMinHash:
    words = text.casefold().split()
    sketch = RMinHash(PERMUTATIONS, SEED)
    sketch.update([" ".join(words[at : at + WORDS]) for at in range(max(len(words) - WORDS + 1, 1))])
    return sketch
