"""
Read files of object stores: s3://, gs:// and abfss:// through Arrow, any other address through fsspec.

They are listed once and read as streams; nothing is copied to disk. Credentials, regions and endpoints come
from the workers' environment, in the variables of the stores' own tools, never from the recipe.
"""

import glob
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, TypeVar, cast

import pyarrow as pa
from pyarrow import fs

from datagen.errors import UserError
from datagen.recipe.sections import Source
from datagen.redaction import mask_secrets
from datagen.stages.sources.ingest.globs import matches, pattern_parts
from datagen.stages.sources.ingest.record import File, Limits

GOOGLE_SCHEMES = ("gs", "gcs")
AZURE_SCHEMES = ("abfs", "abfss")
ANONYMOUS = "anonymous@"  # before a public bucket of Google's
GOOGLE_SECONDS = 60  # for a request with its retries; the client's default is 15 minutes
ANSWER_SECONDS = 45.0  # to find credentials and the store
BUFFER = 1 << 20  # bytes per request
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
AZURE_SECRETS = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN")  # else Azure's default credential
S3_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
GOOGLE_ADVICE = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, run gcloud auth application-default "
    "login, or write anonymous@ before the name of a public bucket"
)
CREDENTIALS = dict.fromkeys(GOOGLE_SCHEMES, GOOGLE_ADVICE)  # scheme -> what to do without an answer

T = TypeVar("T")


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
    except (OSError, ValueError, ImportError, NotImplementedError, pa.ArrowException) as error:
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
        place = _place(url)
        stream = place.store.open_input_file(place.path)
        return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, stream), BUFFER))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise OSError(_message(error)) from error


def _listed(base: str) -> Iterator[tuple[str, list[str], int]]:
    """List an object, or all below a prefix: address, path below the prefix, size in bytes."""
    place, path, info = _first_answer(partial(_found, base), base.partition("://")[0])
    if info.type == fs.FileType.File:
        yield place.address(path), [path.rpartition("/")[2]], info.size
        return
    for info in place.store.get_file_info(fs.FileSelector(path, recursive=True)):
        if info.type == fs.FileType.File:
            below = info.path[len(path) :].strip("/")
            yield place.address(info.path), below.split("/"), info.size or 0


def _found(base: str) -> "tuple[_Place, str, fs.FileInfo]":
    place = _place(base)
    path = place.path.rstrip("/")
    return place, path, place.store.get_file_info(path)


def _first_answer(ask: Callable[[], T], scheme: str) -> T:
    """
    Ask a store in a thread, because clients search for credentials and servers for many minutes.

    Raises
    ------
    TimeoutError
        If there is no answer in time. The thread is then abandoned.
    """
    answers: Queue[T | BaseException] = Queue()

    def work() -> None:
        try:
            answers.put(ask())
        except BaseException as error:
            answers.put(error)

    Thread(target=work, name="first-answer", daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_SECONDS)
    except Empty:
        advice = CREDENTIALS.get(scheme, "Check the address, the network and the credentials")
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} seconds. {advice}") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


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


@dataclass(frozen=True)
class _Place:
    """A path in a store; an address is `root` and the path without its first `within` characters."""

    store: fs.FileSystem
    path: str
    root: str
    within: int = 0

    def address(self, path: str) -> str:
        """Return the address of another path in the store."""
        return self.root + path[self.within :]


def _place(url: str) -> _Place:
    """Find the store of an address, and the path in it."""
    scheme, _, rest = url.partition("://")
    root = f"{scheme}://"
    if scheme == "s3":
        return _Place(_s3(rest.partition("/")[0]), rest, root)
    if scheme in GOOGLE_SCHEMES:
        if rest.startswith(ANONYMOUS):
            return _Place(_google(True), rest.removeprefix(ANONYMOUS), root + ANONYMOUS)
        return _Place(_google(False), rest, root)
    if scheme in AZURE_SCHEMES:
        authority, _, path = rest.partition("/")
        container, _, host = authority.rpartition("@")
        if not container:
            raise ValueError("name the container before the account, with an @ between them")
        return _Place(_azure(host), f"{container}/{path}", f"{root}{authority}/", len(container) + 1)
    import fsspec

    store, path = fsspec.url_to_fs(url)
    return _Place(fs.PyFileSystem(fs.FSSpecHandler(store)), path, root)


@cache
def _s3(bucket: str) -> fs.FileSystem:
    endpoint = next((os.environ[name] for name in S3_ENDPOINTS if os.environ.get(name)), "")
    region = next((os.environ[name] for name in S3_REGIONS if os.environ.get(name)), "")
    scheme, _, host = endpoint.rpartition("://")
    if not region:
        region = "us-east-1" if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region, endpoint_override=host or None, scheme=scheme or "https", connect_timeout=20
    )


@cache
def _google(anonymous: bool) -> fs.FileSystem:
    return fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=timedelta(seconds=GOOGLE_SECONDS))


@cache
def _azure(host: str) -> fs.FileSystem:
    """Return the store of an account, such as ``name.dfs.core.windows.net``."""
    key, token = (os.environ.get(name) for name in AZURE_SECRETS)
    emulator = os.environ.get("AZURE_STORAGE_BLOB_ENDPOINT", "")
    scheme, _, address = emulator.rpartition("://")
    return fs.AzureFileSystem(
        host.partition(".")[0],
        account_key=key,
        sas_token=None if key else token,
        blob_storage_authority=address or None,
        dfs_storage_authority=address or None,
        blob_storage_scheme=scheme or None,
        dfs_storage_scheme=scheme or None,
    )


def _message(error: Exception) -> str:
    return mask_secrets(" ".join(str(error).split()))[:300]
