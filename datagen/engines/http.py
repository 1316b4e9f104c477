"""
An HTTP session with one server: size limits, proxies, credentials and error classes.

Every error is raised as a failure of `datagen.engines.failures`.
"""

import asyncio
import atexit
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
import aiohttp.connector

from datagen.engines.body import decoded, read_body
from datagen.engines.failures import Away, Failure, Faulty, Hopeless, Lost, Refused
from datagen.redaction import mask_secrets, printable

MAX_BYTES = 32 << 20  # maximum size of any reply's body, before and after decompression
CLOSE_SECONDS = 1.0  # maximum wait for the session to close when the process ends
REDIRECTS, MAX_REDIRECTS = (301, 302, 307, 308), 5  # 300 and 303 ask for another kind of request
UNANSWERED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)  # no part of a reply has arrived

# Connections that have brought a reply. aiohttp's traces tell as well, for a fifth more time per request.
_used: WeakSet[aiohttp.client_proto.ResponseHandler] = WeakSet()


@dataclass(frozen=True)
class Response:
    """A complete reply; its body is not validated."""

    status: int
    text: str
    retry_after: float


class _Outdated(aiohttp.ClientError):
    """A connection that had brought replies was closed before it brought another."""


class _Request(aiohttp.ClientRequest):
    """A request that is not sent on a connection with unread data, which would become its reply."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if conn.protocol is None or not conn.protocol.is_connected():
            raise _Outdated if conn.protocol in _used else aiohttp.ServerDisconnectedError
        if conn.protocol.should_close:
            raise aiohttp.ClientError("the server sent data that no request asked for")
        return await super().send(conn)


class _Response(aiohttp.ClientResponse):
    """A reply that distinguishes a connection that was closed after earlier replies from other failures."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        assert protocol is not None  # the request was sent on it
        try:
            await super().start(connection)
        except UNANSWERED as error:
            if protocol in _used:
                raise _Outdated from error
            raise
        _used.add(protocol)
        return self


