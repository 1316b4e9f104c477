"""
A question-answer set with planted errors of five types.

* swapped: the answer to another question about the paragraph;
* negated: the answer with an added *not*;
* wrong number: the answer with another number;
* truncated: the first half of the answer's words;
* fluent nonsense: the beginning of a sentence of another article.

The corrupted rows and the type of each error are drawn by hash. Sets are read in the format of SQuAD.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datagen.schema import chat, content_id, fraction, pick
from datagen.stages.shared.segment.sentences import split_sentences

WRONG = 0.2  # of the rows


@dataclass(frozen=True)
class Pair:
    """A question with its answer, and the type of its error; "" for a right answer."""

    id: str
    title: str
    passage: str
    question: str
    answer: str
    how: str = ""

    def row(self) -> dict[str, Any]:
        """Convert to an example."""
        return {
            "id": self.id,
            "kind": "instruction",
            "task": "question",
            "question": self.question,
            "context": self.passage,
            "answer": self.answer,
            "prompt": chat(self.question, self.passage),
            "lineage": {"document_id": content_id(self.passage), "title": self.title},
        }


def read(path: Path) -> Iterator[Pair]:
    """Read a set in SQuAD's format."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        articles = json.load(file)["data"]
    for article in articles:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                answer = asked["answers"][0]["text"]
                yield Pair(asked["id"], article["title"], paragraph["context"], asked["question"], answer)


def plant(pairs: Sequence[Pair], most: int, seed: str = "0") -> list[Pair]:
    """
    Sample pairs and corrupt the answers of a fifth of them, with equally many errors of each type.

    Parameters
    ----------
    pairs
        Pairs with right answers.
    most
        Number of pairs to sample. If a type of error fits too few answers, there are fewer errors.
    seed
        Seed of the sample.

    Returns
    -------
    The pairs, in random order.
    """
    pairs = sorted(pairs, key=lambda pair: pair.id)
    drawn = sorted(pairs, key=lambda pair: fraction("planted", seed, pair.id))[:most]
    wrong: dict[str, Pair] = {}
    quota = round(len(drawn) * WRONG / len(WAYS))
    for how, corrupt in WAYS.items():
        room = quota
        for pair in sorted(drawn, key=lambda pair: fraction(how, seed, pair.id)):
            if room and pair.id not in wrong and (answer := corrupt(pair, pairs)):
                wrong[pair.id] = replace(pair, answer=answer, how=how)
                room -= 1
    return [wrong.get(pair.id, pair) for pair in drawn]


NUMBER = re.compile(r"\d[\d,]*")
VERB = re.compile(r"\b(is|are|was|were|can|could|will|would|should|may|must|has|have|had|does|do|did)\b")


def _wrong_number(pair: Pair, pairs: Sequence[Pair]) -> str:
    def other(match: re.Match[str]) -> str:
        number = int(match[0].replace(",", "")) + pick([1, 2, 3, 5, 10], "number", pair.id)
        return format(number, "," if "," in match[0] else "d")

    return NUMBER.sub(other, pair.answer, count=1) if NUMBER.search(pair.answer) else ""


def _truncated(pair: Pair, pairs: Sequence[Pair]) -> str:
    words = pair.answer.split()
    return " ".join(words[: len(words) // 2]) if len(words) >= 4 else ""


def _swapped(pair: Pair, pairs: Sequence[Pair]) -> str:
    mine = pair.answer.casefold()
    others = [one.answer for one in pairs if one.passage == pair.passage]
    apart = [text for text in others if text.casefold() not in mine and mine not in text.casefold()]
    return pick(apart, "swapped", pair.id) if apart else ""


def _negated(pair: Pair, pairs: Sequence[Pair]) -> str:
    turned = VERB.sub(r"\1 not", pair.answer, count=1)
    return turned if turned != pair.answer else f"not {pair.answer}"


def _nonsense(pair: Pair, pairs: Sequence[Pair]) -> str:
    other = pick([one for one in pairs if one.title != pair.title], "nonsense", pair.id)
    start, end = pick(split_sentences(other.passage), "sentence", pair.id)
    sentence = other.passage[start:end]
    return " ".join(sentence.split()[: max(4, len(pair.answer.split()))]).rstrip(" ,;:.")


# The error types that fit the fewest answers come first.
WAYS: dict[str, Callable[[Pair, Sequence[Pair]], str]] = {
    "wrong number": _wrong_number,
    "truncated": _truncated,
    "swapped": _swapped,
    "negated": _negated,
    "fluent nonsense": _nonsense,
}
