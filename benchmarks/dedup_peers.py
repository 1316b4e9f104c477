"""
The other tools of the benchmark dedup. Each runs in its own interpreter, without datagen.

``python benchmarks/dedup_peers.py datatrove FOLDER WORKERS`` reads FOLDER/jsonl, writes the ids that it kept
to FOLDER/kept, and prints the seconds last.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def datatrove_quality(folder: Path, workers: int) -> Iterator[str]:
    """Run datatrove's quality filters before its deduplication."""
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

    return datatrove(folder, workers, (GopherRepetitionFilter(), GopherQualityFilter()))


def datatrove(folder: Path, workers: int, before: Sequence[object] = ()) -> Iterator[str]:
    """Run datatrove's four MinHash steps as in its example, with its defaults, after these filters."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter

    config, work = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8), folder / "datatrove"

    def step(tasks: int, *pipeline: object) -> None:
        logs = work / f"logs-{len(list(work.glob('logs-*')))}"
        LocalPipelineExecutor(list(pipeline), tasks=tasks, workers=workers, logging_dir=str(logs)).run()

    work.mkdir()
    reader = JsonlReader(str(folder / "jsonl"))
    signatures, buckets, removed = (str(work / name) for name in ("signatures", "buckets", "removed"))
    step(workers, reader, *before, MinhashDedupSignature(signatures, config=config))
    step(config.num_buckets, MinhashDedupBuckets(signatures, buckets, config=config))
    step(1, MinhashDedupCluster(buckets, removed, config=config))
    out = JsonlWriter(str(work / "out"), compression=None)
    step(workers, reader, *before, MinhashDedupFilter(removed), out)
    return (json.loads(line)["id"] for path in (work / "out").glob("*.jsonl") for line in path.open())


def data_juicer(folder: Path, workers: int) -> Iterator[str]:
    """Run data-juicer's operator, with words split as in the other tools and the permutations of datagen."""
    from data_juicer.core import NestedDataset
    from data_juicer.ops.deduplicator import DocumentMinhashDeduplicator
    from datasets import load_dataset

    files = sorted(map(str, (folder / "jsonl").glob("*.jsonl")))
    cache = str(folder / "data_juicer")
    documents = NestedDataset(load_dataset("json", data_files=files, split="train", cache_dir=cache))
    operator = DocumentMinhashDeduplicator(
        tokenization="space",
        window_size=5,
        ignore_pattern=r"\p{P}",
        num_permutations=128,
        jaccard_threshold=0.7,
        num_proc=workers,
    )
    kept = operator.run(documents)
    kept.to_json(str(folder / "data_juicer.jsonl"))
    return iter(kept["id"])


def main() -> None:
    """Run the tool named in the arguments."""
    peers: dict[str, Callable[[Path, int], Iterator[str]]] = {
        "datatrove": datatrove,
        "datatrove_quality": datatrove_quality,
        "data_juicer": data_juicer,
    }
    peer, folder, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    started = time.monotonic()
    kept = peers[peer](folder, workers)
    seconds = time.monotonic() - started
    (folder / "kept").write_text("\n".join(kept))
    print(seconds)


if __name__ == "__main__":
    main()
