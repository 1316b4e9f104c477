"""
The plan of the dialogues of a partition: which pairs form a dialogue, and its distractors.

The plan is deterministic: the requests are written and the answers are read by equal plans.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from datagen.request import Reject
from datagen.rows import Row
from datagen.schema import content_id, fraction
from datagen.stage import Context
from datagen.stages.generate.dialogue.distractors import Distractors, topic_of
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.script import Rule, Script
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.render.phrases import say
from datagen.stages.shared.similarity.inverted_index import Postings
from datagen.template import fill

LONGEST = 90  # characters of a title that can be a topic
RULES = 2  # rules per system message


class Plan:
    """
    The dialogues of a partition.

    Parameters
    ----------
    rows
        Instruction pairs; `scripts` are the dialogues, `unused` the pairs in no dialogue with the reason, and
        `languages` the language rules.
    """

    def __init__(self, rows: Sequence[Row], options: Options, context: Context) -> None:
        self._options, self._seed = options, str(context.seed)
        self.languages = Languages(context)
        fields, self._where = context.prompt(options.system).fields, f"prompts/{options.system}.yaml"
        self._system, self._roles = fields["system_message"], fields["roles"]
        self._rules = [Rule.model_validate(rule) for rule in fields["rules"]]
        self.unused: list[tuple[Row, Reject]] = []
        usable = [row for row in rows if self._is_usable(row)]
        self._distractors = Distractors(usable, context.prompt(options.asking).fields, options)
        topics: dict[str, list[Row]] = {}
        for row in usable:
            topics.setdefault(row["lineage"]["document_id"], []).append(row)
        self.scripts = [script for _, pairs in sorted(topics.items()) for script in self._scripts(pairs)]

    def _is_usable(self, row: Row) -> bool:
        try:
            _require_usable(row, self.languages.of(row))
        except Reject as reason:
            self.unused.append((row, reason))
            return False
        return True

    def _scripts(self, pairs: list[Row]) -> list[Script]:
        """Cut the pairs about a document, in its order, into dialogues of about the same length."""
        topics, title = self._options.topics, topic_of(pairs[0])
        passages = Postings({row["context"]: self.languages.of(row) for row in pairs})
        by_question: dict[str, Row] = {}
        for row in sorted(pairs, key=lambda row: (row["lineage"]["start"] or 0, row["id"])):
            if by_question.setdefault(row["question"].casefold(), row) is not row:
                self.unused.append((row, Reject("asked before", row["question"])))
        ordered = list(by_question.values())
        reason = None
        if topics and not any(re.search(topic, title, re.IGNORECASE) for topic in topics):
            reason = Reject("not one of the topics", title)
        elif len(ordered) < 2:
            reason = Reject("too few pairs about the topic", "a dialogue needs at least two")
        if reason:
            self.unused.extend((row, reason) for row in ordered)
            return []
        count = -(-len(ordered) // self._options.on_topic)
        cuts = [len(ordered) * number // count for number in range(count + 1)]
        scripts = []
        for start, end in pairwise(cuts):
            try:
                scripts.append(self._script(ordered[start:end], passages))
            except Reject as rejection:
                self.unused.extend((row, rejection) for row in ordered[start:end])
        return scripts

    def _script(self, pairs: Sequence[Row], passages: Postings) -> Script:
        options, topic = self._options, topic_of(pairs[0])
        key = content_id("dialogue", self._seed, *(row["id"] for row in pairs))
        material = list(dict.fromkeys(row["context"] for row in pairs))
        rules = sorted(self._rules, key=lambda rule: content_id(key, rule.rule))[:RULES]
        system = fill(
            self._system,
            self._where,
            role=say([self._roles], "role", key, topic=topic),
            topic=topic,
            rules=[rule.rule for rule in rules],
            material=material,
        ).strip()
        script = Script(key, topic, system, pairs, passages, "\n".join(material), self.languages.of(pairs[0]))
        if fraction("without", key) >= options.without:
            places = {place for place in options.positions if place <= len(pairs)}
            drawn = sorted(places, key=lambda place: content_id(key, str(place)))
            for place in sorted(drawn[: min(options.distractors, len(pairs))]):
                script.distractors.append(self._distractors.draw(script, place, rules))
        return script


def _require_usable(row: Row, language: Language) -> None:
    """Reject a pair that cannot be a turn: no passage, no title, or a question that needs its context."""
    title = topic_of(row)
    if not row["context"]:
        raise Reject("no passage to answer from", row["task"])
    if not 0 < len(title) <= LONGEST:
        raise Reject("no usable title", title)
    try:
        stands_alone(row["question"], language, asks=True)
    except Reject as reason:
        raise Reject("needs its context", reason.detail) from None
