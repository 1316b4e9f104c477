"""
What no row may be, whoever made it: empty, with control tokens, with a template's fields unfilled, cut off.

Each rule is certain about what it finds. The first that holds of a row gives the row's ``flaw``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.checks import text_statistics
from datagen.stages.shared.checks.control import control_tokens_in
from datagen.stages.shared.language.rules import UNKNOWN, Language, words_pattern


@dataclass(frozen=True)
class Sheet:
    """A partition's columns of text as the rules look at them, and the control tokens that none may hold."""

    rows: pa.Table
    control: re.Pattern[str]
    language: Language = UNKNOWN

    def column(self, name: str) -> pa.Array:
        """Give a column of text, null as the empty string."""
        return pc.fill_null(self.rows[name].combine_chunks(), "")

    @cached_property
    def kind(self) -> pa.Array:
        """The kind of each row."""
        return self.column("kind")

    @cached_property
    def said(self) -> pa.Array:
        """What the model learns to write: the answer; of a reading text, the whole text."""
        return pc.if_else(pc.equal(self.kind, "reading"), self.column("text"), self.column("answer"))

    @cached_property
    def quoted(self) -> np.ndarray:
        """Whether what is said stands in the passage as it is."""
        pairs = zip(self.said.to_pylist(), self.column("context").to_pylist(), strict=True)
        return np.fromiter((bool(said) and said in context for said, context in pairs), bool, len(self.rows))


Found = tuple[np.ndarray, Callable[[int], str]]  # which rows have a flaw, and what is seen in one


def first(sheet: Sheet) -> tuple[pa.Array, pa.Array]:
    """Give the name of each row's first flaw, and what is seen of it; null where it has none."""
    names: list[str | None] = [None] * len(sheet.rows)
    details: list[str | None] = [None] * len(sheet.rows)
    sound = np.ones(len(sheet.rows), bool)
    for name, rule in FLAWS.items():
        flawed, seen = rule(sheet)
        for index in np.flatnonzero(flawed & sound).tolist():
            names[index], details[index] = name, seen(index)
        sound &= ~flawed
    return pa.array(names, pa.string()), pa.array(details, pa.string())


def _empty(sheet: Sheet) -> Found:
    preference = pc.equal(sheet.kind, "preference")
    empty = pc.equal(pc.utf8_trim_whitespace(sheet.said), "")
    nothing = pc.and_(preference, pc.equal(pc.utf8_trim_whitespace(sheet.column("rejected")), ""))
    return _numpy(pc.or_(empty, nothing)), lambda index: "answer" if empty[index].as_py() else "rejected"


def _same(sheet: Sheet) -> Found:
    columns = [sheet.column("answer"), sheet.column("rejected")]
    chosen, rejected = (pc.utf8_lower(pc.utf8_trim_whitespace(column)) for column in columns)
    same = pc.and_(pc.equal(sheet.kind, "preference"), pc.equal(chosen, rejected))
    return _numpy(same), lambda index: sheet.said[index].as_py()


def _control(sheet: Sheet) -> Found:
    seen = control_tokens_in(sheet.rows, sheet.control)
    return _numpy(pc.is_valid(seen)), lambda index: seen[index].as_py()


# Fields of templates and tags of prompts.
FIELDS = (
    r"\{(?:passage|question|answer|context|instruction)\}|\{\{\s*\w+\s*\}\}|\{%-?\s"
    r"|</?(?:passage|question|answer|context|instruction)>"
)


def _leftover(sheet: Sheet) -> Found:
    """Fields that the passage has too, as the manual of a template language does, are its subject."""
    pattern = re.compile(rf"{FIELDS}|\[{words_pattern(sheet.language.fill_in)}[^\]\n]{{0,40}}\]")
    subject = pc.match_substring_regex(sheet.column("context"), pattern.pattern)
    left = pc.and_not(pc.match_substring_regex(sheet.said, pattern.pattern), subject)
    return _numpy(left), lambda index: _around(pattern, sheet.said[index])


def _echo(sheet: Sheet) -> Found:
    """Find a label in front of what should be the answer alone, and the voice of an assistant."""
    columns = [sheet.column("answer"), sheet.column("question")]
    answers, questions = (
        pc.utf8_lower(pc.utf8_trim(column, " \n\t.?!:\"'")).to_pylist() for column in columns
    )
    again = (
        bool(answer) and answer.startswith(question) and (len(question) > 20 or answer == question)
        for answer, question in zip(answers, questions, strict=True)
    )
    echoed = np.fromiter(again, bool, len(sheet.rows))
    labelled = _numpy(pc.match_substring_regex(columns[0], _spoken(sheet.language)))
    return labelled | echoed, lambda index: columns[0][index].as_py()[:160]


def _spoken(language: Language) -> str:
    label = rf"^\W{{0,3}}{words_pattern(language.spoken_labels)}\W{{0,3}}:"
    return f"(?i){'|'.join((label, *language.assistant))}"


ENDED = re.compile(r"[.!?。！？…؟।:)\]}\"'”’»›」』*`>|\d]\s*$")
PROSE = 20  # words from which a last line is prose, and ends with a mark


def _unfinished(sheet: Sheet) -> Found:
    """An answer copied from its passage ends where the passage lets it."""
    # Nothing ends with a comma, an open bracket, a hyphen, or a word that wants another one after it.
    ends = rf"(?i)(?:[,;(\[{{–—]|\w-|{words_pattern(sheet.language.unended)})\s*$"
    cut = _numpy(pc.match_substring_regex(sheet.said, ends))
    fence = _numpy(pc.count_substring(sheet.said, "```")) % 2 == 1
    last = pc.replace_substring_regex(sheet.said, r"^(?s:.*)\n(\s*\S)", r"\1")
    prose = (text_statistics.word_counts(last) >= PROSE) & ~_numpy(pc.equal(sheet.kind, "reading"))
    endless = prose & ~_numpy(pc.match_substring_regex(last, ENDED.pattern))
    return (cut | fence | endless) & ~sheet.quoted, lambda index: "... " + sheet.said[index].as_py()[-80:]


# Flaw -> rule, the cheap first.
FLAWS: dict[str, Callable[[Sheet], Found]] = {
    "empty": _empty,
    "control tokens": _control,
    "nothing to prefer": _same,
    "template leftover": _leftover,
    "prompt echo": _echo,
    "unfinished sentence": _unfinished,
}


def _around(pattern: re.Pattern[str], text: pa.StringScalar) -> str:
    """Show the match with a few words around it."""
    whole = text.as_py()
    found = pattern.search(whole)
    result: str = whole[max(0, found.start() - 40) : found.end() + 40] if found else whole[:80]
    return result


def _numpy(values: pa.Array) -> np.ndarray:
    result: np.ndarray = values.to_numpy(zero_copy_only=False)
    return result
