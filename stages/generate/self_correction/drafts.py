"""Drafts: answers that break a policy, with the positions of their cuts and their corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datagen.request import Answer, Reject
from datagen.schema import content_id
from datagen.stages.generate.self_correction.policy import Policy
from datagen.stages.shared import checks
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import LONGEST, SHORTEST, Passage, phrase_in
from datagen.stages.shared.render.phrases import say
from datagen.stages.shared.segment.sentences import split_sentences, unwrap

LEAD = 2  # most sentences of a quoted draft before the violation

Wording = Mapping[str, Sequence[str]]  # list -> its parts


@dataclass(frozen=True)
class Draft:
    """
    An answer, split into sentences.

    Parameters
    ----------
    key
        Seeds the draw of the phrases of its corrections.
    first
        The number of the first sentence that breaks the policy, from 1; None if there is none.
    """

    key: str
    sentences: Sequence[str]
    first: int | None

    def corrected(self, after: int | None, policy: Policy, wording: Wording, draw: str) -> str:
        """
        Return the draft up to a sentence, followed by a correction; None returns the whole draft.

        Before the violation there is nothing to correct: the text announces the omission. `draw` varies the
        phrases.

        Raises
        ------
        Reject
            If the correction itself breaks the policy.
        """
        if after is None:
            return " ".join(self.sentences)
        in_time = self.first is not None and after < self.first
        lists = wording["omissions" if in_time else "turns"], wording["rests" if in_time else "corrections"]
        correction = say([*lists, policy.instead], self.key, str(after), draw, what=policy.what)
        if policy.broken_by(correction):
            raise Reject("correction breaks the policy", correction)
        return " ".join([*self.sentences[:after], correction])

    def places(self, most: int) -> list[int]:
        """
        Return the sentences after which to correct: evenly spaced, the first directly after the violation.

        The last sentence is excluded: a correction after it is too late.
        """
        first, last = self.first or 1, len(self.sentences) - 1
        count = min(most, last - first + 1)
        step = (last - first) / max(1, count - 1)
        return [first + round(step * number) for number in range(count)]


def quoted(passage: Passage, policy: Policy, most: int, *, breaks: bool) -> Draft:
    """
    Build a draft from consecutive sentences of a passage, with or without a violation.

    Raises
    ------
    Reject
        If there are no such sentences, too few after the violation, or none that can start an answer.
    """
    for run in _runs(passage):
        broken = next((number for number, line in enumerate(run) if policy.broken_by(line)), None)
        if breaks != (broken is not None):
            continue
        starts = range(len(run)) if broken is None else range(max(0, broken - LEAD), broken + 1)
        for start in starts:
            lines = run[start : start + most]
            if lines[0] in passage.quotable and len(lines) > (1 if broken is None else broken - start + 1):
                return _draft(passage, lines, policy)
    raise Reject("no sentences for a draft", f"breaking the policy: {breaks}")


def _runs(passage: Passage) -> list[list[str]]:
    """List the runs of consecutive whole sentences, without editorial notes."""
    runs: list[list[str]] = [[]]
    end = 0
    for span, line in passage.sentences:
        start = passage.text.find(span, end)
        if passage.text[end:start].strip():
            runs.append([])
        end = start + len(span)
        words = words_of(line)
        if SHORTEST <= len(words) <= LONGEST and not phrase_in(words, passage.words.apparatus):
            runs[-1].append(line)
        else:
            runs.append([])
    return [run for run in runs if run]


def written(answer: Answer, passage: Passage, policy: Policy, most: int, *, breaks: bool) -> Draft:
    """
    Build a draft from a completion.

    Raises
    ------
    Reject
        If it is cut off, repetitive or too short, or breaks the policy when it should not, or the reverse.
    """
    text = answer.text
    checks.clean(text, passage, answer.request.messages[-1]["content"].replace(passage.text, ""))
    checks.finished(text)
    lines = [unwrap(text[start:end]) for start, end in split_sentences(text)]
    draft = _draft(passage, lines[:most], policy)
    if breaks != (draft.first is not None):
        raise Reject(f"draft {'keeps' if breaks else 'breaks'} the policy", text)
    if len(draft.sentences) <= (draft.first or 1):
        raise Reject("draft too short to be cut", text)
    return draft


def _draft(passage: Passage, lines: Sequence[str], policy: Policy) -> Draft:
    first = next((number for number, line in enumerate(lines, 1) if policy.broken_by(line)), None)
    return Draft(content_id(passage.row["id"], policy.name, *lines), lines, first)
