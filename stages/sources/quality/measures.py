"""
The measures of published quality rules, computed for a column of texts at once.

Each function takes texts and returns arrays with one number per text, by the measure's name. Words are
separated by white space, as the sources define them; in runs of words, only letters and digits count.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import mix, ngrams

Values = npt.NDArray[np.float64]

# The words of which Gopher's rule requires two.
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLET = r"^\s*[-*•‣◦▪●]"
ELLIPSIS = r"(\.\.\.|…)\s*$"
PUNCTUATED = r"[.!?。！？…\"'”’)]\s*$"
SENTENCE_END = r"[.!?。！？](\s|$|[\"'”’)])"
SHORT_LINE = 30  # characters
TOP_RUNS, REPEATED_RUNS = (2, 3, 4), (5, 6, 7, 8, 9, 10)


def of_words(texts: pa.Array) -> Mapping[str, Values]:
    """Measure the words of each text, and the symbols among them."""
    each, owner = _filled(pc.utf8_split_whitespace(texts))
    count = np.bincount(owner, minlength=len(texts)).astype(np.float64)
    letters = np.bincount(owner, _numbers(pc.utf8_length(each)), minlength=len(texts))
    alphabetic = np.bincount(owner, _numbers(pc.match_substring_regex(each, r"\pL")), minlength=len(texts))
    symbols = _numbers(pc.count_substring_regex(texts, r"#|\.\.\.|…"))
    stop = sum(_numbers(pc.match_substring_regex(texts, rf"(?i)\b{word}\b")) for word in STOP_WORDS)
    return {
        "words": count,
        "mean_word_length": _share(letters, count),
        "alphabetic_words": _share(alphabetic, count),
        "symbols_to_words": _share(symbols, count),
        "stop_words": np.asarray(stop, np.float64),
    }


def of_lines(texts: pa.Array) -> Mapping[str, Values]:
    """Measure the non-blank lines of each text, and its paragraphs."""
    lines, owner = _split(texts, r"\n")
    count = np.bincount(owner, minlength=len(texts)).astype(np.float64)
    size = _numbers(pc.utf8_length(lines))
    repeated = _repeated(lines, owner)
    paragraphs, of = _split(texts, r"\n\s*\n")
    again = _repeated(paragraphs, of)
    length = _numbers(pc.utf8_length(paragraphs))

    def share(matching: npt.NDArray[np.generic]) -> Values:
        return _share(np.bincount(owner, matching.astype(np.float64), minlength=len(texts)), count)

    return {
        "bullet_lines": share(_numbers(pc.match_substring_regex(lines, BULLET))),
        "ellipsis_lines": share(_numbers(pc.match_substring_regex(lines, ELLIPSIS))),
        "punctuated_lines": share(_numbers(pc.match_substring_regex(lines, PUNCTUATED))),
        "short_lines": share(size < SHORT_LINE),
        "repeated_lines": share(repeated),
        "repeated_line_characters": _share(
            np.bincount(owner, repeated * size, minlength=len(texts)),
            np.bincount(owner, size, minlength=len(texts)),
        ),
        "repeated_paragraphs": _share(
            np.bincount(of, again.astype(np.float64), minlength=len(texts)),
            np.bincount(of, minlength=len(texts)).astype(np.float64),
        ),
        "repeated_paragraph_characters": _share(
            np.bincount(of, again * length, minlength=len(texts)),
            np.bincount(of, length, minlength=len(texts)),
        ),
    }


def of_runs(texts: pa.Array) -> Mapping[str, Values]:
    """Measure the share of each text's characters in its most frequent and in its repeated runs of words."""
    cut = words(texts, symbols=False)
    size = _numbers(pc.utf8_length(cut.words))
    owner = cut.owners()
    total = np.bincount(owner, size, minlength=len(texts))
    ends = np.append(0, np.cumsum(size))
    measured: dict[str, Values] = {}
    for n in (*TOP_RUNS, *REPEATED_RUNS):
        hashes, starts = ngrams(cut.hashes, cut.lengths, n)
        keys = mix(hashes ^ mix(owner[starts].astype(np.uint64) + np.uint64(1)))  # equal in one text only
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        if n in TOP_RUNS:
            runs = (ends[starts[first] + n] - ends[starts[first]]) * counts * (counts > 1)
            top = np.zeros(len(texts))
            np.maximum.at(top, owner[starts[first]], runs)
            measured[f"top_{n}_words"] = np.minimum(_share(top, total), 1)  # runs may overlap
            continue
        covered = np.zeros(len(size) + 1, np.int64)
        again = np.ones(len(starts), bool)
        again[first] = False
        np.add.at(covered, starts[again], 1)
        np.add.at(covered, starts[again] + n, -1)
        inside = np.cumsum(covered)[: len(size)] > 0
        measured[f"repeated_{n}_words"] = _share(
            np.bincount(owner, size * inside, minlength=len(texts)), total
        )
    return measured


def of_pages(texts: pa.Array) -> Mapping[str, Values]:
    """Measure signs of web pages without prose: few sentences, code, placeholder text."""
    return {
        "sentences": _numbers(pc.count_substring_regex(texts, SENTENCE_END)),
        "curly_brackets": _numbers(pc.count_substring(texts, "{")),
        "lorem_ipsum": _numbers(pc.count_substring(texts, "lorem ipsum", ignore_case=True)),
    }


# The measures of each function.
GROUPS: Mapping[Callable[[pa.Array], Mapping[str, Values]], tuple[str, ...]] = {
    of_words: ("words", "mean_word_length", "alphabetic_words", "symbols_to_words", "stop_words"),
    of_lines: (
        *("bullet_lines", "ellipsis_lines", "punctuated_lines", "short_lines", "repeated_lines"),
        *("repeated_line_characters", "repeated_paragraphs", "repeated_paragraph_characters"),
    ),
    of_runs: (
        *(f"top_{n}_words" for n in TOP_RUNS),
        *(f"repeated_{n}_words" for n in REPEATED_RUNS),
    ),
    of_pages: ("sentences", "curly_brackets", "lorem_ipsum"),
}


def _split(texts: pa.Array, pattern: str) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Split texts; return the non-blank parts and the index of each part's text."""
    return _filled(pc.split_pattern_regex(texts, pattern))


def _filled(lists: pa.ListArray) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return the non-blank parts of lists, trimmed, and the index of each part's list."""
    parts = pc.utf8_trim_whitespace(pc.list_flatten(lists))
    owner = _numbers(pc.list_parent_indices(lists)).astype(np.int64)
    filled = _numbers(pc.greater(pc.utf8_length(parts), 0)).astype(bool)
    return parts.filter(pa.array(filled)), owner[filled]


def _repeated(parts: pa.Array, owner: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Check for each part whether its text had an equal one before."""
    codes = _numbers(pc.dictionary_encode(parts).indices).astype(np.int64)
    again = np.ones(len(parts), bool)
    _, first = np.unique(owner * (int(codes.max(initial=0)) + 1) + codes, return_index=True)
    again[first] = False
    return again


def _share(part: npt.NDArray[np.generic], total: npt.NDArray[np.generic]) -> Values:
    result: Values = np.divide(part, total, out=np.zeros(len(total)), where=np.asarray(total) > 0)
    return result


def _numbers(values: pa.Array) -> Values:
    result: Values = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return result
