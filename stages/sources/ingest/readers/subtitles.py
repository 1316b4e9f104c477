"""Subtitles: what is said, without times, in paragraphs that pauses part."""

import re
from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.record import File, Record, normalise, unusual

TIMES = re.compile(
    r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
PAUSE = 3.0  # seconds that part paragraphs
ENDED = re.compile(r"[.?!…。？！][\"'”’)]*$")
MAX_PARAGRAPH = 600  # characters, after which a sentence's end parts paragraphs, too


def read(file: File) -> Iterator[Record]:
    """Read what is said."""
    text, encoding = file.text()
    paragraphs: list[list[str]] = []
    before, size = -PAUSE, 0
    last = ""
    for begin, end, lines in _cues(normalise(text).split("\n")):
        for line in lines:
            if line == last:  # captions that roll repeat the line above
                continue
            part = begin - before >= PAUSE or line.startswith(("-", "–", "♪"))
            if not paragraphs or part or (size > MAX_PARAGRAPH and ENDED.search(last)):
                paragraphs.append([])
                size = 0
            paragraphs[-1].append(line)
            size += len(line)
            last, before = line, end
        before = end
    if not paragraphs:
        raise Reject("unreadable file", "it has no cue with times")
    yield Record("\n\n".join(" ".join(lines) for lines in paragraphs), metadata=unusual(encoding))


def _cues(lines: list[str]) -> Iterator[tuple[float, float, list[str]]]:
    """Read each cue: when it begins and ends, in seconds, and its lines."""
    at = 0
    while at < len(lines):
        times = TIMES.search(lines[at])
        at += 1
        if not times:
            continue
        said = []
        while at < len(lines) and lines[at].strip():
            if line := " ".join(TAG.sub("", lines[at]).split()):
                said.append(line)
            at += 1
        yield _seconds(times.groups()[:4]), _seconds(times.groups()[4:]), said


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
