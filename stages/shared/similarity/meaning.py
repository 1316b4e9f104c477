"""
Critical words, which duplicates must share in order: numbers, negations, qualifiers, units, signs and flags.

"At most 500 mg daily" and "at most 250 mg daily" share nearly all words. So the critical words of each text
are hashed in order, and only texts with equal hashes are compared further. Numerals equal digits. Flags
(`-c`), signs before numbers and case-sensitive units (mW, MW) are compared verbatim. Identifiers such as
`open_file` are critical.

The words are data: ``prompts/meaning/telling.yaml`` and the lists of ``prompts/languages``, applied to texts
in all languages. Listed words of up to three Latin letters only count in short texts, after a number, and in
natural language. Short texts in a language with stop words are strict: every word is critical except the few
that do not change the meaning.

Names are compared pairwise (`datagen.stages.shared.similarity.alike`).
"""

import re
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import FOREIGN as FOREIGN_TEXT
from datagen.stages.shared.language.columns import Words
from datagen.stages.shared.similarity.critical_words import lexicon, lists, of_all_languages
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, digest

STRICT_BELOW = 100  # words of the shorter of two texts
MARGIN = 1.5  # a text of up to `MARGIN` times as many words can be compared with a strict one
NATURAL = 0.1  # minimum share of frequent words in natural language

OF_NUMBERS = np.zeros(256, bool)
OF_NUMBERS[[*b"0123456789"]] = True
OF_SIGNS = np.zeros(256, bool)
OF_SIGNS[[*b"+<=>~$%^"]] = True
OF_SYMBOLS = np.ones(256, bool)
OF_SYMBOLS[[*b"0123456789_abcdefghijklmnopqrstuvwxyz", *range(128, 256)]] = False
IDENTIFIER = r"[^_]_+[^_]"
FOREIGN = r"^[\p{Sm}\p{Sc}\p{So}]|\pN"  # signs and digits beyond ASCII

# Compared verbatim, besides the lists: flags, signed numbers, case-sensitive units.
FLAG = r"(?:^|[\s(\[`'\"=,|])(--?[A-Za-z][\w-]*|[-−+±]\d[\d.,]*)"
UNIT = r"\d\s?([mMkKGTuµμ]?(?:Wh?|Hz|bit|[bB]ps|[bB]|V|A|J|Pa|[mM]ol))\b"


def digests(cut: Words, written: Hashes) -> tuple[Hashes, Hashes]:
    """
    Hash the critical words of each text, in order.

    Parameters
    ----------
    cut
        The words of the texts.
    written
        Hash of the verbatim parts of each text (`as_written`).

    Returns
    -------
    loose, strict
        The second is for pairs in which one text has less than `STRICT_BELOW` words. Both are equal for a
        text that is too long for such a pair.
    """
    known, owners = lexicon(), cut.owners()
    distinct, codes = cut.coded  # each distinct word is looked up once
    hashes = distinct.hashes
    values = hashes.copy()
    at = pc.index_in(pa.array(hashes), value_set=pa.array(known.critical)).fill_null(-1).to_numpy()
    listed = at >= 0
    values[listed] = known.same_as[at[listed]]
    short = np.zeros(len(hashes), bool)
    short[listed] = known.short[at[listed]]
    denied = _denied(distinct.words)
    numeric, sign, symbol = _kinds(distinct.words)
    identifier = pc.match_substring_regex(distinct.words, IDENTIFIER).to_numpy(zero_copy_only=False)
    meaningful = ~_among(hashes, known.plain)  # plain words may be added: they do not count here
    small = cut.lengths < STRICT_BELOW * MARGIN
    natural = small | (_share(_among(hashes, known.common)[codes], owners, cut.lengths) >= NATURAL)
    measures = np.zeros(len(codes), bool)  # words after a number
    measures[1:] = numeric[codes[:-1]] & (owners[1:] == owners[:-1])
    counting = short[codes] & (natural[owners] | measures)
    loosely = counting | ((listed & ~short) | denied | numeric | sign | identifier)[codes]
    values = values[codes]
    loose = _digest(values, loosely, cut.lengths, written)
    counts = np.bincount(owners[meaningful[codes]], minlength=len(cut.lengths))
    stop = (meaningful & _among(hashes, known.stop))[codes]
    has_stop_words = small & (_share(stop, owners, counts) >= NATURAL)
    critical = np.where(has_stop_words[owners], meaningful[codes], loosely | symbol[codes])
    strict = np.where(small, _digest(values, critical, cut.lengths, written), loose)
    return loose, strict


