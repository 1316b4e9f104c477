"""
Mining beside the public reference of AdaptLLM, on the same documents and one core.

``python -m benchmarks.mine PATH_TO_LMOPS --corpus us-code.jsonl.gz``

The reference is a checkout of microsoft/LMOps: its own code (adaptllm/raw2read.py) is imported from there and
run as its command runs it, one document after the other; it wants the packages pysbd, sentencepiece and tqdm.
Its domain vocabulary is trained on the corpus, its general one comes with it. Our side is the stage mine
over the passages that the stage chunk makes of the same documents. Both are timed in turns, in shares of the
corpus, so that a busy machine slows both. Not timed: start-up, training the reference's vocabulary.

The figures come last, as one line of JSON: ``vs_reference`` (documents a second, ratio), the same with the
time of chunk on our side, and ``exercises_per_document`` of both.
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from datagen.prompt import load
from datagen.recipe import Recipe
from datagen.records import DOCUMENTS, fraction, table_of
from datagen.stage import Context, Partitions
from datagen.stages.chunk import stage as chunk
from datagen.stages.mine import exercises_of
from datagen.stages.mine import stage as mine
from datagen.stages.mine.language import read
from datagen.stages.mine.vocabulary import learn

SHARES = 4  # in which the two take turns
VOCABULARY = 16_000  # pieces of the reference's domain vocabulary

Document = dict[str, str]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("reference", type=Path, help="a checkout of microsoft/LMOps")
    parser.add_argument(
        "--corpus", type=Path, required=True, help="JSON lines with id, title and text, gzipped"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the documents")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with gzip.open(options.corpus, "rt", encoding="utf-8") as file:
        documents: list[Document] = [json.loads(line) for line in file]
    documents.sort(key=lambda one: fraction("benchmark", one["id"]))
    if options.quick:
        documents = documents[: len(documents) // 10]
    theirs, their_tasks = reference(options.reference / "adaptllm", documents)
    passages, cutting = cut(documents)
    ours, our_tasks = miner(passages)
    spent = {"reference": 0.0, "mine": 0.0}
    for share in range(SHARES):
        for name, work in (("reference", theirs), ("mine", ours)):
            started = time.process_time()
            work(share)
            spent[name] += time.process_time() - started
            print(f"{name}, share {share + 1} of {SHARES}: {spent[name]:.2f} s so far", file=sys.stderr)
    whole = spent["mine"] + cutting
    print(
        json.dumps(
            {
                "documents": len(documents),
                "characters": sum(len(one["text"]) for one in documents),
                "passages": len(passages),
                "documents_per_second": {name: round(len(documents) / s, 1) for name, s in spent.items()},
                "vs_reference": round(spent["reference"] / spent["mine"], 1),
                "vs_reference_with_chunk": round(spent["reference"] / whole, 1),
                "exercises_per_document": {
                    "reference": round(their_tasks.total() / len(documents), 2),
                    "mine": round(our_tasks.total() / len(documents), 2),
                },
                "tasks": {
                    "reference": dict(their_tasks.most_common()),
                    "mine": dict(our_tasks.most_common()),
                },
            }
        )
    )


def reference(folder: Path, documents: Sequence[Document]) -> tuple[Callable[[int], None], Counter[str]]:
    """Load the reference; return what mines a share of the documents with it, and its count of exercises."""
    sys.path.insert(0, str(folder))
    try:
        import raw2read
        from pysbd import Segmenter
    except ImportError as error:
        sys.exit(f"the reference cannot be imported from {folder}: {error}")
    general = str(folder / "data_samples/general.spm")
    tasks: Counter[str] = Counter()

    def prepared(name: str, domain: str) -> Any:
        made = raw2read.type_map.cls_dic[name]()
        made.init_spm(general, domain)
        return made

    with tempfile.TemporaryDirectory() as beside:
        domain = _trained(documents, Path(beside))
        miners = {name: prepared(name, domain) for name in raw2read.TYPES}
        overall = prepared("overall", domain)
    formatted = overall.format_recomprehension

    def counted(entry: Any) -> Any:
        text, counts = formatted(entry)
        for name, count in counts.items():
            tasks[name] += sum(count.values()) if isinstance(count, dict) else count
        return text, counts

    overall.format_recomprehension = counted
    segmenter = Segmenter(language="en", clean=False)

    def work(share: int) -> None:
        for number in range(share, len(documents), SHARES):
            text = f"{documents[number]['title']}\n{documents[number]['text']}"
            entry = {"text": text, "text_id": number, "file_name": str(number)}
            raw2read.search(entry, overall, segmenter, miners, SimpleNamespace(domain_name="law"))

    return work, tasks


def _trained(documents: Sequence[Document], folder: Path) -> str:
    """Train the vocabulary that the reference takes for the domain's."""
    import sentencepiece

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(one["text"] for one in documents), encoding="utf-8")
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


def _context(stage: str) -> Context:
    recipe = {"name": "benchmark", "corpus": [{"python": "pydoc_data.topics:topics"}]}
    return Context(stage, Recipe.model_validate(recipe), Path())


def cut(documents: Sequence[Document]) -> tuple[pa.Table, float]:
    """Make passages of the documents; return them and the seconds that it took."""
    rows = ({"id": d["id"], "source": d["id"], "title": d["title"], "text": d["text"]} for d in documents)
    table = table_of(DOCUMENTS, rows)
    started = time.process_time()
    passages = chunk.apply(table, chunk.options(), _context("chunk")).kept
    return passages, time.process_time() - started


def miner(passages: pa.Table) -> tuple[Callable[[int], None], Counter[str]]:
    """Return what mines a share of the passages with the stage, and the count of all exercises."""
    options, language = mine.options(), read(load("mined/en"))
    domain = learn([passages["text"]], language, options.domain_words)
    tasks = Counter(
        exercise.task
        for row in passages.to_pylist()
        for exercise in exercises_of(row, language, domain, options, 0)[0]
    )

    def work(share: int) -> None:
        some = passages.take(list(range(share, len(passages), SHARES)))
        parts = Partitions([lambda names: some if names is None else some.select(names)])
        list(mine.run(parts, options, _context("mine")))

    return work, tasks


if __name__ == "__main__":
    main()
