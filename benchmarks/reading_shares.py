"""
Shares of exercise types in reading texts, by AdaptLLM's six types.

``python -m benchmarks.reading_shares RUN/stages/mine``

Counts the exercises in the metadata of a stage's rows. The output is one line of JSON: ``shares`` by type,
``exercises`` by task, and ``asking_more``, the share of texts with an exercise that asks for more than the
next sentence, a heading or the passage itself.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from benchmarks import add_quick
from datagen.store.parquet import parts, read_part

TYPES = {
    "summary and title": ("title", "writing", "heading", "summary"),
    "word to text": ("keywords", "definition", "term", "entry"),
    "inference": ("inference", "relation"),
    "cause and effect": ("cause", "effect", "condition", "consequence"),
    "paraphrase": ("paraphrase",),
    "completion": ("completion", "enumeration"),
}
COPIED = {"title", "writing", "heading", "completion"}


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stage", type=Path, help="the folder of a stage that gives reading texts")
    add_quick(parser)
    folder = parser.parse_args().stage
    texts = [
        [exercise["task"] for exercise in json.loads(metadata)["exercises"]]
        for path in parts(folder)
        for metadata in read_part(path, ["metadata"])["metadata"].to_pylist()
    ]
    print(json.dumps(shares(texts)))


def shares(texts: list[list[str]]) -> dict[str, object]:
    """
    Count exercises.

    Parameters
    ----------
    texts
        The tasks of the exercises of each text.
    """
    tasks = Counter(task for text in texts for task in text)
    total = max(tasks.total(), 1)
    return {
        "texts": len(texts),
        "asking_more": round(sum(not COPIED.issuperset(text) for text in texts) / max(len(texts), 1), 3),
        "shares": {name: round(sum(tasks[t] for t in own) / total, 3) for name, own in TYPES.items()},
        "exercises": dict(tasks.most_common()),
    }


if __name__ == "__main__":
    main()
