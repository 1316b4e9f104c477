"""Searches that are skipped where a text has no sign of what they find."""

from hypothesis import example, given
from hypothesis import strategies as st

from datagen.stages.shared.segment import blocks as module
from datagen.stages.shared.segment.blocks import ATX, CLOSING, FENCE, MAX_HEADING, RULE, blocks


class Thorough(module._Lines):
    """Looks for every mark at every line."""

    def __init__(self, text):
        super().__init__(text)
        self.atx = True
        self.underlines = ["=", "-"] if any(ATX.match(line) for line in self.lines) else []
        marked = self.underlines or any(RULE.match(line.rstrip()) for line in self.lines)
        self.plain = {} if marked else module.plain_headings(self.lines)
        self.closing = [at for at, line in enumerate(self.lines) if CLOSING.match(line)]

    def _fenced(self, at):
        return super()._fenced(at) if FENCE.match(self.lines[at]) else 0

    def _underlined(self, at, size):
        part = [line.rstrip() for line in self.lines[at : at + size]]
        if len(part) < size or (at and self.lines[at - 1].strip()):
            return ""
        title, under = part[-2:]
        rule = RULE.match(under)
        if not rule or not title or title[0].isspace() or len(title) > MAX_HEADING or RULE.match(title):
            return ""
        if size == 3 and part[0] != under:
            return ""
        if len(under) < len(title) / 2 and rule[1] not in "=-":
            return ""
        return rule[1] * (size - 1)


MARKS = ["# Bees", "#bees", "====", "----  ", " ====", "~~~~", "~~~", "~~", "```", "```py", ":::::", "+---+"]
OTHERS = [
    "",
    "",
    "Bees",
    " Bees sleep.",
    "- one",
    "| a | b |",
    "1. One",
    "CHAPTER 1",
    "\t",
    "x" * 121,
    "\u2028",
]
LINES = st.sampled_from(MARKS + OTHERS)


@given(st.lists(LINES, max_size=14).map("\n".join))
@example("====\nBees\n====\n\n~~~\ncode\n~~~\n\nHives\n----")
@example("\n\n".join([*(f"CHAPTER {n}\n\nBees sleep in winter." for n in range(1, 5)), "Hives", "===="]))
def test_the_blocks_are_those_of_a_search_for_every_mark(text):
    found = blocks(text)
    thorough = Thorough(text)
    assert found == tuple(module._blocks(thorough))