class Connection:
    """
    A session with one server.

    Parameters
    ----------
    url
        URL to post requests to, without credentials.
    credentials
        User and password from the recipe's URL.
    key
        API key from the environment; ignored if there are credentials.
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
        self._url, self._timeout = url, timeout
        secrets = [key, *(credentials or ("", ""))[1:], *headers.values()]
        self._secrets = [secret for secret in secrets if len(secret) > 3]  # shorter ones occur in any text
        defaults: dict[str, str] = {"Accept-Encoding": "gzip"}
        if credentials:
            defaults["Authorization"] = aiohttp.BasicAuth(*credentials, encoding="utf-8").encode()
        elif key:
            defaults["Authorization"] = f"Bearer {key}"

        def session(force_close: bool) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=window, force_close=force_close),
                timeout=aiohttp.ClientTimeout(total=timeout),
                headers=defaults | dict(headers),
                proxy=proxy_for(url),  # trust_env would look it up for every request, in a thread
                cookie_jar=aiohttp.DummyCookieJar(),  # a reply must not change later requests
                request_class=_Request,
                response_class=_Response,
                auto_decompress=False,  # aiohttp's decompression has no size limit
            )

        self._session, self._session_without_reuse = session(False), session(True)
        self._loop = asyncio.get_running_loop()
        atexit.register(self._close_at_exit)

    def clean(self, text: str, length: int = 500) -> str:
        """Make a server's message safe to show and store; truncate it to `length` characters."""
        return mask_secrets(printable(text, length), self._secrets)

    async def post(self, body: bytes, most: int = MAX_BYTES) -> Response:
        """
        Send a request with a JSON body once. Redirects are followed on the same server only.

        `most` is the maximum size of the reply's body in bytes, at most `MAX_BYTES`.

        Raises
        ------
        Failure
            If there is no complete reply, or the server redirects elsewhere.
        """
        url = self._url
        for _ in range(MAX_REDIRECTS):
            response, target = await self._post(url, body, min(most, MAX_BYTES))
            if not target:
                return response
            url = self._redirected(url, target, response.status)
        raise Refused("it redirects in a circle", 404)

    def _redirected(self, url: str, target: str, status: int) -> str:
        """Return the target of a redirect; no other server may get the documents and keys of a request."""
        old = urlsplit(url)
        try:
            new = urlsplit(urljoin(url, target))
            secured = old.scheme == "http" and new.scheme == "https"
            same = new.hostname == old.hostname and (secured or new[:2] == old[:2])
        except ValueError:
            same = False
        if not same or new.username is not None or status not in REDIRECTS:
            raise Refused(f"HTTP {status}: it redirects to {self.clean(target)}", status)
        return urlunsplit(new)

    async def _post(self, url: str, body: bytes, most: int) -> tuple[Response, str]:
        """
        Send a request to a URL; return the reply, and where it redirects to, "" if it does not.

        A server may close a connection after any reply, without notice, while the next request is sent on it.
        That request is sent again on a new connection (RFC 9112, 9.5); aiohttp does this except for POST.
        """
        try:
            return await self._post_once(self._session, url, body, most)
        except _Outdated:
            return await self._post_once(self._session_without_reuse, url, body, most)

    async def _post_once(
        self, session: aiohttp.ClientSession, url: str, body: bytes, most: int
    ) -> tuple[Response, str]:
        try:
            payload = aiohttp.BytesPayload(body, content_type="application/json")
            async with session.post(url, data=payload, allow_redirects=False) as response:
                moved = response.status in (*REDIRECTS, 300, 303)
                target = response.headers.get("Location", "") if moved else ""
                retry_after = asked_pause(response.headers.get("Retry-After"), response.headers.get("Date"))
                try:
                    text = decoded(await read_body(response, most), response.charset)
                except Exception as error:
                    if response.status < 300:
                        raise
                    text = f"(its body cannot be read: {error})"  # the status is enough to classify it
                return Response(response.status, text, retry_after), target
        except (Failure, _Outdated):
            raise
        except Exception as error:  # aiohttp raises its own errors, the system's, and ValueErrors
            raise _failure(error, self.clean(self._described(error))) from error

    def _described(self, error: Exception) -> str:
        """Describe an error of the HTTP client; its own wording is misleading or empty for some."""
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no complete reply within {self._timeout:g} seconds (timeout)"
        if isinstance(error, aiohttp.ClientResponseError):  # it says "400", whatever the server sent
            return f"the reply is not valid HTTP: {error.message}"
        return f"{type(error).__name__}: {error}".rstrip(": ")

    async def close(self) -> None:
        """Close the session."""
        atexit.unregister(self._close_at_exit)
        await self._close_sessions()

    async def _close_sessions(self) -> None:
        await self._session.close()
        await self._session_without_reuse.close()

    def _close_at_exit(self) -> None:
        """Close the session of a worker that ends without `close`; aiohttp would print a traceback."""
        if self._loop.is_running():
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(self._close_sessions(), self._loop).result(CLOSE_SECONDS)


def _failure(error: Exception, message: str) -> Failure:
    """Classify an error that the HTTP client raised."""
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Hopeless(f"{message}. This machine does not accept its certificate or TLS version")
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):  # an invalid host name
        return Hopeless(message)
    if isinstance(error, aiohttp.ClientConnectorError):
        unknown = isinstance(error.os_error, socket.gaierror) and error.os_error.errno == socket.EAI_NONAME
        return Hopeless(f"{message}. The host does not exist") if unknown else Away(message)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Away(message)
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return Lost(message)
    return Faulty(message)


def chat_url(base: str) -> str:
    """Return the URL of chat completions; keeps a query of the base, such as ``?api-version=``."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions", fragment=""))


def asked_pause(header: str | None, sent: str | None) -> float:
    """
    Parse a ``Retry-After`` header, in seconds or as a date; 0 if missing or invalid.

    A date is relative to `sent`, the reply's ``Date`` header, because clocks differ; without one, to now.
    """
    if not header:
        return 0.0
    if "_" in header:  # neither a number nor a date, but Python's float accepts 1_0
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - _time(sent)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return max(seconds, 0.0) if seconds < float("inf") else 0.0  # the comparison excludes NaN too


def _time(sent: str | None) -> datetime:
    try:
        date = parsedate_to_datetime(sent or "")
    except (TypeError, ValueError):
        date = None
    return date if date and date.tzinfo else datetime.now(UTC)


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
