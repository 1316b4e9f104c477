"""
Distractors: user turns that leave the topic, drawn from the questions about other documents, or written.

Questions are checked to be off topic: no passage of the topic may contain too many words of the question or
of the title that it is about, and the material in the system message may not contain its answer. Turns that
break a rule are close to the topic on purpose and are not checked.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from datagen.request import Answer, Reject
from datagen.rows import Row
from datagen.schema import content_id, fraction, pick
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.script import Distractor, Rule, Script
from datagen.stages.shared import checks
from datagen.stages.shared.language.matching import contained_share
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.phrases import say

TRIES = 32  # most questions about other documents that are tried
HELD = 0.6  # least share of an answer's words with which a text may reveal it
QUOTES = re.compile('["“”„«»]')
SHORTEST, LONGEST = 4, 60  # words of a written turn


class Distractors:
    """The questions of a partition's pairs, each used at most once as a distractor from another topic."""

    def __init__(self, rows: Sequence[Row], asking: Mapping[str, str], options: Options) -> None:
        self._asking, self._options = asking, options
        self._ring = sorted((content_id("distractor", row["question"]), row["id"], row) for row in rows)
        self._used: set[str] = set()

    def draw(self, script: Script, after: int, rules: Sequence[Rule]) -> Distractor:
        """
        Draw a distractor for a position in a dialogue.

        If no unused question of another topic is left, draw a turn that breaks a rule, if that is enabled.

        Raises
        ------
        Reject
            If there is no distractor.
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
        used = {distractor.text for distractor in script.distractors}
        turns = [(say([[phrase]], topic=script.topic), rule) for rule in rules for phrase in rule.breaks]
        text, rule = pick([turn for turn in turns if turn[0] not in used], "rule", script.key, str(after))
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
    """Return the title of a pair's document, without quotation marks."""
    return " ".join(QUOTES.sub("", row["lineage"].get("title") or "").split())


def off_topic(text: str, script: Script, overlap: float, answer: str = "", subject: str = "") -> None:
    """Reject a question that may be about the topic, judging by its words, its answer or its subject."""
    if subject and script.passages.most_held(subject, script.language) >= overlap:
        raise Reject("distractor is on topic", f"a passage mentions {subject}: {text}")
    if (held := script.passages.most_held(text, script.language)) >= overlap:
        raise Reject("distractor is on topic", f"{held:.0%} of its words are in one passage: {text}")
    if answer and contained_share(answer, script.material, language=script.language) >= HELD:
        raise Reject("distractor is on topic", f"the material contains its answer {answer}: {text}")


def write_in(script: Script, number: int, answer: Answer, overlap: float) -> Distractor:
    """
    Return a drawn distractor with the text that the generator wrote.

    Raises
    ------
    Reject
        If the text is cut off, an echo of the prompt, on topic, or a repeated question.
    """
    text = " ".join(answer.text.strip(' "').split())
    checks.sized(text, SHORTEST, LONGEST)
    drawn = script.distractors[number]
    context = [script.topic, drawn.subject]
    context += [row[name] for row in script.pairs for name in ("question", "answer")]
    prompt = "\n".join(message["content"] for message in answer.request.messages)
    checks.clean(text, Passage({"text": "\n".join(context)}, script.language), prompt)
    checks.finished(text)
    if any(text.casefold() == row["question"].casefold() for row in script.pairs):
        raise Reject("asked before", text)
    off_topic(text, script, overlap)
    return replace(drawn, text=text, answer="")
