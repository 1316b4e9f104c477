"""
Read files of object stores: s3://, gs:// and abfss:// through Arrow, any other address through fsspec.

They are listed once and read as streams; nothing is copied to disk. Credentials, regions and endpoints come
from the workers' environment, in the variables of the stores' own tools, never from the recipe.
"""

import glob
import io
import os
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
from pyarrow import fs

from datagen.errors import UserError
from datagen.recipe.sections import Source
from datagen.redaction import mask_secrets
from datagen.stages.sources.ingest.record import File, Limits, matches, pattern_parts

ARROW_SCHEMES = ("gs", "gcs", "abfs", "abfss")
BUFFER = 1 << 20  # bytes per request
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
S3_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def list_files(entry: Source, limits: Limits) -> list[File]:
    """
    List the files of an entry whose path is an address: an object, a prefix, or a glob.

    Raises
    ------
    UserError
        If the store cannot be reached, refuses access, or has no matching file.
    """
    base, pattern = _split(entry.path)
    try:
        files = [
            File(Path(), name, entry, size, limits, partial(open_remote, name), remote=True)
            for name, parts, size in _listed(base)
            if _wanted(parts, pattern, entry)
        ]
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise UserError(f"corpus: path: {entry.path!r} cannot be listed: {_message(error)}") from error
    if not files:
        raise UserError(
            f"corpus: path: {entry.path!r} matches no file. Hidden and excluded files are ignored"
        )
    return sorted(files, key=lambda file: file.name)


def open_remote(url: str) -> IO[bytes]:
    """
    Open a file of a store for reading at any position.

    Raises
    ------
    OSError
        If it no longer exists, or the store refuses access; the message contains no secret.
    """
    try:
        filesystem, path = _filesystem(url)
        return cast(
            IO[bytes], io.BufferedReader(cast(io.RawIOBase, filesystem.open_input_file(path)), BUFFER)
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise OSError(_message(error)) from error


def _listed(base: str) -> Iterator[tuple[str, list[str], int]]:
    """List an object, or all below a prefix: address, path below the prefix, size in bytes."""
    filesystem, path = _filesystem(base)
    path = path.rstrip("/")
    address = base[: base.index("://") + 3]
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        yield address + path, [path.rpartition("/")[2]], info.size
        return
    for info in filesystem.get_file_info(fs.FileSelector(path, recursive=True)):
        if info.type == fs.FileType.File:
            below = info.path[len(path) :].strip("/")
            yield address + info.path, below.split("/"), info.size or 0


def _wanted(parts: Sequence[str], pattern: Sequence[str], entry: Source) -> bool:
    if any(part.startswith(".") for part in parts) or (pattern and not matches(parts, pattern)):
        return False
    excluded = [pattern_parts(glob) for glob in entry.exclude]
    if any(matches(parts[:end], glob) for glob in excluded for end in range(1, len(parts) + 1)):
        return False
    return not entry.include or any(matches(parts, pattern_parts(glob)) for glob in entry.include)


def _split(url: str) -> tuple[str, list[str]]:
    """Split an address into the prefix to list and the glob to match below it."""
    scheme, _, rest = url.partition("://")
    parts = rest.split("/")
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return f"{scheme}://{'/'.join(parts[:fixed])}", parts[fixed:]


def _filesystem(url: str) -> tuple[Any, str]:
    """Return the store of an address, and the path in it."""
    scheme, _, rest = url.partition("://")
    if scheme == "s3":
        return _s3(rest.partition("/")[0]), rest
    if scheme in ARROW_SCHEMES:
        filesystem, path = fs.FileSystem.from_uri(url)
        return filesystem, path
    import fsspec

    store, path = fsspec.url_to_fs(url)
    return fs.PyFileSystem(fs.FSSpecHandler(store)), path


@cache
def _s3(bucket: str) -> Any:
    endpoint = next((os.environ[name] for name in S3_ENDPOINTS if os.environ.get(name)), "")
    region = next((os.environ[name] for name in S3_REGIONS if os.environ.get(name)), "")
    scheme, _, host = endpoint.rpartition("://")
    if not region:
        region = "us-east-1" if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region, endpoint_override=host or None, scheme=scheme or "https", connect_timeout=20
    )


def _message(error: Exception) -> str:
    return mask_secrets(" ".join(str(error).split()))[:300]
