"""
Cost of the completion store by its number of keys: append, write segments, merge and look up.

``python -m benchmarks.completions --keys 10_000_000``

The store is built like that of a first run and later refreshes, with the same code. To save minutes, only one
partition goes through a journal. Then partitions of 2,000 requests are joined with the store: one requested
before, one that is new, and the worst case with keys from anywhere in the store. Figures are microseconds per
request, with the files in the page cache; the last line is JSON.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks import add_quick
from datagen.request import Completion
from datagen.schema import content_id
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from datagen.store.segments import SCHEMA, write_segment

PARTITION = 2_000  # requests per partition
STAGE = 500_000  # completions per stage of the first run
NIGHT = 10_000  # completions per refresh
NIGHTS = 20
TOKENS = 60  # tokens per answer, each with a log probability
ROUNDS = 5  # repetitions; the best counts


def main() -> None:
    """Build a store, join with it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000, help="completions in the store")
    parser.add_argument("--folder", type=Path, help="folder for the store; default: a temporary one")
    add_quick(parser, keys=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = Completions(Path(folder))
        figures = {"keys": options.keys, **append(store), **grow(store, options.keys)}
        figures |= {"build_peak_mib": peak(), **join(store, options.keys), "peak_mib": peak()}
    print(json.dumps(figures))


def append(store: Completions) -> dict[str, float]:
    """Time one partition's journal, and remove it."""
    rows = completions(-PARTITION, PARTITION).to_pylist()
    answers = [
        Completion(**row | {name: tuple(row[name]) for name in ("logprobs", "choices")}) for row in rows
    ]
    journal = Journal(store.folder, "shard")

    def write() -> None:
        for answer in answers:
            journal.append(answer)

    appending = best(1, write)
    journal.close()
    settling = best(1, lambda: store.settle_one(journal.path))
    shutil.rmtree(store.folder)
    store.folder.mkdir()
    return {"append_us": appending, "settle_us": settling}


def grow(store: Completions, keys: int) -> dict[str, float]:
    """Fill the store like a first run and refreshes: one segment per partition, merged as they arrive."""
    nights = min(NIGHTS, keys // (2 * NIGHT))
    first = keys - nights * NIGHT
    stages = [STAGE] * (first // STAGE) + [first % STAGE] * (first % STAGE > 0) + [NIGHT] * nights
    at, merging = 0, 0.0
    for size in stages:
        end = at + size
        for start in range(at, end, PARTITION):
            path = store.folder / f"segment-{content_id(str(start))}.parquet"
            write_segment(path, [completions(start, min(PARTITION, end - start))])
            merging += seconds(store.merge)
        merging += seconds(store.settle)
        at = end
        print(f"{at:,} keys in {len(store.segments())} segments", file=sys.stderr)
    segments = store.segments()
    index = sum(segment.keys_path.stat().st_size for segment in segments)
    return {
        "segments": len(segments),
        "bytes_a_key": round(sum(path.stat().st_size for path in store.folder.iterdir()) / keys),
        "of_that_index": round(index / keys, 1),
        "merge_us": round(merging / keys * 1e6, 1),
    }


def join(store: Completions, keys: int) -> dict[str, float]:
    """Join partitions with the store."""
    draw = np.random.default_rng(0)
    partitions = {
        "before": np.arange(PARTITION) + draw.integers(keys - PARTITION),
        "new": np.arange(PARTITION) + keys,
        "anywhere": draw.integers(keys, size=PARTITION),
    }
    figures = {}
    for name, numbers in partitions.items():
        wanted = names(numbers)
        absent = PARTITION if name == "new" else 0
        assert store.missing(wanted).true_count == absent
        figures[f"missing_{name}_us"] = best(ROUNDS, partial(store.missing, wanted))
        if not absent:
            figures[f"find_{name}_us"] = best(ROUNDS, partial(store.find, wanted.to_pylist()))
    assert not store.damage
    return figures


def names(numbers: np.ndarray) -> pa.Array:
    """Return the keys of numbered requests."""
    return pa.array([content_id(str(number)) for number in numbers.tolist()])


def texts() -> Iterator[str]:
    """Generate answers that compress about as well as prose."""
    draw = np.random.default_rng(0)
    words = ["".join(map(chr, draw.integers(97, 123, size))) for size in draw.integers(1, 10, 2000)]
    for line in draw.zipf(1.2, (20_000, TOKENS)) % len(words):
        yield " ".join(words[word] for word in line)


TEXTS = pa.array(texts())


def completions(start: int, count: int) -> pa.Table:
    """Generate the completions of a partition."""
    draw = np.random.default_rng(abs(start))
    logprobs = -draw.exponential(1.0, count * TOKENS).astype(np.float32)
    columns = {
        "key": names(np.arange(start, start + count)),
        "text": TEXTS.take(draw.integers(len(TEXTS), size=count)),
        "finish": ["stop"] * count,
        "model": ["a-model-with-a-name"] * count,
        "revision": ["12fd25f77366fa6b3b4b768ec3050bf629380bac"] * count,
        "prompt_tokens": draw.integers(100, 900, count),
        "cached_tokens": draw.integers(0, 100, count),
        "completion_tokens": np.full(count, TOKENS),
        "logprobs": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * TOKENS, logprobs),
        "choices": [[]] * count,
        "error": [""] * count,
    }
    return pa.table(columns, schema=SCHEMA)


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of a function, which other processes do not affect."""
    started = time.process_time()
    work()
    return time.process_time() - started


def best(rounds: int, work: Callable[[], object]) -> float:
    """Return the best CPU time of several runs, in microseconds per request of a partition."""
    return round(min(seconds(work) for _ in range(rounds)) / PARTITION * 1e6, 1)


def peak() -> int:
    """Return the peak memory of the process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
