"""
Check that rows can be trained on.

Trainers accept invalid rows: swapped roles, an empty answer (only the end token is trained), an answer
truncated at the end of an overlong row. Each row is therefore checked here, and dropped with a reason if it
is invalid.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import KINDS
from datagen.stages.handoff.tokenizer import Ruler, Tokenizer
from datagen.stages.shared.checks.control import control_tokens_in
from datagen.stages.shared.language.pieces import Counts

# Required columns by kind.
NEEDED = {
    "reading": ("text",),
    "instruction": ("prompt", "answer"),
    "refusal": ("prompt", "answer"),
    "preference": ("prompt", "answer", "rejected"),
}
TEXTS = ("text", "answer", "rejected")
VISIBLE = r"[^\s\pZ\pC]"  # neither white space nor a control or formatting character


@dataclass
class Checked:
    """
    Results of the check, one entry per row.

    Parameters
    ----------
    reasons, details
        Null for a valid row.
    tokens
        Tokens of the row's longest sequence; null if not counted.
    trained
        Tokens with a loss: all of a text, otherwise the answer and its end token.
    """

    reasons: pa.Array
    details: pa.Array
    tokens: pa.Array
    trained: pa.Array


def check(rows: pa.Table, ruler: Ruler) -> Checked:
    """Check rows and count their tokens."""
    findings = _Findings(len(rows))
    missing = lacking(rows)
    findings.add(pc.is_valid(missing), "incomplete", missing)
    _check_turns(rows, findings)
    findings.add(_same(rows["answer"], rows["rejected"]), "no preference", "chosen and rejected are the same")
    tokens_found = control_tokens_in(rows, ruler.control)
    findings.add(pc.is_valid(tokens_found), "control tokens", tokens_found)
    tokens, trained = np.full(len(rows), -1, np.int64), np.full(len(rows), -1, np.int64)
    if tokenizer := ruler.tokenizer:
        valid = np.flatnonzero([reason is None for reason in findings.reasons])
        _count(rows.take(valid), valid, tokenizer, findings, tokens, trained)
        longest = ruler.longest or np.iinfo(np.int64).max
        for place in np.flatnonzero(tokens > longest):
            findings.set(place, "too long", f"{tokens[place]} tokens; at most {longest}")
        for place in np.flatnonzero((trained == 0) & (tokens >= 0)):
            findings.set(place, "nothing to train", "no token of the answer is left after the chat template")
    counted = [pa.array(counts, mask=counts < 0) for counts in (tokens, trained)]
    reasons, details = pa.array(findings.reasons, pa.string()), pa.array(findings.details, pa.string())
    return Checked(reasons, details, *counted)


def lacking(rows: pa.Table) -> pa.ChunkedArray:
    """Return what each row lacks for training; null for complete rows."""
    unknown = pc.invert(pc.is_in(rows["kind"], value_set=pa.array(KINDS, pa.string())))
    missing = pc.if_else(unknown, "no product for its kind", pa.scalar(None, pa.string()))
    for kind, needed in NEEDED.items():
        for name in needed:
            has = (
                _has_turns(rows[name]) if name == "prompt" else pc.match_substring_regex(rows[name], VISIBLE)
            )
            none = pc.and_(pc.equal(rows["kind"], kind), pc.invert(pc.fill_null(has, False)))
            missing = pc.if_else(none, f"no {name}", missing)
    return missing


class _Findings:
    """The first reason to drop each row."""

    def __init__(self, rows: int) -> None:
        self.reasons: list[str | None] = [None] * rows
        self.details: list[str | None] = [None] * rows

    def set(self, place: int, reason: str, detail: str | None) -> None:
        if self.reasons[place] is None:
            self.reasons[place], self.details[place] = reason, detail

    def add(self, which: pa.ChunkedArray, reason: str, detail: str | pa.ChunkedArray) -> None:
        for place in np.flatnonzero(np.asarray(pc.fill_null(which, False))):
            self.set(place, reason, detail if isinstance(detail, str) else detail[int(place)].as_py())


def _has_turns(prompts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.greater(pc.list_value_length(prompts), 0)


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_trim_whitespace(left), pc.utf8_trim_whitespace(right))


def _check_turns(rows: pa.Table, findings: _Findings) -> None:
    """Require an optional system message, then user and assistant alternating, the user last; none blank."""
    prompts = rows["prompt"].combine_chunks()
    turns = pc.list_flatten(prompts)
    row_of = pc.list_parent_indices(prompts).to_numpy()
    roles = pc.fill_null(pc.struct_field(turns, "role"), "none").to_numpy(zero_copy_only=False)
    visible = pc.fill_null(pc.match_substring_regex(pc.struct_field(turns, "content"), VISIBLE), False)
    first = np.searchsorted(row_of, row_of, side="left")
    last = np.searchsorted(row_of, row_of, side="right") - 1
    place = np.arange(len(row_of))
    position = place - first - (roles[first] == "system")
    expected = np.where(position < 0, "system", np.where(position % 2, "assistant", "user"))
    wrong = (roles != expected) | ((place == last) & (roles != "user"))
    for row in np.unique(row_of[wrong]):
        findings.set(row, "roles out of order", ", ".join(map(str, roles[row_of == row])) + ", assistant")
    for turn in np.flatnonzero(~visible.to_numpy(zero_copy_only=False)):
        findings.set(row_of[turn], "blank turn", f"message {turn - first[turn] + 1}, by {roles[turn]}")


def _count(
    rows: pa.Table, places: Counts, tokenizer: Tokenizer, findings: _Findings, tokens: Counts, trained: Counts
) -> None:
    """Count the tokens of complete rows and write them to `tokens` and `trained` at their `places`."""
    kinds = rows["kind"].to_numpy()
    texts = np.flatnonzero(kinds == "reading")
    tokens[places[texts]] = trained[places[texts]] = tokenizer.of_texts(rows["text"].take(texts).to_pylist())
    chats = np.flatnonzero(kinds != "reading")
    prompts = rows["prompt"].take(chats).to_pylist()
    sides = [rows["answer"].take(chats).to_pylist(), rows["rejected"].take(chats).to_pylist()]
    for side, answers in zip(TEXTS[1:], sides, strict=True):
        pairs = [
            number
            for number, answer in enumerate(answers)
            if answer is not None and (side == "answer" or kinds[chats[number]] == "preference")
        ]
        counts, ends, problems = tokenizer.of_chats(
            [prompts[number] for number in pairs], [answers[number] for number in pairs]
        )
        targets = places[chats[pairs]]
        for place, problem in zip(targets, problems, strict=True):
            if problem:
                findings.set(place, "chat template", problem)
        tokens[targets] = np.maximum(tokens[targets], counts)
        trained[targets] = ends if side == "answer" else np.minimum(trained[targets], ends)
