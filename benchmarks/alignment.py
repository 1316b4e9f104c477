"""
How well `alignment` separates an answer from that of another question about the same passage.

``python -m benchmarks.alignment xquad.en.json.gz xquad.es.json.gz``

Each answer of a question-answer set is compared with the answer of another question about its paragraph.
Printed for each set: AUROC of `alignment` and `grounding`, and milliseconds per row.
"""

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import add_quick
from benchmarks.planted import WAYS, read
from datagen.stages.confidence.measure.alignment import alignment
from datagen.stages.confidence.measure.support import grounding
from datagen.stages.confidence.measure.wordings import Wordings
from datagen.stages.shared.language.rules import language_of


def auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Return the share of pairs in which the right answer scores higher than the wrong; ties count half."""
    right, wrong = right[~np.isnan(right)], wrong[~np.isnan(wrong)]
    higher = (right[:, None] > wrong).mean() + (right[:, None] == wrong).mean() / 2
    return round(float(higher), 3)


def judge(path: Path) -> dict[str, Any]:
    """Measure a set."""
    match = re.search(r"\.([a-z]{2})\.", path.name)
    language = language_of(match[1] if match else "en")
    pairs = list(read(path))
    of_passage: dict[str, list[Any]] = {}
    for pair in pairs:
        of_passage.setdefault(pair.passage, []).append(pair)
    rows = [(pair, WAYS["swapped"](pair, of_passage[pair.passage])) for pair in pairs]
    rows = [(pair, other) for pair, other in rows if other]
    scores: dict[str, list[np.ndarray]] = {"alignment": [], "grounding": []}
    spent = 0.0
    for wrong in (False, True):
        texts = {
            "question": pa.array([pair.question for pair, _ in rows]),
            "answer": pa.array([other if wrong else pair.answer for pair, other in rows]),
            "passage": pa.array([pair.passage for pair, _ in rows]),
        }
        texts["evidence"] = pa.array([""] * len(rows))
        started = time.process_time()
        scores["alignment"].append(alignment(texts, language))
        spent += time.process_time() - started
        wordings = Wordings(language, **{name: texts[name] for name in ("answer", "question", "passage")})
        scores["grounding"].append(grounding(wordings, texts, language))
    figures: dict[str, Any] = {name: auroc(*of) for name, of in scores.items()}
    return {"rows": len(rows), **figures, "ms_per_row": round(1000 * spent / 2 / len(rows), 2)}


def main() -> None:
    """Print the figures of each set as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", help="sets in SQuAD's format; NAME.LANGUAGE.json.gz")
    add_quick(parser)
    print(json.dumps({path.name: judge(path) for path in parser.parse_args().sets}))


if __name__ == "__main__":
    main()
