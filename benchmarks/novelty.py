"""
The ROUGE-L novelty check of many instructions against each other, and brute force on a sample.

``python -m benchmarks.novelty --texts 50000 --script latin``

An instruction has 5 to 40 words (in Han 10 to 60 characters) drawn by Zipf's law from a vocabulary of its
script; one in ten repeats an earlier one with a few words changed. Prints wall time, CPU time, peak memory,
the number of kept texts, and whether the decisions on the first texts equal those of brute force, which
scores every pair.
"""

import argparse
import json
import random
import resource
import time

import pyarrow as pa
from rapidfuzz import process
from rapidfuzz.distance import Indel

from benchmarks import add_quick
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.novelty import MOST, Like, Novelty

VOCABULARY = 20_000
SCRIPTS = {
    "latin": "abcdefghijklmnopqrstuvwxyz",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "devanagari": "कखगघचछजझटठडढतथदधनपफबभमयरलवशसह",
}
HAN = (0x4E00, 0x4E00 + 3_000)


def write_texts(count: int, script: str, seed: int) -> list[str]:
    """Generate instructions, one in ten similar to an earlier one."""
    draw = random.Random(seed)
    if script == "han":
        vocabulary = [chr(code) for code in range(*HAN)]
    else:
        letters = SCRIPTS[script]
        vocabulary = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(VOCABULARY)]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    shortest, longest = (10, 60) if script == "han" else (5, 40)
    texts: list[list[str]] = []
    for _ in range(count):
        if texts and draw.random() < 0.1:
            text = list(draw.choice(texts))
            for _ in range(draw.randint(0, max(1, len(text) // 4))):
                text[draw.randrange(len(text))] = draw.choice(vocabulary)
        else:
            text = draw.choices(vocabulary, weights, k=draw.randint(shortest, longest))
        texts.append(text)
    return [("" if script == "han" else " ").join(text) for text in texts]


def brute_force(texts: list[str]) -> list[Like | None]:
    """Compare each text with all kept ones, by the score of every pair."""
    cut = words(pa.array(texts, pa.string()), symbols=False)
    kept: list[list[str]] = []
    matches: list[Like | None] = []
    for number in range(len(texts)):
        sequence = cut.of(number)
        scores = process.cdist([sequence], kept, scorer=Indel.normalized_similarity)[0] if kept else []
        best = max(range(len(kept)), key=lambda place: scores[place], default=None)
        if best is not None and Indel.normalized_similarity(sequence, kept[best]) > MOST:
            matches.append(Like(best, 0.0))
        else:
            matches.append(None)
            kept.append(sequence)
    return matches


def main() -> None:
    """Time the check and compare it with brute force."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--script", choices=[*SCRIPTS, "han"], default="latin")
    parser.add_argument("--sample", type=int, default=2_000, help="texts also checked by brute force")
    parser.add_argument("--seed", type=int, default=0)
    add_quick(parser, texts=5_000, sample=500)
    given = parser.parse_args()
    texts = write_texts(given.texts, given.script, given.seed)
    clock, processors = time.perf_counter(), time.process_time()
    matches = Novelty().judge(texts)
    clock, processors = time.perf_counter() - clock, time.process_time() - processors
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sample = brute_force(texts[: given.sample])
    same = [like is None for like in matches[: given.sample]] == [like is None for like in sample]
    figures = {
        "script": given.script,
        "texts": given.texts,
        "kept": matches.count(None),
        "seconds": round(clock, 1),
        "cpu_seconds": round(processors, 1),
        "peak_mb": round(peak),
        "sample": given.sample,
        "equals_brute_force": same,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
