"""
Keep or drop each example by what it looks like and by its scores; no model is asked.

Two sorts of rules, each with one reason, the first that holds being the one that is recorded:

* **surface**: what no row may be, whoever made it. Empty, with a chat template's control tokens, cut
  off, caught in a loop, with a template's fields unfilled, an echo of what was asked, in another script
  than its passage, shorter or longer than its kind allows.
* **confidence**: `p_true` and `logprob` against thresholds for each kind or task. A row without a score
  passes, and refusals and preferences for them have no thresholds at all: a refusal is unlikely text by
  construction, and its evidence is the probe.

All limits are named by kind or by ``kind/task``; the narrower one wins, and without one there is no limit.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import datagen.stage
from datagen.prompt import CONTROL
from datagen.records import KINDS
from datagen.stage import Context, MapStage, Outcome
from datagen.stages.text import surface

EXEMPT = ("refusal", "preference")  # from every threshold of confidence

Limits = dict[str, float]


class Options(datagen.stage.Options):
    """Limits by kind or kind/task; `{}` switches a rule off."""

    min_p_true: Limits = Field({}, description="Least p_true, such as {instruction: 0.5}")
    min_logprob: Limits = Field({}, description="Least mean log probability, such as {instruction: -1.5}")
    min_words: Limits = Field(
        {"instruction/summary": 6, "instruction/definition": 3, "refusal": 3, "reading": 20},
        description="Fewest words of the answer; of a reading text, of the whole",
    )
    max_words: Limits = Field(
        {"instruction": 400, "refusal": 80, "preference": 200, "reading": 6000},
        description="Most words of the answer; of a reading text, of the whole",
    )
    max_loop: Limits = Field(
        {"instruction": 5, "refusal": 5, "preference": 5, "reading": 30},
        description="Most words that may be a block said three times in a row or more",
    )
    min_script: Limits = Field(
        {"instruction": 0.05, "refusal": 0.05, "preference": 0.05},
        description="Least share of the answer's script in its passage, without one in its question",
    )

    @field_validator("*")
    @classmethod
    def _known_kinds(cls, limits: Limits) -> Limits:
        for name in limits:
            if name.partition("/")[0] not in KINDS:
                raise ValueError(f"{name!r} is no kind: write one of {', '.join(KINDS)}, or kind/task")
        return limits

    @field_validator("min_p_true", "min_logprob")
    @classmethod
    def _spare_refusals(cls, limits: Limits) -> Limits:
        if spared := [name for name in limits if name.partition("/")[0] in EXEMPT]:
            raise ValueError(
                f"no threshold of confidence for {', '.join(spared)}: the truest refusal is unlikely text. "
                "Leave the key out; the shares of the stage refuse say how many there are"
            )
        return limits


def apply(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """Drop each row with the first rule that it breaks."""
    sheet = Sheet(rows)
    reasons: list[str | None] = [None] * len(rows)
    details: list[str | None] = [None] * len(rows)
    sound = np.ones(len(rows), bool)
    for reason, rule in RULES.items():
        broken, seen = rule(sheet, options)
        for index in np.flatnonzero(broken & sound).tolist():
            reasons[index], details[index] = reason, seen(index)
        sound &= ~broken
    return Outcome.split(rows, reasons, details)


@dataclass(frozen=True)
class Sheet:
    """A partition's columns as the rules look at them."""

    rows: pa.Table

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
    def words(self) -> np.ndarray:
        """Words of what is said."""
        return surface.word_counts(self.said)

    @cached_property
    def quoted(self) -> np.ndarray:
        """Whether what is said stands in the passage as it is."""
        pairs = zip(self.said.to_pylist(), self.column("context").to_pylist(), strict=True)
        return np.fromiter((bool(said) and said in context for said, context in pairs), bool, len(self.rows))

    def limits(self, limits: Limits) -> np.ndarray:
        """Give each row its limit; nan where it has none."""
        found = np.full(len(self.rows), np.nan)
        for name in sorted(limits, key=lambda name: "/" in name):
            kind, _, task = name.partition("/")
            mine = pc.equal(self.kind, kind)
            if task:
                mine = pc.and_(mine, pc.equal(self.column("task"), task))
            found[_numpy(mine)] = limits[name]
        return found

    def number(self, name: str) -> np.ndarray:
        """Give a column of numbers, nan for null; all nan where the table has none."""
        if name not in self.rows.column_names:
            return np.full(len(self.rows), np.nan)
        return _numpy(pc.cast(self.rows[name].combine_chunks(), pa.float64()))


