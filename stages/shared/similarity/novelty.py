"""
ROUGE-L novelty: keep a text unless it is too similar to a kept one.

Similarity is ROUGE-L F1 over words (`datagen.stages.shared.similarity.rouge`); Self-Instruct
(arXiv 2212.10560) rejects above 0.7. The tokenizer covers every script
(`datagen.stages.shared.language.columns`); that of the ROUGE package drops all letters except a to z, so
texts in other scripts would never be compared.

Texts are processed in order and the first of a group is kept. Comparing with dropped texts too, as AlpaCare
does, would lose every member of a similar pair.

All pairs are considered, but most are excluded by a bound that never excludes a match: each text has a bitmap
of its words, in which each repetition counts as a different word, and two bitmaps differ in at most as many
bits as the texts differ in words (the bitmap filter of Sandes et al. 2020, arXiv 2005.01386).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.rouge import rouge_l_of_pairs

MOST = 0.7
BLOCK = 256  # texts processed at once
TILE = 8192  # kept texts that a block is compared with at once
LANES = 4  # 64-bit words of a bitmap
DENSE = 2  # of these, compared for every pair; the others only for pairs that pass
VERIFIED = 100_000  # pairs verified at once
SURROGATES = range(0xD800, 0xE000)
CODES = 0x110000 - len(SURROGATES)

Bits = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class Like(NamedTuple):
    """The most similar kept text: its number in the order of keeping, and the ROUGE-L F1."""

    kept: int
    score: float


class Novelty:
    """
    The texts kept so far.

    Parameters
    ----------
    most
        Maximum ROUGE-L F1 with a kept text.
    """

    def __init__(self, most: float = MOST) -> None:
        self._most = most
        self._codes: dict[str, int] = {}
        self._sequences: list[str] = []  # a character for each word
        self._lengths = np.zeros(0, np.int64)
        self._bits = np.zeros((0, LANES), np.uint64)

    def __len__(self) -> int:
        return len(self._sequences)

    def keep(self, texts: Sequence[str]) -> None:
        """Keep texts without comparison, such as seeds."""
        self._add(self._coded(texts))

    def judge(self, texts: Sequence[str]) -> list[Like | None]:
        """
        Keep the novel texts.

        Returns
        -------
        None for each kept text; for any other, the most similar kept text.
        """
        sequences = self._coded(texts)
        matches: list[Like | None] = []
        for start in range(0, len(sequences), BLOCK):
            matches += self._judge_block(sequences[start : start + BLOCK])
        return matches

    def _judge_block(self, block: list[str]) -> list[Like | None]:
        lengths, bits = _lengths(block), _bitmaps(block)
        best: dict[int, Like] = {}
        for start in range(0, len(self), TILE):
            tile = slice(start, start + TILE)
            for text, other, score in self._alike(
                (block, lengths, bits), (self._sequences[tile], self._lengths[tile], self._bits[tile])
            ):
                if text not in best or score > best[text].score:
                    best[text] = Like(start + other, score)
        inside: dict[int, list[tuple[int, float]]] = {}
        for text, other, score in self._alike((block, lengths, bits), (block, lengths, bits)):
            if other < text:
                inside.setdefault(text, []).append((other, score))
        numbers: dict[int, int] = {}  # index in the block -> number among the kept
        for text in range(len(block)):
            for other, score in inside.get(text, ()):
                if other in numbers and (text not in best or score > best[text].score):
                    best[text] = Like(numbers[other], score)
            if text not in best:
                numbers[text] = len(self) + len(numbers)
        self._add([block[text] for text in numbers])
        return [best.get(text) for text in range(len(block))]

    def _alike(
        self, left: tuple[list[str], Numbers, Bits], right: tuple[list[str], Numbers, Bits]
    ) -> list[tuple[int, int, float]]:
        """List the pairs that are too similar: index on the left, index on the right, ROUGE-L F1."""
        rows, columns = candidates(left[1], left[2], right[1], right[2], self._most)
        pairs: list[tuple[int, int, float]] = []
        for start in range(0, len(rows), VERIFIED):
            part = slice(start, start + VERIFIED)
            left_texts = [left[0][row] for row in rows[part].tolist()]
            right_texts = [right[0][column] for column in columns[part].tolist()]
            scores = rouge_l_of_pairs(left_texts, right_texts)
            for index in np.flatnonzero(scores > self._most).tolist():
                pairs.append((int(rows[part][index]), int(columns[part][index]), float(scores[index])))
        return pairs

    def _add(self, sequences: list[str]) -> None:
        self._sequences += sequences
        self._lengths = np.concatenate([self._lengths, _lengths(sequences)])
        self._bits = np.concatenate([self._bits, _bitmaps(sequences)])

    def _coded(self, texts: Sequence[str]) -> list[str]:
        """Encode each word of a text as a character; a text without words is a single word."""
        tokens = words(pa.array(texts, pa.string()), symbols=False)
        token_words = tokens.words.to_pylist()
        sequences, offset = [], 0
        for text, length in zip(texts, tokens.lengths.tolist(), strict=True):
            sequences.append(
                "".join(map(self._code, token_words[offset : offset + length] or [text.strip()]))
            )
            offset += length
        return sequences

    def _code(self, word: str) -> str:
        # Beyond 1.1 million distinct words two may share a code, which can only raise the similarity.
        code = self._codes.setdefault(word, len(self._codes)) % CODES
        return chr(code if code < SURROGATES.start else code + len(SURROGATES))


def candidates(
    left_lengths: Numbers, left: Bits, right_lengths: Numbers, right: Bits, most: float
) -> tuple[Numbers, Numbers]:
    """
    Find all pairs whose ROUGE-L F1 can be above `most`, by their lengths and bitmaps.

    F1 is at most ``1 - d / (m + n)``, where d is the number of words, with repetitions, that only one of the
    texts has; the bitmaps differ in at most d bits.

    Returns
    -------
    Indices on the left and on the right.
    """
    allowed = np.add.outer(
        ((1 - most) * left_lengths).astype(np.float32), ((1 - most) * right_lengths).astype(np.float32)
    )
    differing = np.bitwise_count(np.bitwise_xor.outer(left[:, 0], right[:, 0])).astype(np.uint16)
    for lane in range(1, DENSE):
        differing += np.bitwise_count(np.bitwise_xor.outer(left[:, lane], right[:, lane]))
    rows, columns = np.nonzero(differing <= allowed + 0.01)  # 0.01: rounding must not exclude a match
    m, n = left_lengths[rows], right_lengths[columns]
    bits = np.bitwise_count(left[rows] ^ right[columns]).sum(axis=1, dtype=np.int64)
    distance = np.maximum(bits, np.abs(m - n))
    possible = distance <= (1 - most) * (m + n) + 0.01
    return rows[possible], columns[possible]


def _lengths(sequences: Sequence[str]) -> Numbers:
    return np.fromiter(map(len, sequences), np.int64, len(sequences))


def _bitmaps(sequences: Sequence[str]) -> Bits:
    """Set a bit for each word of each text, and another for each repetition."""
    maps = np.zeros((len(sequences), LANES), np.uint64)
    for number, sequence in enumerate(sequences):
        bits = 0
        for word, times in Counter(sequence).items():
            for time in range(times):
                bits |= 1 << _bit(word, time)
        maps[number] = np.frombuffer(bits.to_bytes(8 * LANES, "little"), np.uint64)
    return maps


def _bit(word: str, time: int) -> int:
    mixed = (ord(word) * 0x9E3779B97F4A7C15 + time * 0xD1B54A32D192ED03) % 2**64
    return (mixed * 0xBF58476D1CE4E5B9 % 2**64) >> (64 - (64 * LANES - 1).bit_length())
