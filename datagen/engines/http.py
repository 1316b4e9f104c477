"""
One HTTP session with a server: bounded bodies, proxies, credentials, and its faults by name.

What goes wrong on the way raises a failure of `datagen.engines.failures`, and nothing else.
"""

import json
import socket
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from datagen.engines.failures import Away, Failure, Faulty, Hopeless, Lost
from datagen.redaction import mask_secrets, printable

MOST_BYTES = 32 << 20  # of a reply's body, when decompressed too
SHOWN = 300  # bytes of a reply that is no text
ENCODINGS = {
    "": 0,
    "identity": 0,
    "gzip": 47,
    "x-gzip": 47,
    "deflate": 47,
}  # of zlib's wbits; 47: tell by head


@dataclass(frozen=True)
class Response:
    """A reply that came whole: its body may still be anything."""

    status: int
    text: str
    retry_after: float


class Connection:
    """
    A session with one server.

    Parameters
    ----------
    url
        Where requests are posted, without user and password.
    credentials
        User and password that the recipe's address held.
    key
        The key from the environment; the credentials come before it.
    """

    def __init__(
        self,
        url: str,
        credentials: tuple[str, str] | None,
        key: str,
        headers: Mapping[str, str],
        window: int,
        timeout: float,
    ) -> None:
        import aiohttp

        self._url = url
        secrets = [key, *(credentials or ("", ""))[1:], *headers.values()]
        self._secrets = [secret for secret in secrets if len(secret) > 3]  # shorter ones stand in any text
        given: dict[str, str] = {"Accept-Encoding": "gzip, deflate"}
        if credentials:
            given["Authorization"] = aiohttp.BasicAuth(*credentials, encoding="utf-8").encode()
        elif key:
            given["Authorization"] = f"Bearer {key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=window),
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers=given | dict(headers),
            proxy=proxy_for(url),  # trust_env would look for it at every request, in a thread
            auto_decompress=False,  # which has no bound
        )

    def clean(self, text: str, most: int = 500) -> str:
        """Make a server's words fit to be shown and stored."""
        return mask_secrets(printable(text, most), self._secrets)

    async def post(self, body: Any) -> Response:
        """
        Send a request once.

        Raises
        ------
        Failure
            When no whole reply came.
        """
        try:
            async with self._session.post(self._url, json=body) as response:
                wish = asked_pause(response.headers.get("Retry-After"), datetime.now(UTC))
                try:
                    text = _decoded(await _read(response), response.charset)
                except Exception as error:
                    if response.status < 400:
                        raise
                    text = f"(its body cannot be read: {error})"  # the status says what it is
                return Response(response.status, text, wish)
        except Failure:
            raise
        except Exception as error:  # aiohttp raises its own errors, the system's, and ValueErrors
            raise _failure(error, self.clean(f"{type(error).__name__}: {error}".rstrip(": "))) from error

    async def close(self) -> None:
        """End it."""
        await self._session.close()


async def _read(response: Any) -> bytes:
    """Read a body within its bound, and decompress it within its bound."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise Faulty(f"the reply is encoded as {encoding[:40]!r}, which was not asked for")
    unpack = zlib.decompressobj(ENCODINGS[encoding]) if ENCODINGS[encoding] else None
    whole = bytearray()
    async for data in response.content.iter_chunked(1 << 16):
        try:
            whole += unpack.decompress(data, MOST_BYTES + 1 - len(whole)) if unpack else data
        except zlib.error as error:
            raise Faulty(f"the reply cannot be decompressed: {error}") from None
        if len(whole) > MOST_BYTES:
            response.close()
            raise Faulty(f"the reply is larger than {MOST_BYTES >> 20} MB")
    if unpack and not unpack.eof:
        raise Faulty("the reply is compressed and ends too early")
    return bytes(whole)


def _decoded(data: bytes, charset: str | None) -> str:
    """Decode JSON: UTF-8, whatever is declared, or UTF-16 and UTF-32; else as the server declares."""
    for encoding in (json.detect_encoding(data), charset):
        with suppress(LookupError, ValueError):  # none is declared, nobody knows it, or it is not that
            return data.decode(encoding or "utf-8").removeprefix("\ufeff")
    raise Faulty(f"the reply is not UTF-8: {data[:SHOWN].decode('utf-8', 'replace')}")


def _failure(error: Exception, message: str) -> Failure:
    """Sort what a client raises."""
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Hopeless(f"{message}. Its certificate or TLS is not as this machine expects it")
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):  # the host's name
        return Hopeless(message)
    if isinstance(error, aiohttp.ClientConnectorError):
        unknown = isinstance(error.os_error, socket.gaierror) and error.os_error.errno == socket.EAI_NONAME
        return Hopeless(f"{message}. There is no such host") if unknown else Away(message)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Away(message)
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return Lost(message)
    return Faulty(message)


def chat_url(base: str) -> str:
    """Give the address of chat completions; a query that the base has, such as ``?api-version=``, stays."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions", fragment=""))


def asked_pause(header: str | None, now: datetime) -> float:
    """Read a ``Retry-After`` header, which holds seconds or a date; 0 where there is none."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return max(seconds, 0.0) if seconds < float("inf") else 0.0  # not infinite, and no NaN


def proxy_for(url: str) -> str | None:
    """Find the proxy that the environment names for an address."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
