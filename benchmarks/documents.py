"""
Ingest and chunk on real corpora, and on several copies of them.

    python -m benchmarks.documents us-code.jsonl.gz postgresql-15-html.tar.gz FOLDER_OF_PDFS --times 1 10

Each path is a separate corpus. Copies differ only in their names. For each corpus and number of copies, a
line of JSON: files, documents and passages; MB of text; CPU seconds of all processes and seconds by stage;
the largest process in MiB. A corpus ten times as large should take ten times as long in the same memory.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks import add_quick
from benchmarks.memory import run_measured


def main() -> None:
    """Run the stages on each corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10], help="copies of each corpus")
    parser.add_argument("--exclude", nargs="*", default=[], help="globs of files to exclude")
    parser.add_argument("--scratch", type=Path, help="folder for the copies")
    add_quick(parser, times=[1])
    options = parser.parse_args()
    measured: dict[str, dict[str, object]] = {}
    for corpus in options.corpora:
        for times in options.times:
            with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
                copy(corpus, Path(scratch) / "files", times)
                figures = measure(Path(scratch), options.exclude)
            print(corpus.name, times, figures, file=sys.stderr, flush=True)
            measured.setdefault(corpus.name, {})[str(times)] = figures
    print(json.dumps(measured))


def copy(corpus: Path, folder: Path, times: int) -> None:
    """Copy a file or folder several times."""
    for number in range(times):
        place = folder / str(number)
        if corpus.is_dir():
            shutil.copytree(corpus, place)
        else:
            place.mkdir(parents=True)
            shutil.copy(corpus, place)


def measure(folder: Path, exclude: list[str]) -> dict[str, Any]:
    """Run ingest and chunk on a folder's ``files``."""
    recipe = folder / "documents.yaml"
    corpus = {"path": "files", "exclude": exclude}
    recipe.write_text(
        yaml.safe_dump(
            {"name": "documents", "corpus": [corpus], "stages": {"ingest": {}, "chunk": {}}}, sort_keys=False
        )
    )
    before = processor_seconds()
    finished = run_measured([sys.executable, "-m", "datagen", "run", str(recipe)])
    spent = processor_seconds() - before
    stages = folder / "outputs" / "documents" / "latest" / "stages"
    records = {name: json.loads((stages / name / "stage.json").read_bytes()) for name in ("ingest", "chunk")}
    megabytes = sum(texts(stages / "ingest")) / 1e6
    return {
        "files": sum(path.is_file() for path in (folder / "files").rglob("*")),
        "documents": records["ingest"]["rows_out"],
        "passages": records["chunk"]["rows_out"],
        "mb": round(megabytes, 1),
        "processor_seconds": round(spent, 1),
        "mb_per_processor_second": round(megabytes / spent, 2),
        "seconds": {name: round(record["seconds"], 1) for name, record in records.items()},
        "largest_mib": finished.largest_mib,
        "all_mib": finished.peak_mib,
    }


def texts(stage: Path) -> Iterator[int]:
    """Yield the bytes of text in each part of a stage."""
    for part in sorted(stage.glob("part-*.parquet")):
        column = pq.read_table(part, columns=["text"])["text"]
        yield pc.sum(pc.binary_length(column)).as_py() or 0


def processor_seconds() -> float:
    """Return the processor time of all processes that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
