"""Subtitles: the spoken text without times, in paragraphs separated by pauses."""

import re
from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import normalise, unusual
from datagen.stages.sources.ingest.record import File, Record

TIMES = re.compile(
    r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♪♫\s]+")  # [Music], (laughs)
PAUSE = 3.0  # seconds that separate paragraphs
ENDED = re.compile(r"[.?!…。？！][\"'”’)]*$")
MAX_PARAGRAPH = 600  # characters after which the end of a sentence also ends the paragraph


def read(file: File) -> Iterator[Record]:
    """Read the spoken text."""
    text, encoding = file.text()
    paragraphs: list[list[str]] = []
    last_end, size = -PAUSE, 0
    last = ""
    for begin, end, lines in _cues(normalise(text).split("\n")):
        for line in lines:
            if line == last:  # rolling captions repeat the previous line
                continue
            separate = begin - last_end >= PAUSE or line.startswith(("-", "–", "♪"))
            if not paragraphs or separate or (size > MAX_PARAGRAPH and ENDED.search(last)):
                paragraphs.append([])
                size = 0
            paragraphs[-1].append(line)
            size += len(line)
            last, last_end = line, end
        last_end = end
    if not paragraphs:
        raise Reject("unreadable file", "it has no timed cues")
    yield Record("\n\n".join(" ".join(lines) for lines in paragraphs), metadata=unusual(encoding))


def _cues(lines: list[str]) -> Iterator[tuple[float, float, list[str]]]:
    """Read each cue: its start and end, in seconds, and its lines."""
    at = 0
    while at < len(lines):
        times = TIMES.search(lines[at])
        at += 1
        if not times:
            continue
        spoken = []
        while at < len(lines) and lines[at].strip():
            line = " ".join(TAG.sub("", lines[at]).split())
            if line and not SOUND.fullmatch(line):
                spoken.append(line)
            at += 1
        yield _seconds(times.groups()[:4]), _seconds(times.groups()[4:]), spoken


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
