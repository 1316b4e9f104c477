"""
Mark the lines of interactive sessions as code.

The documents of R print code in a slanted font that is not monospaced, so only its prompts show what it is.
"""

import re
from collections.abc import Iterator, Sequence

from datagen.stages.sources.ingest.pdf.document import HYPHEN, Line
from datagen.stages.sources.ingest.pdf.layout import Layout

PROMPT = re.compile(r"(?:R?>|>>>)\s+(?=\S)")
CODE = re.compile(r"<-|\w\(|\w\[|=|^(?:R?>|>>>)\s+(?:import|from|library|data)\b")
CONTINUED = re.compile(r"(?:\+|\.\.\.)\s+\S")
RESULT = re.compile(r"\[1\]\s")
MIN_PROMPTS = 3  # in a document; a text with fewer quotes something
MAX_LINES = 30  # of a command that is not closed
BRACKETS = re.compile(r"""("[^"]*"|'[^']*')|([(\[{])|([)\]}])""")


def mark_sessions(layouts: Sequence[Layout]) -> None:
    """Mark the lines of commands, and of results that begin with [1], as monospaced."""
    columns = [
        [line for line in column if isinstance(line, Line)] for layout in layouts for column in layout.columns
    ]
    prompts = [line.text for column in columns for line in column if PROMPT.match(line.text)]
    if len(prompts) < MIN_PROMPTS or 2 * sum(bool(CODE.search(text)) for text in prompts) < len(prompts):
        return
    for column in columns:
        for line in _commands(column):
            line.mono, line.bold = True, False


def _commands(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines of commands: from a prompt to the end of the brackets opened after it."""
    depth = length = 0
    after = False  # whether the line above is of a command
    for line in lines:
        if prompt := PROMPT.match(line.text):
            depth, length = _depth(line.text[prompt.end() :]), 1
        elif after and (depth > 0 or CONTINUED.match(line.text)) and length < MAX_LINES:
            depth, length = depth + _depth(line.text), length + 1
        elif not (after and RESULT.match(line.text)):
            after = False
            continue
        after = True
        yield line


def _depth(text: str) -> int:
    """Count the brackets that a line opens and does not close, outside strings."""
    found = list(BRACKETS.finditer(text.rstrip(HYPHEN).split(" # ")[0]))
    return sum(bool(match[2]) for match in found) - sum(bool(match[3]) for match in found)