Found = tuple[np.ndarray, Callable[[int], str]]  # which rows break a rule, and what is seen in one


def _empty(sheet: Sheet, options: Options) -> Found:
    preference = pc.equal(sheet.kind, "preference")
    empty = pc.equal(pc.utf8_trim_whitespace(sheet.said), "")
    nothing = pc.and_(preference, pc.equal(pc.utf8_trim_whitespace(sheet.column("rejected")), ""))
    return _numpy(pc.or_(empty, nothing)), lambda index: "answer" if empty[index].as_py() else "rejected"


def _same(sheet: Sheet, options: Options) -> Found:
    columns = [sheet.column("answer"), sheet.column("rejected")]
    chosen, rejected = (pc.utf8_lower(pc.utf8_trim_whitespace(column)) for column in columns)
    same = pc.and_(pc.equal(sheet.kind, "preference"), pc.equal(chosen, rejected))
    return _numpy(same), lambda index: sheet.said[index].as_py()


def _control(sheet: Sheet, options: Options) -> Found:
    """A tokenizer reads these as the end of a turn, wherever in a row they stand."""
    columns = [sheet.column(name) for name in ("question", "context", "answer", "rejected", "text")]
    hits = [_numpy(pc.match_substring_regex(column, CONTROL.pattern)) for column in columns]

    def seen(index: int) -> str:
        return next(_around(CONTROL, c[index]) for c, hit in zip(columns, hits, strict=True) if hit[index])

    return np.logical_or.reduce(hits), seen


# Fields of templates and tags of prompts.
LEFTOVER = re.compile(
    r"\{(?:passage|question|answer|context|instruction)\}|\{\{\s*\w+\s*\}\}|\{%-?\s"
    r"|</?(?:passage|question|answer|context|instruction)>"
    r"|\[(?:insert|your|name of|enter|fill in)\b[^\]\n]{0,40}\]"
)


def _leftover(sheet: Sheet, options: Options) -> Found:
    """Fields that the passage has too, as the manual of a template language does, are its subject."""
    subject = pc.match_substring_regex(sheet.column("context"), LEFTOVER.pattern)
    left = pc.and_not(pc.match_substring_regex(sheet.said, LEFTOVER.pattern), subject)
    return _numpy(left), lambda index: _around(LEFTOVER, sheet.said[index])


# A label in front of what should be the answer alone; the voice of an assistant that got a prompt.
ECHO = re.compile(
    r"(?i)^\W{0,3}(?:question|passage|context|instruction|answer|assistant|user|system|task)\W{0,3}:"
    r"|^(?:sure|certainly|of course)\b[!,.:].{0,40}\b(?:here|below)\b|\bas an ai (?:language )?model\b"
)


def _echo(sheet: Sheet, options: Options) -> Found:
    columns = [sheet.column("answer"), sheet.column("question")]
    answers, questions = (
        pc.utf8_lower(pc.utf8_trim(column, " \n\t.?!:\"'")).to_pylist() for column in columns
    )
    again = (
        bool(answer) and answer.startswith(question) and (len(question) > 20 or answer == question)
        for answer, question in zip(answers, questions, strict=True)
    )
    echoed = np.fromiter(again, bool, len(sheet.rows))
    labelled = _numpy(pc.match_substring_regex(columns[0], ECHO.pattern))
    return labelled | echoed, lambda index: columns[0][index].as_py()[:160]


def _loop(sheet: Sheet, options: Options) -> Found:
    most = sheet.limits(options.max_loop)
    loops = np.maximum(surface.longest_loop(sheet.said), surface.longest_loop(sheet.column("rejected")))
    return loops > most, lambda index: f"{loops[index]} words in: {sheet.said[index].as_py()[-160:]}"


