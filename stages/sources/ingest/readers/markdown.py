"""Markdown: the file is the document, its front matter the metadata."""

import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.fields import pop_text
from datagen.stages.sources.ingest.front_matter import split_front_matter
from datagen.stages.sources.ingest.record import File, Record, normalise, unusual

# A line of nothing but pictures that are links, or that a service draws: the state of a build, a version.
SERVICES = r"(?:img\.shields\.io|badge|codecov|coveralls|travis-ci|circleci|github\.com/[^)\s]+/workflows)"
TARGET = r"(?:\([^)]*\)|\[[^\]]*\])"
BADGE = rf"(?:\[!\[[^\]]*\]{TARGET}\]{TARGET}|!\[[^\]]*\]\([^)]*{SERVICES}[^)]*\))"
BADGES = re.compile(rf"^[ \t]*{BADGE}(?:[ \t]*{BADGE})*[ \t]*(?:\n|\Z)", re.MULTILINE)


def read(file: File) -> Iterator[Record]:
    """Read the whole file."""
    text, encoding = file.text()
    text, metadata = split_front_matter(normalise(text))
    title = pop_text(metadata, "title")
    yield Record(without_badges(text), title, metadata=metadata | unusual(encoding))


def without_badges(text: str) -> str:
    """Leave out the lines of badges."""
    return BADGES.sub("", text) if "![" in text else text
