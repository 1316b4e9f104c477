"""
The stages without a model on a large corpus, compared with datatrove for the steps that both have.

``python -m benchmarks.corpus us-code.jsonl.gz --documents 1000000 --datatrove-python PATH``

The documents are recombined sentences of a real corpus, about 1,000 characters each, as JSON lines. A recipe
runs ingest, chunk, both dedups, both decontaminations, mine, measure, curate, mix and handoff on them. The
time of each stage is from its ``stage.json``; memory is sampled over all processes (shared pages divided),
and both the sum and the largest process are reported.

datatrove reads the same files, applies Gopher's quality rules, finds near-duplicates by MinHash and writes
JSON lines, on as many cores. It is compared with ingest, quality (the same rules), chunk and
dedup_passages (which needs chunk).

The figures come last, as one line of JSON. ``--quick``: 20,000 documents.
"""

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import yaml

from benchmarks import add_quick
from benchmarks.memory import Finished, run_measured
from datagen.stages.shared.segment.sentences import is_sentence, split_sentences, unwrap
from datagen.store.record import StageRecord

CHARACTERS = 1_000  # of a document
FILES = 40
ITEMS = 20  # of the evaluation set, each a sentence
PEERS = Path(__file__).with_name("dedup_peers.py")
STAGES = (
    "ingest chunk dedup_passages decontaminate_passages mine measure curate dedup decontaminate mix handoff"
)
SAME_WORK = ("ingest", "quality", "chunk", "dedup_passages")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, help="JSON lines, gzipped: id, title and text")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--datatrove-python", type=Path, help="an interpreter with datatrove")
    parser.add_argument("--scratch", type=Path, help="folder for the files; 6 GB for a million documents")
    add_quick(parser, documents=20_000)
    options = parser.parse_args()
    count = options.documents
    sentences = read_sentences(options.corpus)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        folder = Path(scratch)
        size = write_documents(folder / "jsonl", sentences, count)
        figures: dict[str, object] = {"documents": count, "mb": round(size / 1e6)} | ours(
            folder, sentences, STAGES.split()
        )
        print(json.dumps(figures), file=sys.stderr, flush=True)  # kept if the comparison fails
        if options.datatrove_python:
            figures |= beside_datatrove(folder, sentences, options.datatrove_python)
    print(json.dumps(figures))


def read_sentences(path: Path) -> list[str]:
    """Read the sentences of prose in the corpus."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    spans = (unwrap(text[start:end]) for text in texts for start, end in split_sentences(text))
    return sorted({span for span in spans if is_sentence(span)})


def documents(sentences: Sequence[str], count: int) -> Iterator[dict[str, str]]:
    """Recombine sentences, drawn with a fixed seed; every third one starts a paragraph."""
    draw = random.Random(0)
    for number in range(count):
        text = ""
        while len(text) < CHARACTERS:
            text += draw.choice(sentences) + draw.choice((" ", " ", "\n\n"))
        yield {"id": str(number), "title": f"Section {number}", "text": text.rstrip()}


def write_documents(folder: Path, sentences: Sequence[str], count: int) -> int:
    """Write the documents; return their size in bytes."""
    folder.mkdir()
    paths = [folder / f"{number:05}.jsonl" for number in range(FILES)]
    files = [path.open("w", encoding="utf-8") for path in paths]
    for number, document in enumerate(documents(sentences, count)):
        files[number * FILES // count].write(json.dumps(document, ensure_ascii=False) + "\n")
    for file in files:
        file.close()
    return sum(path.stat().st_size for path in paths)


def ours(folder: Path, sentences: Sequence[str], stages: Sequence[str]) -> dict[str, object]:
    """Run our stages in a separate process; return seconds by stage and memory."""
    finished, records = run_recipe(folder, sentences, stages)
    seconds = {record["stage"]: record["seconds"] for record in records}
    return {
        "seconds": round(sum(seconds.values()), 1),
        "peak_mib": finished.peak_mib,
        "largest_mib": finished.largest_mib,
        "stages": seconds,
        "rows": {record["stage"]: record["rows_out"] for record in records},
    }


def run_recipe(
    folder: Path, sentences: Sequence[str], stages: Sequence[str]
) -> tuple[Finished, list[StageRecord]]:
    """Run a recipe of these stages over the folder's documents; return the records of the stages."""
    name = "-".join(("corpus", str(len(stages))))
    items = random.Random(1).sample(sentences, ITEMS)
    items_file = folder / "items.jsonl"
    items_file.write_text("".join(json.dumps({"question": item}) + "\n" for item in items))
    against = {"against": [str(items_file)]}
    options = {"decontaminate_passages": against, "decontaminate": against, "quality": {"drop": True}}
    recipe = {
        "name": name,
        "corpus": [{"path": str(folder / "jsonl")}],
        "stages": {stage: options.get(stage, {}) for stage in stages},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    finished = run_measured([sys.executable, "-m", "datagen", "run", str(path)])
    run = folder / "outputs" / name / "latest"
    return finished, [json.loads((run / "stages" / stage / "stage.json").read_bytes()) for stage in stages]


def beside_datatrove(folder: Path, sentences: Sequence[str], python: Path) -> dict[str, object]:
    """Run datatrove and the corresponding stages; return both times and their ratio."""
    cores = psutil.cpu_count() or 1
    started = time.monotonic()
    peer = run_measured([str(python), str(PEERS), "datatrove_quality", str(folder), str(cores)])
    elapsed = time.monotonic() - started
    _, records = run_recipe(folder, sentences, SAME_WORK)
    seconds = sum(record["seconds"] for record in records)
    return {
        "datatrove_seconds": round(float(peer.output.split()[-1]), 1),
        "datatrove_seconds_with_start": round(elapsed, 1),
        "datatrove_peak_mib": peer.peak_mib,
        "same_work_seconds": round(seconds, 1),
        "vs_datatrove": round(float(peer.output.split()[-1]) / seconds, 2),
    }


if __name__ == "__main__":
    main()