def are_natural(hashes: Hashes, lengths: Numbers) -> npt.NDArray[np.bool_]:
    """Return which texts are in natural language, by the share of frequent words."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return _share(_among(hashes, lexicon().common), owners, lengths) >= NATURAL


def says_little(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Return which words are frequent ones, or change nothing when they are added."""
    return is_common(hashes) | _among(hashes, lexicon().plain)


def is_common(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Return which words are among the most frequent of a language."""
    return _among(hashes, lexicon().common)


def _digest(values: Hashes, critical: npt.NDArray[np.bool_], lengths: Numbers, written: Hashes) -> Hashes:
    counts = np.bincount(np.repeat(np.arange(len(lengths)), lengths)[critical], minlength=len(lengths))
    result: Hashes = digest(values[critical], counts) + written
    return result


def _share(held: npt.NDArray[np.bool_], owners: Numbers, lengths: Numbers) -> npt.NDArray[np.float64]:
    """Return the number of each text's words that are `held`, divided by its length."""
    counts = np.bincount(owners[held], minlength=len(lengths))
    result: npt.NDArray[np.float64] = counts / np.maximum(lengths, 1)
    return result


def _among(hashes: Hashes, of: Hashes) -> npt.NDArray[np.bool_]:
    among = pc.is_in(pa.array(hashes), value_set=pa.array(of))
    result: npt.NDArray[np.bool_] = among.to_numpy(zero_copy_only=False)
    return result


def _kinds(words: pa.StringArray) -> tuple[npt.NDArray[np.bool_], ...]:
    """Return for each word whether it has a digit, is a sign, and is a symbol."""
    if not len(words):
        return (np.zeros(0, bool),) * 3
    ends = np.frombuffer(words.buffers()[1], np.int32)[words.offset :][: len(words) + 1]
    letters = np.frombuffer(words.buffers()[2], np.uint8)
    starts = ends[:-1].astype(np.int64)
    inner = letters[starts[0] : ends[-1]]
    numeric = np.add.reduceat(OF_NUMBERS[inner], starts - starts[0]) > 0
    foreign = np.flatnonzero(np.add.reduceat(inner > 127, starts - starts[0]) > 0)
    sign, symbol = OF_SIGNS[letters[starts]], OF_SYMBOLS[letters[starts]]
    if len(foreign):
        matching = pc.match_substring_regex(words.take(pa.array(foreign)), FOREIGN)
        sign[foreign] |= matching.to_numpy(zero_copy_only=False)
    return numeric, sign, symbol


def _denied(words: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Return which words deny another by their prefix."""
    prefixes, others = of_all_languages(lists().denying), "|".join(of_all_languages(lists().not_denying))
    starts = [pc.starts_with(words, prefix).to_numpy(zero_copy_only=False) for prefix in prefixes]
    result: npt.NDArray[np.bool_] = np.logical_or.reduce(starts)
    prefixed = words.filter(pa.array(result))
    denied = pc.match_substring_regex(prefixed, rf"^(?:{'|'.join(prefixes)})\pL{{4,}}$")
    kept = pc.match_substring_regex(prefixed, rf"^(?:{others})")
    denied = pc.and_not(denied, kept).to_numpy(zero_copy_only=False)
    result[result] = denied
    return result


@cache
def _written() -> re.Pattern[str]:
    listed = "|".join(of_all_languages(lists().verbatim))
    return re.compile(rf"{FLAG}|\b(?:{listed})\b|{UNIT}")


def as_written(texts: pa.Array) -> Hashes:
    """Hash the verbatim parts of each text (flags, signed numbers, units) in NFKC; 0 if there are none."""
    foreign = pc.fill_null(pc.match_substring_regex(texts, FOREIGN_TEXT), False)  # NFKC leaves the others
    if pc.any(foreign).as_py():
        folded = pc.utf8_normalize(texts.filter(foreign), form="NFKC")
        texts = pc.replace_with_mask(texts, foreign, folded)
    pattern = _written()
    matched = pc.match_substring_regex(texts, pattern.pattern)
    has = pc.fill_null(matched, False).to_numpy(zero_copy_only=False)
    result = np.zeros(len(texts), np.uint64)
    if has.any():
        matching = texts.filter(pa.array(has)).to_pylist()
        written = pa.array([" ".join(map("".join, pattern.findall(text))) for text in matching], pa.string())
        result[has] = Words(written, np.ones(len(written), np.int64)).hashes
    return result
