"""
Who may ask the local server: only the person who started it.

The address that is printed carries a token; the first visit puts it into a cookie that scripts cannot read
and other sites cannot send. Requests for another host (DNS rebinding) and from another origin are refused.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

LOCAL = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
NONCE = web.RequestKey("nonce", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """
    A token, and the middleware that asks for it.

    Parameters
    ----------
    port
        Of the server, so that pages of other local servers neither count as this one nor share its cookie.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cookie = f"datagen-{port}"
        self._hosts = {f"{host}:{port}" for host in LOCAL}
        self._origins = {f"http://{host}" for host in self._hosts}

    @property
    def middleware(self) -> Middleware:
        """The middleware of the application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._check(request, handler)

        return check

    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        nonce = secrets.token_urlsafe(16)
        request[NONCE] = nonce
        response = self._refusal(request) or self._entry(request) or await handler(request)
        response.headers.update(HEADERS | {"Content-Security-Policy": POLICY.format(nonce)})
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        origin = request.headers.get("Origin")
        if request.headers.get("Host") not in self._hosts:
            return web.Response(status=421, text="wrong host")
        if (origin is None and request.method != "GET") or (
            origin is not None and origin not in self._origins
        ):
            return web.Response(status=403, text="wrong origin")
        if self._is_token(request.cookies.get(self._cookie, "")) or self._is_token(
            request.query.get("token", "")
        ):
            return None
        return web.Response(
            status=403, text="Open the address that datagen browse printed: it carries a token."
        )

    def _entry(self, request: web.Request) -> web.Response | None:
        """Put the token into a cookie and take it out of the address."""
        if "token" not in request.query or request.method != "GET":
            return None
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())
