"""Markdown: the file is the document, its YAML front matter the metadata."""

from collections.abc import Iterator
from typing import Any

import yaml

from datagen.stages.sources.ingest.fields import pop_text
from datagen.stages.sources.ingest.record import File, Record, normalise, unusual


def read(file: File) -> Iterator[Record]:
    """Read the whole file."""
    text, encoding = file.text()
    text, metadata = _front_matter(normalise(text))
    title = pop_text(metadata, "title")
    yield Record(text, title, metadata=metadata | unusual(encoding))


def _front_matter(text: str) -> tuple[str, dict[str, Any]]:
    """Split off the YAML between two lines of --- that a Markdown file may begin with."""
    if text.startswith("---\n") and (end := text.find("\n---\n", 3)) > 0:
        try:
            fields = yaml.safe_load(text[4:end])
        except yaml.YAMLError:
            return text, {}
        if isinstance(fields, dict):
            return text[end + 5 :].strip("\n"), {str(key): value for key, value in fields.items()}
    return text, {}
