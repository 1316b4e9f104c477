"""
The stage dedup compared with datatrove and data-juicer, on documents with planted near-duplicates.

``python -m benchmarks.dedup --datatrove-python PATH --data-juicer-python PATH``

A fifth of the documents are copies of others with 1, 2, 5 or 10 % of their words replaced, removed or added.
All tools search for documents with a Jaccard similarity of 0.7 over 5-word shingles, on the same cores. Each
runs in separate processes and is timed from the first document read to the last one written. The results are
compared with exact similarities, computed here from Python sets of shingles:

* recall: share of the planted pairs above the threshold of which one document was removed;
* false removals: removed documents without a kept document above the threshold.

Peak memory is summed over all processes of a tool, with shared pages counted once. Install the other tools
separately: ``pip install datatrove[io,processing] spacy`` and ``pip install py-data-juicer``.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import add_quick
from benchmarks.memory import run_measured
from datagen.schema import EXAMPLES, table_of
from datagen.store.parquet import part_name, parts, read_part, write_table

THRESHOLD, SHINGLE = 0.7, 5
BLOCK = 10_000  # documents
COPIES = 2_000  # of them
RATES = (0.01, 0.02, 0.05, 0.1)  # of a copy's words that are edited
LENGTHS = (110, 160)  # words of an original
VOCABULARY = 50_000
PEERS = Path(__file__).with_name("dedup_peers.py")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Documents: all words in one array, the number of words of each, and the original of each copy."""

    words: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    def texts(self) -> pa.StringArray:
        """Write the documents."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(ends, vocabulary().take(pa.array(self.words))), " ")


@cache
def vocabulary() -> pa.StringArray:
    """Invent words; each has a form for the start of a sentence and one for its end."""
    draw = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    lengths = draw.integers(2, 10, VOCABULARY)
    plain = ["".join(draw.choice(letters, length)) for length in lengths]
    return pa.array([*plain, *(word.capitalize() for word in plain), *(f"{word}." for word in plain)])


def originals(number: int) -> Block:
    """Generate the originals of a block: sentences of frequent and rare words."""
    draw = np.random.default_rng([1, number])
    lengths = draw.integers(*LENGTHS, BLOCK - COPIES)
    words = (VOCABULARY * draw.random(lengths.sum()) ** 3).astype(np.int64)
    place = np.arange(len(words)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Block(words + VOCABULARY * ((place % 12 == 0) + 2 * (place % 12 == 11)), lengths)


def copies(number: int, of: Block) -> tuple[Block, npt.NDArray[np.int64]]:
    """Copy and edit documents of another block; return the copies and their originals."""
    draw = np.random.default_rng([2, number])
    chosen = np.sort(draw.integers(0, len(of.lengths), COPIES))
    lengths = of.lengths[chosen]
    starts = np.repeat((np.cumsum(of.lengths) - of.lengths)[chosen], lengths)
    words = of.words[starts + np.arange(len(starts)) - np.repeat(np.cumsum(lengths) - lengths, lengths)]
    rate = np.repeat(draw.choice(RATES, COPIES), lengths)
    edit = np.where(draw.random(len(words)) < rate, draw.choice([1, 1, 1, 2, 3], len(words)), 0)
    other = draw.integers(0, VOCABULARY, len(words))
    words = np.where(edit == 1, other, words)  # replaced
    times = np.select([edit == 2, edit == 3], [0, 2], 1)  # left out, and a word added before
    owner = np.repeat(np.repeat(np.arange(COPIES), lengths), times)
    edited = np.repeat(words, times)
    added = np.flatnonzero(np.repeat(edit == 3, times))[::2]
    edited[added] = np.repeat(other, times)[added]
    return Block(edited, np.bincount(owner, minlength=COPIES)), chosen


def block(number: int, blocks: int) -> tuple[pa.StringArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """
    Write a block of documents: its originals, then copies of documents of another block.

    Returns
    -------
    texts, ids, of
        The documents in the order in which the tools read them, their ids, and the ids of the originals.
    """
    other = (number + blocks // 2) % blocks
    mine, source = originals(number), originals(other)
    copied, chosen = copies(number, source)
    texts = pa.concat_arrays([mine.texts(), copied.texts()])
    order = np.random.default_rng([3, number]).permutation(BLOCK)
    ids = number * BLOCK + np.arange(BLOCK)
    return texts.take(pa.array(order)), ids[order], other * BLOCK + chosen


def write_corpus(folder: Path, documents: int) -> None:
    """Write the documents as a table of reading texts, and as JSON lines for the other tools."""
    blocks = documents // BLOCK
    (folder / "jsonl").mkdir(parents=True)
    for number in range(blocks):
        texts, ids, _ = block(number, blocks)
        names = [f"{one:08d}" for one in ids.tolist()]
        rows = [
            {"id": name, "kind": "reading", "task": "planted", "text": text}
            for name, text in zip(names, texts.to_pylist(), strict=True)
        ]
        write_table(table_of(EXAMPLES, rows), folder / "examples" / part_name(number))
        with (folder / "jsonl" / f"{number:05d}.jsonl").open("w") as file:
            file.writelines(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in rows)


def measure(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a tool, which writes the kept ids to ``kept`` in the folder and prints its seconds last."""
    finished = run_measured(command)
    kept = np.array((folder / "kept").read_text().split(), np.int64)
    return {"seconds": float(finished.output.split()[-1]), "peak_mib": finished.peak_mib, "kept": kept}


