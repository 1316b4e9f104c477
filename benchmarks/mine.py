"""
The stage mine compared with AdaptLLM's public code, on the same documents and one core.

``python -m benchmarks.mine PATH_TO_LMOPS --corpus us-code.jsonl.gz``

The reference is a checkout of microsoft/LMOps: its code (adaptllm/raw2read.py) is imported and run as by its
command, one document after the other; it needs the packages pysbd, sentencepiece and tqdm. Its domain
vocabulary is trained on the corpus; its general vocabulary is part of the checkout. It is compared with the
stage mine on the passages that the stage chunk cuts from the same documents. Each runs in a separate process
on the same core. They alternate between shares of the corpus and are measured in CPU time, so that load on
the machine affects both. Start-up and the training of the reference's vocabulary are not timed.

The last line of output is JSON: ``vs_reference`` (documents per second, ratio), the same including the time
of chunk, and ``exercises_per_document`` of both.
"""

import argparse
import atexit
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from benchmarks import add_quick
from datagen.prompt import load
from datagen.schema import DOCUMENTS, fraction, table_of
from datagen.stage import Context, Partitions
from datagen.stages.reading.mine import stage as mine
from datagen.stages.reading.mine.choice import exercises_of
from datagen.stages.reading.mine.language import read
from datagen.stages.reading.mine.options import Options
from datagen.stages.reading.mine.vocabulary import count_runs, domain_words, total
from datagen.stages.sources.chunk import stage as chunk

SHARES = 4  # of the corpus, between which the two alternate
VOCABULARY = 16_000  # pieces of the reference's domain vocabulary

Document = dict[str, str]
Work = Callable[[int], Counter[str]]  # mines a share, counts exercises by type

_side: Work  # of a worker process


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("reference", type=Path, help="a checkout of microsoft/LMOps")
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines, gzipped: id, title and text")
    parser.add_argument("--documents", type=int, help="at most; default: all")
    add_quick(parser, documents=400)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    documents = read_documents(options.corpus, options.documents)
    sides = {
        "reference": ("reference", options.reference / "adaptllm"),
        "chunk": ("cut",),
        "mine": ("miner",),
    }
    spent, tasks = dict.fromkeys(sides, 0.0), {name: Counter[str]() for name in sides}
    with ExitStack() as stack:
        workers = {}
        for name, prepare in sides.items():
            worker = ProcessPoolExecutor(
                1, get_context("spawn"), initializer=partial(_prepare, documents, *prepare)
            )
            workers[name] = stack.enter_context(worker)
        for share in range(SHARES):
            for name, worker in workers.items():
                seconds, counts = worker.submit(_work, share).result()
                spent[name] += seconds
                tasks[name] += counts
                print(f"{name}, share {share + 1} of {SHARES}: {seconds:.2f} s", file=sys.stderr)
    per_document = {name: round(tasks[name].total() / len(documents), 2) for name in ("reference", "mine")}
    figures = {
        "documents": len(documents),
        "characters": sum(len(document["text"]) for document in documents),
        "documents_per_second": {name: round(len(documents) / seconds, 1) for name, seconds in spent.items()},
        "vs_reference": round(spent["reference"] / spent["mine"], 1),
        "vs_reference_with_chunk": round(spent["reference"] / (spent["mine"] + spent["chunk"]), 1),
        "exercises_per_document": per_document,
        "tasks": {name: dict(tasks[name].most_common()) for name in ("reference", "mine")},
    }
    print(json.dumps(figures))


