"""
Detection of personal data and secrets: speed, recall and precision, and hits in clean text.

    python -m benchmarks.redaction --planted tests/data/personal/planted.txt --clean statutes.jsonl.gz

Each line of the planted file holds a kind, the value to detect and the text around it, separated by tabs. The
clean files are read like a corpus; every hit in them is printed.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from benchmarks import add_quick
from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.record import File
from datagen.stages.sources.ingest.redact import DETECTORS, KINDS, detect

AROUND = 40  # characters shown in front of a hit


def planted(path: Path) -> dict[str, object]:
    """Compare the values detected in each line with the planted ones."""
    detected, total, false = Counter[str](), Counter[str](), 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        kind, value, text = line.split("\t")
        findings = {(finding.kind, text[finding.start : finding.end]) for finding in detect(text)}
        total[kind] += 1
        detected[kind] += (kind, value) in findings
        false += len(findings - {(kind, value)})
    return {
        "recall": round(detected.total() / total.total(), 3),
        "precision": round(detected.total() / (detected.total() + false), 3),
        "by_kind": {kind: f"{detected[kind]}/{total[kind]}" for kind in KINDS if total[kind]},
    }


def clean(path: Path) -> dict[str, object]:
    """Search a text without personal data: its hits are false positives, or must be checked."""
    file = File(path, path.name, Source(path=str(path)), path.stat().st_size)
    text = "\n\n".join(str(row["text"]) for row in rows(file) if not row.get("reason"))
    started = time.process_time()
    findings = detect(text)
    seconds = time.process_time() - started
    for finding in findings:
        print(finding.kind, repr(text[max(0, finding.start - AROUND) : finding.end]))
    size = len(text.encode()) / 1e6
    return {
        "mb": round(size, 1),
        "mb_per_second": round(size / seconds, 2),
        "hits": dict(Counter(finding.kind for finding in findings)),
        "seconds_by_kind": {kind: round(_seconds(kind, text), 2) for kind in DETECTORS},
    }


def _seconds(kind: str, text: str) -> float:
    started = time.process_time()
    for _ in DETECTORS[kind](text):
        pass
    return time.process_time() - started


def main() -> None:
    """Run the measurements that the arguments select."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--planted", type=Path)
    parser.add_argument("--clean", type=Path, nargs="*", default=[])
    add_quick(parser)
    arguments = parser.parse_args()
    figures = {"planted": planted(arguments.planted)} if arguments.planted else {}
    print(json.dumps(figures | {path.name: clean(path) for path in arguments.clean}))


if __name__ == "__main__":
    main()
