"""Hash the content of a corpus, to detect whether any of it has changed since it was read."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stages.sources.ingest.find import Found
from datagen.stages.sources.ingest.readers.mapping import find_mapping
from datagen.stages.sources.ingest.record import File

THREADS = 8  # files hashed at once; hashing and reading release the interpreter


def digest_of(corpus_files: Found, corpus: Sequence[Source]) -> str:
    """
    Hash a corpus: the names and contents of its files, and which cannot be read and why.

    Parameters
    ----------
    corpus_files
        The files of the corpus.
    corpus
        Its entries. Properties that an entry states about its documents, such as their language, are
        included; its path is not, unless it is part of the files' names.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        contents = list(threads.map(_content, corpus_files.files))
    return content_id(*_parts(corpus_files, corpus, contents))


def _parts(corpus_files: Found, corpus: Sequence[Source], contents: Sequence[str]) -> Iterator[str]:
    for entry in corpus:
        yield entry.model_dump_json(exclude={"path", "include", "exclude"})
    for file, content in zip(corpus_files.files, contents, strict=True):
        yield from (file.name, str(corpus.index(file.entry)), content)
    for file, why in corpus_files.left_out:
        yield from (file.name, why.reason, why.detail)


def _content(file: File) -> str:
    if file.entry.python:
        items = find_mapping(file.entry.python).items()
        return content_id(*(str(part) for item in items for part in item))
    try:
        with file.stored() as stream:
            return hashlib.file_digest(cast(io.BufferedReader, stream), "sha256").hexdigest()
    except (OSError, Reject):
        return ""