def judge(kept: npt.NDArray[np.int64], documents: int) -> dict[str, float]:
    """Compare the documents that a tool kept with the planted pairs."""
    stays = np.zeros(documents, bool)
    stays[kept] = True
    found = planted = false = 0
    blocks = documents // BLOCK
    for number in range(blocks):
        for family in families(number, blocks, stays):
            for copy in range(1, len(family.ids)):
                alike = jaccard(family.texts[0], family.texts[copy]) >= THRESHOLD
                planted += alike
                found += alike and not (family.stays[0] and family.stays[copy])
            for gone in np.flatnonzero(~family.stays):
                rest = np.flatnonzero(family.stays)
                false += not any(
                    jaccard(family.texts[gone], family.texts[other]) >= THRESHOLD for other in rest
                )
    return {"recall": round(found / planted, 4), "false_removals": int(false), "planted": planted}


@dataclass(frozen=True)
class Family:
    """A document and its copies: ids, shingles, and which were kept."""

    ids: list[int]
    texts: list[frozenset[tuple[str, ...]]]
    stays: Bools


def families(number: int, blocks: int, stays: Bools) -> Iterator[Family]:
    """Yield the documents that a block copies, and removed documents of the block that have no copy."""
    texts, ids, of = block(number, blocks)
    text_of = dict(zip(ids.tolist(), texts.to_pylist(), strict=True))
    other, other_ids, _ = block(int(of[0]) // BLOCK, blocks)
    text_of |= dict(zip(other_ids.tolist(), other.to_pylist(), strict=True))
    first = number * BLOCK + BLOCK - COPIES
    members: dict[int, list[int]] = {}
    for place, original in enumerate(of.tolist()):
        members.setdefault(original, [original]).append(first + place)
    start = int(of[0]) // BLOCK * BLOCK
    for lonely in range(start, start + BLOCK - COPIES):
        if lonely not in members and not stays[lonely]:
            members[lonely] = [lonely]
    for family in members.values():
        yield Family(family, [runs(text_of[one]) for one in family], stays[family])


def runs(text: str) -> frozenset[tuple[str, ...]]:
    """Return the shingles of a text."""
    words = text.lower().replace(".", "").split()
    return frozenset(zip(*(words[step:] for step in range(SHINGLE)), strict=False))


def jaccard(one: frozenset[object], other: frozenset[object]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(one & other) / len(one | other)


def run_ours(folder: Path, workers: int) -> None:
    """Run the stage as in a run, on an open cluster; print the seconds."""
    from datagen.cluster.local import local_cluster
    from datagen.run.tasks import Job, run_whole
    from datagen.stage import Context
    from datagen.stages.filter.dedup import stage

    out = folder / "out"
    options = stage.options.model_validate({"threshold": THRESHOLD})
    job = Job("dedup", stage, options, Context("dedup", run_folder=folder), out)
    out.mkdir()
    with local_cluster(folder, workers, engine=False) as client:
        client.wait_for_workers(workers)
        started = time.monotonic()
        client.submit(run_whole, job, [(path,) for path in parts(folder / "examples")]).result()
        seconds = time.monotonic() - started
    ids = [one for path in parts(out) for one in read_part(path, ["id"])["id"].to_pylist()]
    (folder / "kept").write_text("\n".join(ids))
    print(seconds)


def compare(documents: int, options: argparse.Namespace, peers: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Run each tool on the same number of documents, one after another."""
    figures = {}
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        write_corpus(folder, documents)
        ours = [sys.executable, "-m", "benchmarks.dedup", "--child", str(folder)]
        commands = {"datagen": [*ours, "--workers", str(options.workers)]}
        for peer, python in peers.items():
            commands[peer] = [str(python), str(PEERS), peer, str(folder), str(options.workers)]
        for tool, command in commands.items():
            measured = measure(command, folder)
            figures[tool] = measured | judge(measured.pop("kept"), documents)
            print(json.dumps({tool: figures[tool] | {"documents": documents}}), file=sys.stderr)
    return figures


def main() -> None:
    """Run the benchmark; the figures come last, as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="documents for all tools")
    parser.add_argument("--large", type=int, default=1_000_000, help="documents for dedup alone; 0: none")
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(), help="processes per tool")
    parser.add_argument("--datatrove-python", type=Path, help="an interpreter with datatrove")
    parser.add_argument("--data-juicer-python", type=Path, help="an interpreter with data-juicer")
    parser.add_argument("--scratch", type=Path, help="folder for the documents; about 4 GB for a million")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    add_quick(parser, documents=20_000, large=0)
    options = parser.parse_args()
    if options.child:
        return run_ours(options.child, options.workers)
    given = {"datatrove": options.datatrove_python, "data_juicer": options.data_juicer_python}
    peers = {peer: python for peer, python in given.items() if python}
    measured = compare(options.documents, options, peers)
    ours = measured["datagen"]
    figures = {name: ours[name] for name in ("seconds", "peak_mib", "recall", "false_removals")}
    for peer in peers:
        figures[f"vs_{peer}"] = round(measured[peer]["seconds"] / ours["seconds"], 2)
        figures[f"recall_{peer}"] = measured[peer]["recall"]
        figures[f"false_removals_{peer}"] = measured[peer]["false_removals"]
    if options.large:
        large = compare(options.large, options, {})["datagen"]
        figures["growth"] = round(large["seconds"] / ours["seconds"], 2)
        figures |= {name: large[name] for name in ("peak_mib",)}
        figures |= {f"{name}_large": large[name] for name in ("seconds", "recall", "false_removals")}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