# Nothing ends with these: a comma, an open bracket, a hyphen, a word that wants another one after it.
CUT = re.compile(
    r"(?i)(?:[,;(\[{–—]|\w-|\b(?:the|an|and|or|of|to|with|from|by|for|that|which|is|are|was|were|because"
    r"|than|as|if))\s*$"
)
ENDED = re.compile(r"[.!?。！？…؟।:)\]}\"'”’»›」』*`>|\d]\s*$")
PROSE = 20  # words from which a last line is prose, and ends with a mark


def _unfinished(sheet: Sheet, options: Options) -> Found:
    """An answer copied from its passage ends where the passage lets it."""
    cut = _numpy(pc.match_substring_regex(sheet.said, CUT.pattern))
    fence = _numpy(pc.count_substring(sheet.said, "```")) % 2 == 1
    last = pc.replace_substring_regex(sheet.said, r"^(?s:.*)\n(\s*\S)", r"\1")
    prose = (surface.word_counts(last) >= PROSE) & ~_numpy(pc.equal(sheet.kind, "reading"))
    endless = prose & ~_numpy(pc.match_substring_regex(last, ENDED.pattern))
    return (cut | fence | endless) & ~sheet.quoted, lambda index: "... " + sheet.said[index].as_py()[-80:]


def _short(sheet: Sheet, options: Options) -> Found:
    least = sheet.limits(options.min_words)
    return sheet.words < least, lambda index: f"{sheet.words[index]} words, fewer than {least[index]:g}"


def _long(sheet: Sheet, options: Options) -> Found:
    most = sheet.limits(options.max_words)
    return sheet.words > most, lambda index: f"{sheet.words[index]} words, more than {most[index]:g}"


def _script(sheet: Sheet, options: Options) -> Found:
    """The answer's main script is hardly to be found in what it answers about."""
    least = sheet.limits(options.min_script)
    question, passage = sheet.column("question"), sheet.column("context")
    passage = pc.utf8_slice_codeunits(passage, 0, HEAD)
    about = surface.script_counts(pc.if_else(pc.equal(passage, ""), question, passage))
    answer = surface.script_counts(sheet.column("answer"))
    main, letters = answer.argmax(axis=1), about.sum(axis=1)
    share = about[np.arange(len(answer)), main] / np.maximum(letters, 1)
    judged = (answer.sum(axis=1) >= LETTERS) & (letters >= LETTERS) & ~sheet.quoted
    return judged & (share < least), lambda index: f"{surface.SCRIPTS[main[index]]}: {share[index]:.0%} there"


LETTERS = 4  # fewer tell no script
HEAD = 400  # characters of a passage that tell its scripts


def _doubtful(sheet: Sheet, options: Options) -> Found:
    least, score = sheet.limits(options.min_p_true), sheet.number("p_true")
    return score < least, lambda index: f"{score[index]:.2f} under {least[index]:g}"


def _unlikely(sheet: Sheet, options: Options) -> Found:
    least, score = sheet.limits(options.min_logprob), sheet.number("logprob")
    return score < least, lambda index: f"{score[index]:.2f} under {least[index]:g}"


# Reason -> rule, the cheap and certain first.
RULES: dict[str, Callable[[Sheet, Options], Found]] = {
    "empty": _empty,
    "control tokens": _control,
    "nothing to prefer": _same,
    "template leftover": _leftover,
    "prompt echo": _echo,
    "repetition loop": _loop,
    "unfinished sentence": _unfinished,
    "too short": _short,
    "too long": _long,
    "another script": _script,
    "p_true too low": _doubtful,
    "logprob too low": _unlikely,
}


def _around(pattern: re.Pattern[str], text: pa.StringScalar) -> str:
    """Show the match with a few words around it."""
    whole = text.as_py()
    found = pattern.search(whole)
    return whole[max(0, found.start() - 40) : found.end() + 40] if found else whole[:80]


def _numpy(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False)


stage = MapStage(
    name="curate",
    summary="drop what no example may be, and what its scores speak against",
    takes="examples",
    gives="examples",
    apply=apply,
    options=Options,
)
