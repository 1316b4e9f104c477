"""
Flaws that no row of any source may have: empty, control tokens, unfilled template fields, truncation.

Each rule reports only definite flaws. The first rule that applies to a row sets its ``flaw``.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.request import Reject
from datagen.stages.shared import formats
from datagen.stages.shared.checks import text_statistics
from datagen.stages.shared.checks.control import control_tokens_in
from datagen.stages.shared.language.rules import UNKNOWN, Language, words_pattern
from datagen.stages.shared.language.words import words_of


@dataclass(frozen=True)
class Sheet:
    """A partition's columns of text, and the control tokens that none may contain."""

    rows: pa.Table
    control: re.Pattern[str]
    language: Language = UNKNOWN

    def column(self, name: str) -> pa.Array:
        """Return a column of text, null as the empty string."""
        return pc.fill_null(self.rows[name].combine_chunks(), "")

    @cached_property
    def kind(self) -> pa.Array:
        """The kind of each row."""
        return self.column("kind")

    @cached_property
    def said(self) -> pa.Array:
        """The text that the model learns to generate: the answer; of a reading text, the whole text."""
        return pc.if_else(pc.equal(self.kind, "reading"), self.column("text"), self.column("answer"))

    @cached_property
    def quoted(self) -> np.ndarray:
        """Whether `said` is in the passage verbatim."""
        pairs = zip(self.said.to_pylist(), self.column("context").to_pylist(), strict=True)
        return np.fromiter((bool(text) and text in context for text, context in pairs), bool, len(self.rows))


Flawed = tuple[np.ndarray, Callable[[int], str]]  # which rows have a flaw, and a row's flaw_detail


def first(sheet: Sheet) -> tuple[pa.Array, pa.Array]:
    """Return the name of each row's first flaw and the text that shows it; null where it has none."""
    names: list[str | None] = [None] * len(sheet.rows)
    details: list[str | None] = [None] * len(sheet.rows)
    sound = np.ones(len(sheet.rows), bool)
    for name, rule in FLAWS.items():
        flawed, detail = rule(sheet)
        for index in np.flatnonzero(flawed & sound).tolist():
            names[index], details[index] = name, detail(index)
        sound &= ~flawed
    return pa.array(names, pa.string()), pa.array(details, pa.string())


def _empty(sheet: Sheet) -> Flawed:
    preference = pc.equal(sheet.kind, "preference")
    said_empty = pc.equal(pc.utf8_trim_whitespace(sheet.said), "")
    rejected_empty = pc.and_(preference, pc.equal(pc.utf8_trim_whitespace(sheet.column("rejected")), ""))
    return _numpy(
        pc.or_(said_empty, rejected_empty)
    ), lambda index: "answer" if said_empty[index].as_py() else "rejected"


def _same(sheet: Sheet) -> Flawed:
    columns = [sheet.column("answer"), sheet.column("rejected")]
    chosen, rejected = (pc.utf8_lower(pc.utf8_trim_whitespace(column)) for column in columns)
    same = pc.and_(pc.equal(sheet.kind, "preference"), pc.equal(chosen, rejected))
    return _numpy(same), lambda index: sheet.said[index].as_py()


def _control(sheet: Sheet) -> Flawed:
    tokens = control_tokens_in(sheet.rows, sheet.control)
    return _numpy(pc.is_valid(tokens)), lambda index: tokens[index].as_py()


# Template fields and prompt tags.
FIELDS = (
    r"\{(?:passage|question|answer|context|instruction)\}|\{\{\s*\w+\s*\}\}|\{%-?\s"
    r"|</?(?:passage|question|answer|context|instruction)>"
)


def _leftover(sheet: Sheet) -> Flawed:
    """Find unfilled template fields, except where the passage has them too, as in a template manual."""
    pattern = re.compile(rf"{FIELDS}|\[{words_pattern(sheet.language.fill_in)}[^\]\n]{{0,40}}\]")
    subject = pc.match_substring_regex(sheet.column("context"), pattern.pattern)
    unfilled = pc.and_not(pc.match_substring_regex(sheet.said, pattern.pattern), subject)
    return _numpy(unfilled), lambda index: _around(pattern, sheet.said[index])


def _echo(sheet: Sheet) -> Flawed:
    """Find answers with a label in front, a repeated question, or an assistant's phrases."""
    columns = [sheet.column("answer"), sheet.column("question")]
    answers, questions = (
        pc.utf8_lower(pc.utf8_trim(column, " \n\t.?!:\"'")).to_pylist() for column in columns
    )
    repeated = (
        bool(answer) and answer.startswith(question) and (len(question) > 20 or answer == question)
        for answer, question in zip(answers, questions, strict=True)
    )
    echoed = np.fromiter(repeated, bool, len(sheet.rows))
    labelled = np.array(_numpy(pc.match_substring_regex(columns[0], _echo_pattern(sheet.language))), bool)
    for index in np.flatnonzero(labelled):
        labelled[index] = not _demanded_keys(*(column[int(index)].as_py() or "" for column in columns))
    return labelled | echoed, lambda index: columns[0][index].as_py()[:160]


def _demanded_keys(answer: str, question: str) -> bool:
    """Check whether an answer is an object with keys that its question names, such as `{"answer": ...}`."""
    asked = set(words_of(question))
    for form, fewest in (("json", 1), ("yaml", 2)):  # one line "answer: ..." is YAML, too
        with suppress(Reject):
            names = formats.read(form, answer).names
            return len(names) >= fewest and all(asked.issuperset(words_of(name)) for name in names)
    return False


def _echo_pattern(language: Language) -> str:
    label = rf"^\W{{0,3}}{words_pattern(language.spoken_labels)}\W{{0,3}}:"
    return f"(?i){'|'.join((label, *language.assistant))}"


ENDED = re.compile(r"[.!?。！？…؟।:)\]}\"'”’»›」』*`>|\d]\s*$")
PROSE = 20  # words from which a last line counts as prose and needs final punctuation


def _unfinished(sheet: Sheet) -> Flawed:
    """Find truncated text, except answers copied from their passage, which may end anywhere."""
    # No text ends with a comma, an open bracket, a hyphen, or a word that requires another one.
    ends = rf"(?i)(?:[,;(\[{{–—]|\w-|{words_pattern(sheet.language.unended)})\s*$"
    cut = _numpy(pc.match_substring_regex(sheet.said, ends))
    fence = _numpy(pc.count_substring(sheet.said, "```")) % 2 == 1
    last = pc.replace_substring_regex(sheet.said, r"^(?s:.*)\n(\s*\S)", r"\1")
    prose = (text_statistics.word_counts(last) >= PROSE) & ~_numpy(pc.equal(sheet.kind, "reading"))
    endless = prose & ~_numpy(pc.match_substring_regex(last, ENDED.pattern))
    return (cut | fence | endless) & ~sheet.quoted, lambda index: "... " + sheet.said[index].as_py()[-80:]


# Flaw -> rule, the cheapest first.
FLAWS: dict[str, Callable[[Sheet], Flawed]] = {
    "empty": _empty,
    "control tokens": _control,
    "nothing to prefer": _same,
    "template leftover": _leftover,
    "prompt echo": _echo,
    "unfinished sentence": _unfinished,
}


def _around(pattern: re.Pattern[str], text: pa.StringScalar) -> str:
    """Return the match with some text around it."""
    full_text: str = text.as_py()
    match = pattern.search(full_text)
    return full_text[max(0, match.start() - 40) : match.end() + 40] if match else full_text[:80]


def _numpy(values: pa.Array) -> np.ndarray:
    return np.asarray(values.to_numpy(zero_copy_only=False))
