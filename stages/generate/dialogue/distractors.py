"""
Turns that lead away from the topic: drawn from what is asked about other documents, or written.

That a question is off topic is checked, not assumed: no passage of the topic may hold too many of its
words or of those of the title that it comes from, and the material that the assistant is shown may not
hold its answer. A turn that breaks a rule is near the topic on purpose, so that check is not for it.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from datagen.request import Answer, Reject
from datagen.schema import content_id, fraction, pick
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.script import Distractor, Row, Rule, Script
from datagen.stages.shared import checks
from datagen.stages.shared.language.matching import standing
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.phrases import say

TRIES = 32  # questions about other documents that are looked at
HELD = 0.6  # a text that holds this share of an answer's words may give it away
QUOTES = re.compile('["“”„«»]')
SHORTEST, LONGEST = 4, 60  # words of a written turn


class Distractors:
    """The questions that a partition's pairs ask, each used once to lead away from another topic."""

    def __init__(self, rows: Sequence[Row], asking: Mapping[str, Any], options: Options) -> None:
        self._asking, self._options = asking, options
        self._ring = sorted((content_id("distractor", row["question"]), row["id"], row) for row in rows)
        self._used: set[str] = set()

    def draw(self, script: Script, after: int, rules: Sequence[Rule]) -> Distractor:
        """
        Draw a distractor for a place in a dialogue.

        Where no question of another topic is left, it is one that breaks a rule, if such are wanted.

        Raises
        ------
        Reject
            When there is none.
        """
        place = (script.key, str(after))
        kind = pick(self._options.kinds, "kind", *place)
        row = None if kind == "rule" else self._another_topic(script, place)
        if row is None:
            if "rule" not in self._options.kinds:
                raise Reject("no question of another topic", script.topic)
            return self._broken_rule(script, after, rules)
        self._used.add(row["id"])
        text = row["question"]
        if kind != "abrupt":
            text = say([self._asking[kind]], *place, topic=script.topic, question=row["question"])
        written = fraction("written", *place) < self._options.written
        return Distractor(kind, text, after, row["answer"], topic_of(row), written=written)

    def _broken_rule(self, script: Script, after: int, rules: Sequence[Rule]) -> Distractor:
        said = {distractor.text for distractor in script.distractors}
        ways = [(say([[way]], topic=script.topic), rule) for rule in rules for way in rule.breaks]
        text, rule = pick([way for way in ways if way[0] not in said], "rule", script.key, str(after))
        return Distractor("rule", text, after, declines=rule.declines)

    def _another_topic(self, script: Script, place: tuple[str, str]) -> Row | None:
        start = bisect_left(self._ring, (content_id(*place), ""))
        for step in range(min(TRIES, len(self._ring))):
            row = self._ring[(start + step) % len(self._ring)][2]
            subject = topic_of(row)
            if row["id"] in self._used or subject == script.topic:
                continue
            try:
                off_topic(row["question"], script, self._options.overlap, row["answer"], subject)
            except Reject:
                continue
            return row
        return None


def topic_of(row: Row) -> str:
    """Give the title of a pair's document, as it can be put between quotation marks."""
    return " ".join(QUOTES.sub("", row["lineage"].get("title") or "").split())


def off_topic(text: str, script: Script, overlap: float, answer: str = "", subject: str = "") -> None:
    """Refuse a question that the topic's passages may be about, by its words, its answer or its subject."""
    if subject and script.passages.most_held(subject, script.language) >= overlap:
        raise Reject("distractor is on topic", f"a passage speaks of {subject}: {text}")
    if (held := script.passages.most_held(text, script.language)) >= overlap:
        raise Reject("distractor is on topic", f"{held:.0%} of its words stand in a passage: {text}")
    if answer and standing(answer, script.material, language=script.language) >= HELD:
        raise Reject("distractor is on topic", f"the material holds its answer {answer}: {text}")


def write_in(script: Script, number: int, answer: Answer, overlap: float) -> Distractor:
    """
    Put what the generator wrote in the place of a drawn distractor.

    Raises
    ------
    Reject
        When it is cut off, no turn of a user but an echo of the prompt, on topic, or was asked before.
    """
    text = " ".join(answer.text.strip(' "').split())
    checks.sized(text, SHORTEST, LONGEST)
    drawn = script.distractors[number]
    given = [script.topic, drawn.subject]
    given += [row[name] for row in script.pairs for name in ("question", "answer")]
    prompt = "\n".join(message["content"] for message in answer.request.messages)
    checks.clean(text, Passage({"text": "\n".join(given)}, script.language), prompt)
    checks.finished(text)
    if any(text.casefold() == row["question"].casefold() for row in script.pairs):
        raise Reject("asked before", text)
    off_topic(text, script, overlap)
    return replace(drawn, text=text, answer="")
