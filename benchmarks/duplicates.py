"""
False removals and misses of `dedup`: planted pairs by kind, and recall by length and edit.

``python -m benchmarks.duplicates xquad.en.json.gz``

* Planted pairs (``tests/data/other_meaning.yaml``): 62 kinds in 5 languages, each as a short text, in about
  60 words and in about 120. *False*: pairs of different meaning of which one text is removed. *Missed*: pairs
  of which both texts are kept, among the same texts and their copies with Markdown markup (the longest also
  with a typo in the filler).
* Recall by length: texts of 20 to 2,000 words from the given question-answer set (or a text file), each with
  one copy edited in one way (`EDITS`). Prints the share of pairs of which one text is removed.
* Paraphrases (``tests/data/paraphrases.yaml``), if the extra ``encoder`` is installed: for some cosine
  thresholds, the numbers of paraphrases and of near misses above it.
"""

import argparse
import json
import random
import sys
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from benchmarks import add_quick
from benchmarks.planted import read
from datagen.schema import EXAMPLES, table_of
from datagen.stage import Context, Partitions
from datagen.stages.filter.dedup import stage
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.vectors import encoder, learn

PLANTED = Path(__file__).parents[1] / "tests" / "data" / "other_meaning.yaml"
SIZES = {"short": 0, "60 words": 2, "120 words": 5}  # sentences of filler
LENGTHS = (20, 40, 60, 80, 98, 110, 150, 300, 600, 1000, 2000)
PARAPHRASES = PLANTED.with_name("paraphrases.yaml")
COSINES = (0.75, 0.8, 0.85, 0.9, 0.95)
PAIRS = 60  # pairs per length and edit


