"""
Join the lines of a paragraph to one text.

Whether a hyphen at a line's end belongs to the word is decided by whether the document has the joined or the
hyphenated word elsewhere.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from datagen.stages.sources.ingest.pdf.document import HYPHEN

WORD = re.compile(r"[^\W\d_]+(?:[-‐‑][^\W\d_]+)*")
TAIL = re.compile(r"[^\W\d_]+(?:[-‐‑][^\W\d_]+)*\Z")
DASHES = str.maketrans("‐‑", "--")
ENDS = (HYPHEN, "-", "‐", "\xad")
# Scripts without spaces between words: Han, kana, and their punctuation; Thai, Lao, Khmer.
UNSPACED = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff\u0e00-\u0eff\u1780-\u17ff]"
)
WEB_ENDS = "/_=&?%"
SLASHED = re.compile(r"(?=(?<![^\s/(\"'‘“`])([\w.+~-]*/[\w.+-]*\w))")  # two parts of a path, or of "and/or"
PATH_END = re.compile(r"([\w.+~-]*/)\Z")
PATH_START = re.compile(r"([\w.+-]*\w)(/?)")
WEB = re.compile(r"(?:https?://|www\.)\S*\Z")


class Words:
    """The words of a document that are not broken across lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        words: list[str] = []
        self.paths: set[str] = set()
        broken = False
        for line in lines:
            if "/" in line:
                self.paths.update(SLASHED.findall(line))
            unbroken = WORD.findall(line.lower())
            if unbroken and broken:
                del unbroken[0]
            broken = line.endswith(ENDS)
            if unbroken and broken:
                del unbroken[-1]
            words += unbroken
        self.counts = Counter(" ".join(words).translate(DASHES).split())

    def join(self, lines: Sequence[str]) -> str:
        """Join lines to one text."""
        text = ""
        for line in lines:
            text = self._append(text, line) if text else line
        return text.removesuffix(HYPHEN) + "-" * text.endswith(HYPHEN)

    def _append(self, text: str, line: str) -> str:
        if text.endswith(ENDS):
            before, after = TAIL.search(text[:-1]), WORD.match(line)
            if before and after:
                return text[:-1] + self._between(before[0], after[0], text[-1]) + line
            if text[-1] == HYPHEN:  # "32-" and "bit"
                return f"{text[:-1]}-{line}"
            return text + line if text[-2:-1].isalnum() and line[:1].isalnum() else f"{text} {line}"
        if UNSPACED.match(text[-1]) and UNSPACED.match(line):
            return text + line
        if text[-1] in WEB_ENDS and WEB.search(text.rsplit(maxsplit=1)[-1]):
            return text + line
        if text[-1] == "/" and self._is_path(text, line):
            return text + line
        return f"{text} {line}"

    def _is_path(self, text: str, line: str) -> bool:
        """Check whether a path continues after its slash: with more parts, or as elsewhere in the text."""
        end, start = PATH_END.search(text), PATH_START.match(line)
        return bool(end and start and (start[2] or end[1] + start[1] in self.paths))

    def _between(self, before: str, after: str, mark: str) -> str:
        """Return what joins two halves of a word: a hyphen or nothing."""
        before, after = before.translate(DASHES), after.translate(DASHES)
        joined, hyphenated = (before + after).lower(), f"{before}-{after}".lower()
        if mark == "\xad" or joined in self.counts or (self.counts[hyphenated] == 0 and after[0].islower()):
            return "" if self.counts[hyphenated] <= self.counts[joined] else "-"
        return "-"
