"""
The sentence splitter: agreement with a labelled set, and speed, compared with pySBD if it is installed.

    python -m benchmarks.sentences --labelled tests/data/sentences.txt --text some.txt

Each line of the labelled file is a text in which ‖ marks the boundaries between sentences. Every full stop,
question mark and exclamation mark before a blank is a decision: it ends a sentence or not.
"""

import argparse
import importlib.util
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import add_quick
from datagen.stages.shared.segment.sentences import split_sentences

DECISION = re.compile(r"[.?!…]+[\"'”’»)\]]*(?=\s+\S)|[。！？](?=.)")
SIZE = 200_000  # characters on which pySBD is timed

Splitter = Callable[[str], set[int]]  # a text -> the ends of its sentences, except the last


def own(text: str) -> set[int]:
    """Split with this project's splitter."""
    return {end for _, end in split_sentences(text)[:-1]}


def pysbd() -> Splitter | None:
    """Return pySBD's splitter; None if it is not installed."""
    if importlib.util.find_spec("pysbd") is None:
        return None
    from pysbd import Segmenter

    segmenter = Segmenter(language="en", clean=False, char_span=True)

    def split(text: str) -> set[int]:
        spans = segmenter.segment(text)
        return {len(text[: span.end].rstrip()) for span in spans[:-1]}

    return split


def agreement(path: Path, split: Splitter) -> dict[str, object]:
    """Compare a splitter's decisions with the labels, and print those that differ."""
    decisions = right = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            continue
        parts = re.split(r"( ?)‖ ?", line)
        text, ends = parts[0], set[int]()
        for blank, part in zip(parts[1::2], parts[2::2], strict=True):
            ends.add(len(text))
            text += blank + part
        sentences = split(text)
        for match in DECISION.finditer(text):
            decisions += 1
            if (match.end() in ends) == (match.end() in sentences):
                right += 1
            else:
                expected = "ends" if match.end() in ends else "goes on"
                print(
                    f"{expected}: {text[max(0, match.end() - 40) : match.end()]} | {text[match.end() :][:30]}"
                )
    return {"decisions": decisions, "right": right, "agreement": round(right / decisions, 4)}


def speed(text: str, split: Splitter) -> float:
    """Measure MB of text per second of CPU time."""
    started = time.process_time()
    split(text)
    return round(len(text.encode()) / 1e6 / (time.process_time() - started), 3)


def main() -> None:
    """Run the measurements that the arguments select."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--labelled", type=Path)
    parser.add_argument("--text", type=Path, help="plain text to time the splitters on")
    add_quick(parser)
    arguments = parser.parse_args()
    splitters = {"own": own} | ({"pysbd": other} if (other := pysbd()) else {})
    figures = {}
    for name, split in splitters.items():
        report: dict[str, object] = {}
        if arguments.labelled:
            report |= agreement(arguments.labelled, split)
        if arguments.text:
            text = arguments.text.read_text(encoding="utf-8")
            report["mb_per_second"] = speed(text if name == "own" else text[:SIZE], split)
        figures[name] = report
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