def planted(unlisted: bool = False) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the planted pairs: kind (empty for unlisted words), language, size, and the two texts."""
    given = yaml.safe_load(PLANTED.read_text(encoding="utf-8"))
    if unlisted:
        pairs = [("", language, pair) for language, pairs in given["unlisted"].items() for pair in pairs]
    else:
        pairs = [(kind, *item) for kind, languages in given["kinds"].items() for item in languages.items()]
    for kind, language, pair in pairs:
        short, long = given["carriers"][language]
        for size, sentences in SIZES.items():
            lines = given["filler"][language][:sentences]
            join = "" if language == "zh" else " "
            one, other = (
                join.join([*lines[:1], (long if sentences else short).replace("{}", text), *lines[1:]])
                for text in pair
            )
            yield kind, language, size, one, other


def removed(pairs: Sequence[tuple[str, str]], kind: str = "reading", **given: bool) -> list[bool]:
    """Run the stage, with the given options, on pairs of texts; return for each whether one is removed."""
    rows = []
    for number, pair in enumerate(pairs):
        for side, text in enumerate(pair):
            fields = {"text": text} if kind == "reading" else {"question": text, "answer": "I do not know."}
            task = "planted" if kind == "reading" else f"{number}"
            rows.append({"id": f"{number}-{side}", "kind": kind, "task": task, **fields})
    table = table_of(EXAMPLES, rows)
    with tempfile.TemporaryDirectory() as folder:
        context = Context("dedup", run_folder=Path(folder), output=Path(folder))
        options = Options.model_validate({"max_loss": 1, **given})
        [verdict] = stage.run(Partitions([lambda names: table]), options, context)
        assert stage.apply is not None
        gone = {*stage.apply(table, verdict, options, context).dropped["id"].to_pylist()}
    return [bool({f"{number}-0", f"{number}-1"} & gone) for number in range(len(pairs))]


def judge_unlisted(**options: bool) -> dict[str, list[str]]:
    """List by size the texts of which one is removed though an unlisted word was replaced or added."""
    cases = list(planted(unlisted=True))
    false = removed([(one, other) for *_, one, other in cases], "refusal", **options)
    found: dict[str, list[str]] = {size: [] for size in SIZES}
    for (_, _, size, one, _), is_false in zip(cases, false, strict=True):
        found[size] += [one] * is_false
    return found


def judge_planted() -> dict[str, dict[str, Any]]:
    """Count the pairs of each kind, false removals, and missed copies."""
    cases = list(planted())
    false = removed([(one, other) for *_, one, other in cases], "refusal")
    copies = [(one, _copied(one, language, size)) for _, language, size, one, _ in cases]
    found_copies = removed(copies, "refusal")
    counts: dict[str, dict[str, Any]] = defaultdict(lambda: {"pairs": 0, "false": [], "missed": []})
    for (kind, language, size, *_), is_false, is_removed in zip(cases, false, found_copies, strict=True):
        of = counts[kind]
        of["pairs"] += 1
        of["false"] += [f"{language}, {size}"] * is_false
        of["missed"] += [f"{language}, {size}"] * (not is_removed)
    return dict(counts)


TYPOS = {
    "en": ("letters", "lettres"),
    "de": ("aufbewahrt", "aufbewhart"),
    "fr": ("gardés", "gadrés"),
    "es": ("conservó", "consrevó"),
    "zh": ("找到", "找找到"),
}


def _copied(text: str, language: str, size: str) -> str:
    if size == "120 words":
        text = text.replace(*TYPOS[language])
    return f"## {text}" if language == "zh" else f"**{text}**"


def typo(text: str, draw: random.Random) -> str:
    """Swap two letters inside one long word in lower case."""
    words = text.split(" ")
    lower = [n for n, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.islower()]
    place = max(draw.sample(lower, min(3, len(lower))), key=lambda n: len(words[n]))
    word = words[place]
    at = draw.choice([n for n in range(len(word) - 1) if word[n] != word[n + 1]])
    words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def added(text: str, draw: random.Random) -> str:
    """Add a word in three places."""
    words = text.split(" ")
    for place in sorted(draw.sample(range(1, len(words)), 3), reverse=True):
        words.insert(place, draw.choice(("really", "quite", "also", "indeed", "there")))
    return " ".join(words)


def clause_added(text: str, draw: random.Random) -> str:
    """Add a clause in one place."""
    words = text.split(" ")
    words.insert(draw.randrange(len(words)), "and the paper is in a box on the desk")
    return " ".join(words)


def replaced(text: str, draw: random.Random) -> str:
    """Replace one word in lower case by an invented one."""
    words = text.split(" ")
    place = draw.choice([n for n, word in enumerate(words) if len(word) > 3 and word.islower()])
    words[place] = "".join(draw.choices("bdfklmnprst", k=3)) + "alo"
    return " ".join(words)


def look_alike(text: str, draw: random.Random) -> str:
    """Replace a fifth of some letters by Cyrillic look-alikes."""
    table = dict(zip("aeopcx", "аеорсх", strict=True))
    return "".join(table.get(letter, letter) if draw.random() < 0.2 else letter for letter in text)


def markdown(text: str, draw: random.Random) -> str:
    """Add a heading mark, bold and italic words, and code marks."""
    words = text.split(" ")
    for place in draw.sample(range(len(words)), max(3, len(words) // 15)):
        mark = draw.choice(("**", "*", "`", "_"))
        words[place] = f"{mark}{words[place]}{mark}"
    return "# " + " ".join(words)


def compatible(text: str, draw: random.Random) -> str:
    """Use full-width letters, ligatures, and decomposed accents."""
    wide = "".join(
        chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" and draw.random() < 0.3 else letter
        for letter in text
    )
    return unicodedata.normalize("NFD", wide.replace("fi", "ﬁ"))


def swapped_sentences(text: str, draw: random.Random) -> str:
    """Move the first tenth of the text to the end."""
    words = text.split(" ")
    cut = max(len(words) // 10, 2)
    return " ".join(words[cut:] + words[:cut])


EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "one typo": typo,
    "three words added": added,
    "a clause added": clause_added,
    "one word replaced": replaced,
    "look-alike letters": look_alike,
    "Markdown marks": markdown,
    "NFKC variants": compatible,
    "first tenth put last": swapped_sentences,
}


def texts(words: Sequence[str], length: int, count: int) -> Iterator[str]:
    """Cut texts of a given length from different places of a long text."""
    step = max((len(words) - length) // count, 1)
    for number in range(count):
        start = number * step % max(len(words) - length, 1)
        yield " ".join(words[start : start + length])


def recall(words: Sequence[str], pairs: int) -> dict[str, dict[int, float]]:
    """Measure recall for each edit and length."""
    draw, shares = random.Random(0), dict[str, dict[int, float]]()
    for edit, change in EDITS.items():
        shares[edit] = {}
        for length in LENGTHS:
            some = [(text, change(text, draw)) for text in texts(words, length, pairs)]
            gone = removed(some, "refusal")
            shares[edit][length] = round(sum(gone) / len(gone), 3)
    shares["a paragraph inside a long text"] = {}
    for length in LENGTHS[:-1]:
        some = []
        for text in texts(words, min(10 * length, 4000), pairs):
            cut = text.split(" ")
            some.append((text, " ".join(cut[len(cut) // 2 :][:length])))
        gone = removed(some, "refusal")
        shares["a paragraph inside a long text"][length] = round(sum(gone) / len(gone), 3)
    return shares


def paraphrases(model: str) -> dict[float, dict[str, int]]:
    """Count, by cosine threshold, the paraphrases and near misses that count as duplicates."""
    given = yaml.safe_load(PARAPHRASES.read_text(encoding="utf-8"))
    texts_of = {kind: pa.array([text for pair in given[kind] for text in pair]) for kind in given}
    with tempfile.TemporaryDirectory() as folder:
        columns = [lambda: pa.concat_arrays([*texts_of.values()])]
        embedder = learn(model, columns, Path(folder) / "learned.npy")
        vectors = {kind: embedder.embed(texts) for kind, texts in texts_of.items()}
    near = {kind: (some[0::2] * some[1::2]).sum(axis=1) for kind, some in vectors.items()}
    return {
        least: {kind: int((cosines >= least).sum()) for kind, cosines in near.items()} for least in COSINES
    }


def main() -> None:
    """Print the figures as JSON; planted kinds with an error come first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a question-answer set in SQuAD's format, or a text file")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of each length and edit")
    add_quick(parser, pairs=10)
    options = parser.parse_args()
    kinds = judge_planted()
    for kind, of in kinds.items():
        if of["false"] or of["missed"]:
            print(json.dumps({kind: of}, ensure_ascii=False), file=sys.stderr)
    totals = {name: sum(len(of[name]) for of in kinds.values()) for name in ("false", "missed")}
    figures: dict[str, object] = {
        "kinds": len(kinds),
        "pairs": sum(of["pairs"] for of in kinds.values()),
        **totals,
        "false_unlisted": {size: len(texts) for size, texts in judge_unlisted().items()},
    }
    if find_spec(encoder.PACKAGE):
        figures["paraphrases"] = paraphrases(encoder.NAME)
    if ".json" in options.corpus.suffixes:
        text = " ".join(dict.fromkeys(pair.passage for pair in read(options.corpus)))
    else:
        text = options.corpus.read_text(encoding="utf-8")
    print(json.dumps(figures | {"recall": recall(text.split(), options.pairs)}))


if __name__ == "__main__":
    main()
