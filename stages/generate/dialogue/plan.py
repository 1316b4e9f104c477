"""
Which pairs make a dialogue, and what interrupts it: decided before any model is asked.

The same rows give the same plan, by which the requests are written and the answers read.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from datagen.request import Reject
from datagen.schema import content_id, fraction
from datagen.stage import Context
from datagen.stages.generate.dialogue.distractors import Distractors, topic_of
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.script import Row, Rule, Script
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.render.phrases import say
from datagen.stages.shared.similarity.inverted_index import Postings
from datagen.template import fill

LONGEST = 90  # characters of a title that a role can be said to be about
RULES = 2  # in a system message


class Plan:
    """
    The dialogues of a partition.

    Parameters
    ----------
    rows
        Instruction pairs; `scripts` holds those that are used, `unused` the others with the reason, and
        `languages` what is known of their languages.
    """

    def __init__(self, rows: Sequence[Row], options: Options, context: Context) -> None:
        self._options, self._seed = options, str(context.seed)
        self.languages = Languages(context)
        says, self._where = context.prompt(options.system).fields, f"prompts/{options.system}.yaml"
        self._system, self._roles = says["system_message"], says["roles"]
        self._rules = [Rule.model_validate(rule) for rule in says["rules"]]
        self.unused: list[tuple[Row, Reject]] = []
        sound = [row for row in rows if self._sound(row)]
        self._others = Distractors(sound, context.prompt(options.asking).fields, options)
        topics: dict[str, list[Row]] = {}
        for row in sound:
            topics.setdefault(row["lineage"]["document_id"], []).append(row)
        self.scripts = [script for _, pairs in sorted(topics.items()) for script in self._about(pairs)]

    def _sound(self, row: Row) -> bool:
        try:
            _usable(row, self.languages.of(row))
        except Reject as why:
            self.unused.append((row, why))
            return False
        return True

    def _about(self, pairs: list[Row]) -> list[Script]:
        """Cut the pairs about a document, in its order, into dialogues of about the same length."""
        wanted, title = self._options.topics, topic_of(pairs[0])
        passages = Postings({row["context"]: self.languages.of(row) for row in pairs})
        once: dict[str, Row] = {}
        for row in sorted(pairs, key=lambda row: (row["lineage"]["start"] or 0, row["id"])):
            if once.setdefault(row["question"].casefold(), row) is not row:
                self.unused.append((row, Reject("asked before", row["question"])))
        ordered = list(once.values())
        why = None
        if wanted and not any(re.search(topic, title, re.IGNORECASE) for topic in wanted):
            why = Reject("not one of the topics", title)
        elif len(ordered) < 2:
            why = Reject("too few pairs about the topic", "a dialogue has two or more")
        if why:
            self.unused.extend((row, why) for row in ordered)
            return []
        count = -(-len(ordered) // self._options.on_topic)
        cuts = [len(ordered) * number // count for number in range(count + 1)]
        scripts = []
        for start, end in pairwise(cuts):
            try:
                scripts.append(self._script(ordered[start:end], passages))
            except Reject as why:
                self.unused.extend((row, why) for row in ordered[start:end])
        return scripts

    def _script(self, pairs: Sequence[Row], passages: Postings) -> Script:
        options, topic = self._options, topic_of(pairs[0])
        key = content_id("dialogue", self._seed, *(row["id"] for row in pairs))
        shown = list(dict.fromkeys(row["context"] for row in pairs))
        rules = sorted(self._rules, key=lambda rule: content_id(key, rule.rule))[:RULES]
        role = say([self._roles], "role", key, topic=topic)
        said = [rule.rule for rule in rules]
        system = fill(self._system, self._where, role=role, topic=topic, rules=said, material=shown).strip()
        script = Script(key, topic, system, pairs, passages, "\n".join(shown), self.languages.of(pairs[0]))
        if fraction("without", key) >= options.without:
            places = {place for place in options.positions if place <= len(pairs)}
            drawn = sorted(places, key=lambda place: content_id(key, str(place)))
            for place in sorted(drawn[: min(options.distractors, len(pairs))]):
                script.distractors.append(self._others.draw(script, place, rules))
        return script


def _usable(row: Row, words: Language) -> None:
    """Refuse a pair that cannot be a turn: without a passage, out of place alone, about nothing named."""
    title = topic_of(row)
    if not row["context"]:
        raise Reject("no passage to answer from", row["task"])
    if not 0 < len(title) <= LONGEST:
        raise Reject("no title to be the topic", title)
    try:
        stands_alone(row["question"], words, asks=True)
    except Reject as why:
        raise Reject("needs its context", why.detail) from None