def read_documents(path: Path, most: int | None) -> list[Document]:
    """Read up to `most` documents of the corpus, in pseudo-random order."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        documents = sorted(map(json.loads, file), key=lambda document: fraction("benchmark", document["id"]))
    return documents[:most]


def _prepare(documents: Sequence[Document], side: str, *arguments: Any) -> None:
    """Prepare a worker process for one of the two."""
    global _side
    _side = globals()[side](documents, *arguments)


def _work(share: int) -> tuple[float, Counter[str]]:
    started = time.process_time()
    counts = _side(share)
    return time.process_time() - started, counts


def reference(documents: Sequence[Document], folder: Path) -> Work:
    """Load the reference from its folder."""
    sys.path.insert(0, str(folder))
    try:
        import raw2read
        from pysbd import Segmenter
    except ImportError as error:
        sys.exit(f"the reference cannot be imported from {folder}: {error}")
    general = str(folder / "data_samples/general.spm")

    def prepared(name: str, domain: str) -> Any:
        made = raw2read.type_map.cls_dic[name]()
        made.init_spm(general, domain)
        return made

    with tempfile.TemporaryDirectory() as beside:
        domain = _trained(documents, Path(beside))
        miners = {name: prepared(name, domain) for name in raw2read.TYPES}
        overall = prepared("overall", domain)
    formatted, made = overall.format_recomprehension, Counter[str]()

    def counted(entry: Any) -> Any:
        text, counts = formatted(entry)
        for name, count in counts.items():
            made[name] += sum(count.values()) if isinstance(count, dict) else count
        return text, counts

    overall.format_recomprehension = counted
    segmenter = Segmenter(language="en", clean=False)

    def work(share: int) -> Counter[str]:
        made.clear()
        for number in range(share, len(documents), SHARES):
            text = f"{documents[number]['title']}\n{documents[number]['text']}"
            entry = {"text": text, "text_id": number, "file_name": str(number)}
            raw2read.search(entry, overall, segmenter, miners, SimpleNamespace(domain_name="law"))
        return made.copy()

    return work


def _trained(documents: Sequence[Document], folder: Path) -> str:
    """Train the reference's domain vocabulary."""
    import sentencepiece

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(document["text"] for document in documents), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "domain"),
        model_type="bpe",
        vocab_size=VOCABULARY,
        num_threads=1,
        minloglevel=2,
        max_sentence_length=100_000,
    )
    return str(folder / "domain.model")


def _context(stage: str, output: Path = Path()) -> Context:
    return Context(stage, output=output)


def _table(documents: Sequence[Document]) -> pa.Table:
    rows = (
        {"id": d["id"], "source": d["id"], "title": d["title"], "text": d["text"], "language": "en"}
        for d in documents
    )
    return table_of(DOCUMENTS, rows)


def cut(documents: Sequence[Document]) -> Work:
    """Load the stage chunk; its output is not counted."""
    tables = [_table(documents[share::SHARES]) for share in range(SHARES)]

    def work(share: int) -> Counter[str]:
        chunk.apply(tables[share], chunk.options(), _context("chunk"))
        return Counter()

    return work


def miner(documents: Sequence[Document]) -> Work:
    """Load the stage mine, with one partition per share, and a counter of its exercises."""
    tables = [
        chunk.apply(_table(documents[share::SHARES]), chunk.options(), _context("chunk")).kept
        for share in range(SHARES)
    ]
    options, language = Options(), read(load("mined/en"))
    runs = total(count_runs(table["text"]) for table in tables)
    learned = domain_words(runs, language, language.general, options.vocabulary, options.domain_words)
    domain = frozenset(learned)
    counts = [
        Counter(
            exercise.task
            for row in table.to_pylist()
            for exercise in exercises_of(row, language, domain, options, 0)[0]
        )
        for table in tables
    ]

    def reader(table: pa.Table) -> Callable[[Sequence[str] | None], pa.Table]:
        return lambda names: table if names is None else table.select(names)

    context = _context("mine", Path(tempfile.mkdtemp()))
    atexit.register(shutil.rmtree, context.output)
    known = list(mine.run(Partitions([reader(table) for table in tables]), options, context))
    apply = mine.apply
    assert apply is not None
    apply(tables[0].slice(0, 1), known[0], options, context)  # start-up: patterns and templates are compiled

    def work(share: int) -> Counter[str]:
        apply(tables[share], known[share], options, context)
        return counts[share]

    return work


if __name__ == "__main__":
    main()
